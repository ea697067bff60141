"""`scan` and `read`: any sources to record batches, or to a table, with an account of it all."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from bucketlog.problems import Problem
from bucketlog.reader import sources
from bucketlog.reader.access import Access
from bucketlog.reader.account import Account, Tally
from bucketlog.reader.flow import Flow
from bucketlog.reader.listing import Found
from bucketlog.reader.objects import Position, Trouble
from bucketlog.reader.shape import Shape

if TYPE_CHECKING:
    import pyarrow.compute as pc

    from bucketlog.reader.privacy import Privacy
    from bucketlog.reader.sources import Source


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a scan is. The totals are None until all objects are listed."""

    objects: int
    bytes: int
    rows: int
    total_objects: int | None
    total_bytes: int | None


class Scan:
    """Record batches of `schema`, once, in constant memory; `account` says what they are of.

    It is an iterator, a context manager, and speaks Arrow's C stream, so Polars, DuckDB and
    pandas take it as it is. `position` is behind what was given last, if it is ordered.
    """

    def __init__(
        self,
        found: Iterator[Found],
        shape: Shape,
        access: Access,
        *,
        ordered: bool,
        strict: bool,
        resumed: Position | None,
        on_reject: Callable[[pa.RecordBatch], object] | None,
        on_progress: Callable[[Progress], object] | None,
    ) -> None:
        self.schema: pa.Schema = shape.schema
        self.account = Account(notes=access.notes)
        self.position: Position | None = None
        self._is_ordered = ordered
        self._is_strict = strict
        self._on_reject = on_reject
        self._on_progress = on_progress
        self._batches = self._run(found, shape, access, resumed)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self

    def __next__(self) -> pa.RecordBatch:
        return next(self._batches)

    def __enter__(self) -> Scan:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends all reading. What was given already remains good."""
        self._batches.close()

    def reader(self) -> pa.RecordBatchReader:
        """The batches as Arrow's own reader."""
        return pa.RecordBatchReader.from_batches(self.schema, self)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The batches as a C stream (Arrow PyCapsule interface)."""
        return self.reader().__arrow_c_stream__(requested_schema)

    def _run(
        self, found: Iterator[Found], shape: Shape, access: Access, resumed: Position | None
    ) -> Generator[pa.RecordBatch, None, None]:
        flow = Flow(
            found,
            shape,
            is_ordered=self._is_ordered,
            width_us=lambda: self.account.timeline.width_us,
            requests=access.requests,
            resumed=resumed,
        )
        try:
            for outcome in flow:
                self._judge(outcome.tally)
                self.account.add(outcome.tally)
                if outcome.rejects is not None and self._on_reject is not None:
                    self._on_reject(outcome.rejects)
                if self._on_progress is not None:
                    self._on_progress(self._progress(flow))
                if self._is_ordered and outcome.end is not None and not outcome.batches:
                    self.position = outcome.end
                for batch in outcome.batches:
                    if self._is_ordered and batch is outcome.batches[-1]:
                        self.position = outcome.end or self.position
                    yield batch
        finally:
            flow.close()

    def _judge(self, tally: Tally) -> None:
        if not self._is_strict:
            return
        hint = "Without strict, all else is read, and what can't be is counted."
        for trouble in tally.troubles:
            raise Problem(f"{trouble.name}: {trouble.reason}.", hint)
        for reason, count in tally.rejects.items():
            raise Problem(f"A line can't be read, or more ({count}): {reason}.", hint)

    def _progress(self, flow: Flow) -> Progress:
        listing = flow.listing
        return Progress(
            self.account.objects,
            self.account.stored_bytes,
            self.account.rows,
            listing.objects if listing.is_complete else None,
            listing.bytes if listing.is_complete else None,
        )


def scan(
    *given: Any,
    columns: Sequence[str] | None = None,
    derive: Sequence[str] = (),
    privacy: Privacy | None = None,
    where: pc.Expression | None = None,
    ordered: bool = False,
    start_after: str | Position | None = None,
    strict: bool = False,
    on_reject: Callable[[pa.RecordBatch], object] | None = None,
    on_progress: Callable[[Progress], object] | None = None,
    endpoint_url: str | None = None,
    profile: str | None = None,
    region: str | None = None,
    requests: int = 64,
) -> Scan:
    """Reads access logs from any sources, in constant memory.

    A source is a file, a folder, a glob, "-" for standard input, `s3://bucket/prefix` (an object,
    a prefix, a glob), an S3 Inventory's `manifest.json`, an open binary file, or an iterable of
    these. gzip and zstd are told by their first bytes. `columns` are those wanted, `derive` adds
    derived ones; `where` is an expression over them, and sees what `privacy` leaves. Unless
    `ordered`, objects may come in any order; the lines of one never do. `start_after`, an object's
    name or a `Position`, resumes an ordered scan. An object that can't be read stops nothing,
    unless `strict`: then it, or a line that is no record, is a `Problem`. `requests` is how many
    requests to S3 are in flight.

    Raises `Problem` for a source that isn't there or holds nothing, now or when first iterated.
    """
    access = Access(endpoint_url, profile, region, requests)
    shape = Shape(columns, derive, privacy, where)
    resumed = Position(start_after) if isinstance(start_after, str) else start_after
    found = _listed(sources.of(given, access), resumed)
    return Scan(
        found,
        shape,
        access,
        ordered=ordered or resumed is not None,
        strict=strict,
        resumed=resumed,
        on_reject=on_reject,
        on_progress=on_progress,
    )


def _listed(all_sources: Sequence[Source], resumed: Position | None) -> Iterator[Found]:
    """The objects of all sources, from the position on. Raises `Problem` where there are none."""
    reason = "it holds no object"
    is_empty, is_alone = True, len(all_sources) == 1
    for source in all_sources:
        if resumed is not None and not source.holds(resumed.source_object):
            continue
        is_source_empty = resumed is None
        try:
            for found in _resumed(source, resumed):
                if isinstance(found, Trouble):
                    reason = found.reason
                is_source_empty = False
                is_empty = is_empty and isinstance(found, Trouble)
                yield found
        except Problem as problem:
            if is_alone:
                raise
            reason, is_source_empty = problem.message, False
            yield Trouble(source.name, problem.message)
        is_empty = is_empty and resumed is None
        resumed = None
        if is_source_empty and not is_alone:
            yield Trouble(source.name, "it holds no object")
    if resumed is not None:
        raise Problem(
            f"{resumed.source_object} is in none of the sources.", "Reading was to resume there."
        )
    if is_empty:
        names = ", ".join(source.name for source in all_sources)
        raise Problem(f"There is nothing to read in {names}: {reason}.", "Check the names.")


def _resumed(source: Source, position: Position | None) -> Iterator[Found]:
    """The objects of a source, or those from a position on."""
    if position is None:
        yield from source.objects(None)
        return
    if position.line_number is not None:
        yield source.one(position.source_object)
    yield from source.objects(position.source_object)


def read(*given: Any, **options: Any) -> pa.Table:
    """All of it as a table, with the options of `scan`.

    The counts are in the schema's metadata, as decimal numbers: `bucketlog.objects`, `.lines`,
    `.rows`, `.rejects`, `.ambiguous`, `.troubles`.
    """
    with scan(*given, **options) as found:
        batches = list(found)
        account = found.account
    counts = {
        "objects": account.objects,
        "troubles": account.troubles,
        "lines": account.lines,
        "rows": account.rows,
        "rejects": account.rejected,
        "ambiguous": account.ambiguous,
    }
    metadata = {f"bucketlog.{name}": str(count) for name, count in counts.items()}
    return pa.Table.from_batches(batches, found.schema).replace_schema_metadata(metadata)
