"""One line of an access log, explained: every field named, its value, what it means here.

The words are for a person who reads an access log for the first time, and they are about this
record: the same hyphen means one thing for an anonymous caller and another for a failed
signature. Meanings, field by field, are in `meanings`; how a line is read is `line.decode`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bucketlog.accesslog import line as lines
from bucketlog.accesslog.record import FIELDS, Field, LogRecord
from bucketlog.problems import Problem
from bucketlog.reader import meanings

# How many fields records had, by the time the next one was added.
_ERAS = {
    17: "before 2010",
    18: "between 2010 and early March 2019",
    23: "in March 2019",
    24: "between 2019 and 2021",
    25: "in 2021 or 2022",
    26: "between 2022 and the start of 2026",
}


@dataclass(frozen=True, slots=True)
class Explained:
    """One field of one record: `value` as it stands in the line, without quotes or brackets."""

    field: Field
    value: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A whole record, explained.

    `summary` is the story in a sentence or two. `remarks` say what in the line can't be trusted
    or is out of the ordinary; most lines have none. Iterating gives the fields.
    """

    record: LogRecord
    summary: str
    fields: tuple[Explained, ...]
    remarks: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Explained]:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)


def explain(line: bytes | str) -> Explanation:
    """Explains one line, of any era, with or without its line end.

    Raises `Problem` for text that is no record of an S3 server access log, saying why.
    """
    decoded = lines.decode(line)
    record = decoded.record
    if record is None:
        raise Problem(
            f"This line is not a record of an S3 server access log: {decoded.reason}.",
            "A record begins with the bucket owner's ID, the bucket, and a time in brackets.",
        )
    told = [
        Explained(field, text, meanings.of(field, record))
        for field, text in zip(FIELDS, decoded.texts, strict=False)
    ]
    told += [
        Explained(_unknown_field(number), text, meanings.UNKNOWN_FIELD)
        for number, text in enumerate(decoded.extra_fields, len(decoded.texts) + 1)
    ]
    return Explanation(
        record, meanings.summary(record), tuple(told), tuple(_remarks(decoded, record))
    )


def _unknown_field(number: int) -> Field:
    return Field(
        f"field_{number}", f"Field {number}", "text", "", False, "", meanings.UNKNOWN_FIELD, ""
    )


def _remarks(decoded: lines.Decoded, record: LogRecord) -> Iterator[str]:
    if decoded.ambiguous:
        yield (
            "This line can be read in more than one way: a client put text into its request that "
            "imitates the fields of a record. The reading shown is the likeliest. Don't rely on "
            "Request-URI, HTTP status, Referer and User-Agent, nor on the fields between them."
        )
    elif any('"' in (text or "") for text in _client_texts(record)):
        yield (
            "The client sent a double quote in its request line, Referer or User-Agent, and the "
            "log holds it unescaped. Only one reading fits, but many log readers get it wrong."
        )
    if decoded.lossy:
        yield "Bytes that are not UTF-8 are shown as \N{REPLACEMENT CHARACTER}."
    era = _ERAS.get(len(decoded.texts))
    if era is not None and not decoded.extra_fields:
        lacking = [field.title for field in FIELDS[len(decoded.texts) :]]
        yield (
            f"This record has {len(decoded.texts)} fields, as Amazon wrote them {era}; "
            f"{_listed(lacking)} came later."
        )


def _client_texts(record: LogRecord) -> tuple[str | None, ...]:
    return record.request_uri, record.referer, record.user_agent


def _listed(words: list[str]) -> str:
    if len(words) == 1:
        return words[0]
    return f"{', '.join(words[:-1])} and {words[-1]}"
