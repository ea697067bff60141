"""Where the fields of a record stand in its line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.conformance import RECORDS

from bucketlog.accesslog import line
from bucketlog.console import field_marks


def cut(data: bytes) -> tuple[str, list[str], list[field_marks.Piece]]:
    text = data.decode(errors="replace").removesuffix("\n").removesuffix("\r")
    decoded = line.decode(data)
    texts = [*decoded.texts, *decoded.extra_fields]
    return text, texts, field_marks.pieces(text, texts)


@pytest.mark.parametrize("name", RECORDS)
def test_every_field_of_every_era_is_found_where_it_stands(name: str) -> None:
    text, texts, pieces = cut(RECORDS[name].data)
    assert "".join(piece.text for piece in pieces) == text
    marked = [piece for piece in pieces if piece.number is not None]
    assert [piece.number for piece in marked] == list(range(1, len(texts) + 1))
    for piece, value in zip(marked, texts, strict=True):
        assert piece.text in (value, f'"{value}"', f"[{value}]")
    between = "".join(piece.text for piece in pieces if piece.number is None)
    assert between.replace("-", "").strip(" ") == ""


@given(st.text(' "[]-aé', max_size=40), st.lists(st.text(' "-a', max_size=4), max_size=30))
def test_whatever_it_is_given_nothing_of_the_line_is_lost(text: str, texts: list[str]) -> None:
    assert "".join(piece.text for piece in field_marks.pieces(text, texts)) == text
