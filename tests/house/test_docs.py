"""The reference pages say what the code says."""

import re
from pathlib import Path

import click
import pytest
from docs import generate

from bucketlog import settings
from bucketlog.accesslog.record import FIELDS
from bucketlog.gateway import metrics
from bucketlog.s3.errors import ERRORS
from bucketlog.s3.operations import OPERATIONS

COMMANDS = list(generate.commands())


def test_every_page_is_what_the_code_says() -> None:
    assert generate.stale() == [], "run `make docs`"


def test_a_page_that_was_edited_is_noticed_and_written_again(tmp_path: Path) -> None:
    assert generate.stale(tmp_path) == list(generate.pages())
    generate.write(tmp_path)
    assert generate.stale(tmp_path) == []
    (tmp_path / "errors.md").write_text("edited")
    assert generate.stale(tmp_path) == ["errors.md"]


def test_every_row_of_every_table_is_on_its_page() -> None:
    pages = generate.pages()
    for row in settings.table():
        assert f"`{row.environment}`" in pages["settings.md"]
    for operation in OPERATIONS:
        assert f"| {operation.name} | `{operation.log_name}`" in pages["operations.md"]
    for code in ERRORS:
        assert f"| `{code}` |" in pages["errors.md"]
    for field in FIELDS:
        assert f"| `{field.name}` |" in pages["fields.md"]
    for path, _ in COMMANDS:
        assert f"## bucketlog {' '.join(path)}".rstrip() + "\n" in pages["commands.md"]


def test_every_metric_that_is_shown_is_on_its_page_and_no_other() -> None:
    counted = metrics.Metrics()
    counted.request("GetObject", 200, 0.01, 0, 5)
    for name, (_, label) in metrics.COUNTERS.items():
        counted.count(name, label=None if label is None else "why")
    shown = metrics.exposition(counted.snapshot()).decode()
    families = set(re.findall(r"^# TYPE (\w+) ", shown, re.MULTILINE))
    page = generate.pages()["metrics.md"]
    assert families == set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))


def test_every_table_has_as_many_cells_in_each_line() -> None:
    for name, text in generate.pages().items():
        for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
            widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
            assert len(widths) == 1, name


@pytest.mark.parametrize(
    ("path", "command"), COMMANDS, ids=[" ".join(path) for path, _ in COMMANDS]
)
def test_every_command_has_help_with_an_example(
    path: tuple[str, ...], command: click.Command
) -> None:
    text = generate.help_of(path, command)
    assert f"Example: bucketlog {' '.join(path)}".strip() in re.sub(r"\s+", " ", text)
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{parameter.opts} of {path} has no help"
