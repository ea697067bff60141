"""Keys where people, forms and files meet them."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketlog.console import keys


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("plain/name.txt", "plain/name.txt"),
        ("two words", "two words"),
        (" at the ends ", "\N{OPEN BOX}at the ends\N{OPEN BOX}"),
        ("   ", "\N{OPEN BOX}" * 3),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("bell\x07", "bellU+0007"),
        ("exe\u202etxt", "exeU+202Etxt"),
        ("no\u00a0break", "noU+00A0break"),
        ("ünï/日本", "ünï/日本"),
        ("", ""),
    ],
)
def test_nothing_in_a_key_hides(key: str, shown: str) -> None:
    assert keys.shown(key) == shown


def test_what_stands_for_something_is_told_from_what_is_there() -> None:
    assert keys.visible("a\nb") == [("a", False), ("\\n", True), ("b", False)]
    assert keys.visible("a\\nb") == [("a\\nb", False)]
    assert keys.shown_line(" a\x00 ") == " aU+0000 "


@given(st.text())
def test_a_form_gives_back_the_key_it_was_given(key: str) -> None:
    try:
        sent = keys.in_form(key)
    except UnicodeEncodeError:
        return  # a lone surrogate is in no key
    assert keys.from_form(sent) == key
    assert not re.search(r"[\r\n]", sent)


@pytest.mark.parametrize(
    ("key", "last", "folder"),
    [
        ("a/b/c.txt", "c.txt", "a/b/"),
        ("a/b/", "b/", "a/b/"),
        ("top", "top", ""),
        ("/lead", "lead", "/"),
        ("//", "//", "//"),
        ("a//b", "b", "a//"),
        ("..", "..", ""),
    ],
)
def test_a_key_is_a_name_in_a_folder(key: str, last: str, folder: str) -> None:
    assert keys.last_part(key) == last
    assert keys.folder_of(key) == folder


def test_crumbs_lead_through_folders_without_a_name() -> None:
    assert keys.crumbs("") == []
    assert keys.crumbs("a//b/") == [("a", "a/"), ("", "a//"), ("b", "a//b/")]
    assert keys.crumbs("/") == [("", "/")]


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("a/report.pdf", "report.pdf"),
        ("..", "object"),
        ("a/../..", "object"),
        ("folder/", "folder"),
        ("x\r\nSet-Cookie: a=b", "xSet-Cookie: a=b"),
        ("\u202egpj.exe", "gpj.exe"),
        ("a\\b", "a_b"),
        ("/", "object"),
    ],
)
def test_a_file_gets_a_name_that_harms_nobody(key: str, name: str) -> None:
    assert keys.file_name(key) == name


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_an_attachment_is_one_line_with_the_whole_name_in_it(key: str) -> None:
    header = keys.attachment(key)
    match = re.fullmatch(r"attachment; filename=\"([^\"\\]*)\"; filename\*=UTF-8''([!-~]+)", header)
    assert match is not None
    assert header.isascii()
    assert unquote(match[2]) == keys.file_name(key)


@pytest.mark.parametrize(
    ("key", "is_log"),
    [
        ("p/2026-11-22-19-40-14-0123456789ABCDEF", True),
        ("2026-11-22-19-40-14-0123456789ABCDEF.gz", True),
        ("123/us-east-1/b/2026/11/22/2026-11-22-19-40-14-0123456789ABCDEF", True),
        ("2026-11-22-19-40-14-0123456789ABCDEF/x", False),
        ("2026-11-22-report.txt", False),
        ("", False),
    ],
)
def test_log_objects_are_known_by_their_names(key: str, is_log: bool) -> None:
    assert keys.is_log_name(key) is is_log


def test_a_key_that_cannot_be_is_told_why() -> None:
    assert keys.fault("x" * 1024) is None
    assert keys.fault("ü" * 512) is None
    assert "1,026 bytes" in str(keys.fault("ü" * 513))
    assert keys.fault("") == "It has no name."
    assert keys.fault("\ud800") == "The name isn't Unicode text."


@pytest.mark.parametrize(
    ("key", "has"), [("a/../b", True), ("..", True), ("./a", True), ("a..b", False), ("...", False)]
)
def test_keys_that_clients_shorten_are_known(key: str, has: bool) -> None:
    assert keys.has_dots(key) is has
