"""What the pages for people point to is there: links, commands, tests, and what they list."""

import re
from pathlib import Path

import click
import pytest
from docs import generate

from bucketlog import settings
from bucketlog.backends.files import metadata
from bucketlog.gateway import metrics
from bucketlog.s3 import acl, checksums, policy_conditions, policy_context

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
COMMANDS = dict(generate.commands())

LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```+)[^\n]*\n.*?^\1 *$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`[^`\n]+`")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


def text_of(page: Path) -> str:
    return page.read_text("utf-8")


def prose_of(page: Path) -> str:
    """A page without its code."""
    return SPAN.sub("", FENCE.sub("", text_of(page)))


def anchors_of(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    words = (re.sub(r"[^\w\- ]", "", title.lower()) for title in HEADING.findall(prose_of(page)))
    return {text.replace(" ", "-") for text in words}


def told_of(page: Path) -> set[tuple[str, ...]]:
    """The commands a page names, in code: `bucketlog X`, or `bucketlog X Y` where X is a group."""
    found = set()
    code = "\n".join([*(m[0] for m in FENCE.finditer(text_of(page))), *SPAN.findall(text_of(page))])
    # Not in sentences that happen to begin with its name, nor in names like bucketlog-data.
    for words in re.findall(
        r"(?:^|[`$(/] ?|bin/|\| )bucketlog((?: +[a-z][a-z-]*)*)(?![\w-])", code, re.MULTILINE
    ):
        path = tuple(words.split())
        if not path:
            continue
        is_group = isinstance(COMMANDS.get(path[:1]), click.Group)
        found.add(path[: 2 if is_group and len(path) > 1 else 1])
    return found


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_within_the_project_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(prose_of(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), link
        assert ROOT in target.parents, link
        if anchor:
            assert anchor in anchors_of(target), link


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_command_named_exists(page: Path) -> None:
    for path in told_of(page):
        assert path in COMMANDS, f"bucketlog {' '.join(path)}"


def test_commands_are_found_where_they_are_named() -> None:
    assert {("demo",), ("serve",), ("logging", "enable")} <= {
        path for page in PAGES for path in told_of(page)
    }


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_flag_of_a_command_exists(page: Path) -> None:
    for line in re.findall(r"^(?:\$ )?(?:\S*/)?bucketlog (.+)$", text_of(page), re.MULTILINE):
        words = line.split("|")[0].split()
        command = COMMANDS.get(tuple(words[:2])) or COMMANDS.get(tuple(words[:1]))
        if command is None or not re.search(r"\s--", f" {line}"):
            continue
        known = {flag for parameter in command.params for flag in parameter.opts} | {"--help"}
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known, line


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_test_named_exists(page: Path) -> None:
    for path, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text_of(page)):
        assert f"def {name}(" in text_of(ROOT / path), f"{path}::{name}"


def test_every_quirk_has_its_own_number_in_order_and_each_number_named_is_one() -> None:
    quirks = text_of(ROOT / "docs" / "quirks.md")
    numbers = re.findall(r"^### (Q\d{3})$", quirks, re.MULTILINE)
    assert numbers == sorted(set(numbers))
    assert len(re.findall(r"^- Tests?: `tests/", quirks, re.MULTILINE)) == len(numbers)
    for page in [*PAGES, *(ROOT / "src").rglob("*.py")]:
        assert set(re.findall(r"\bQ\d{3}\b", text_of(page))) <= set(numbers), page


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_setting_and_metric_named_exists(page: Path) -> None:
    rows = {row.name for row in settings.table()}
    variables = {row.environment for row in settings.table()} | {
        settings.CONFIG,
        settings.ROOT_ACCESS_KEY,
        settings.ROOT_SECRET_KEY,
    }
    text = text_of(page)
    assert set(re.findall(r"\bBUCKETLOG_[A-Z0-9_]+\b", text)) <= variables
    sections = "|".join(settings.SECTIONS)
    for name in re.findall(rf"`((?:{sections})\.[a-z0-9_]+)(?: = [^`]*)?`", text):
        assert name in rows, name
    shown = set(
        re.findall(r"^# TYPE (\w+) ", metrics.exposition(metrics.Snapshot()).decode(), re.M)
    )
    assert set(re.findall(r"\bbucketlog_[a-z_]+[a-z]\b", text)) <= shown


def test_the_page_of_what_is_supported_lists_what_the_tables_have() -> None:
    page = text_of(ROOT / "docs" / "supported.md")
    words = {word.lower() for word in re.findall(r"[A-Za-z0-9_-]+", page)}
    for operator in (*policy_conditions._TESTS, *policy_conditions._NEGATED, "null"):
        assert operator in words
    with_value = {key for key, find in policy_context.KEYS.items() if find.__name__ != "_absent"}
    for prefix in ("aws", "s3"):
        listed = re.search(rf"^\| `{prefix}:` \| (.+) \|$", page, re.MULTILINE)
        assert listed is not None
        assert {f"{prefix}:{name.lower()}" for name in listed[1].split(", ")} == {
            key for key in with_value if key.startswith(f"{prefix}:")
        }
    for name in (*checksums.ALGORITHMS, *metadata.STORAGE_CLASSES, *acl.BUCKET_CANNED):
        assert name.lower() in words, name
