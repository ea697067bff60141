"""`scan` and `read`: any sources to record batches, or to a table, with an account of it all."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from bucketlog.problems import Problem
from bucketlog.reader import sources
from bucketlog.reader.access import Access
from bucketlog.reader.account import Account, Tally
from bucketlog.reader.flow import Flow
from bucketlog.reader.listing import Found, Listing
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
    pandas take it as it is. Whoever stops before the end closes it, or forgets it: that ends its
    threads and requests.
    """

    def __init__(self, reading: _Reading) -> None:
        self.schema: pa.Schema = reading.shape.schema
        self._reading = reading
        self._batches = reading.batches()

    @property
    def account(self) -> Account:
        """What was read so far, up to the batch that was given last."""
        return self._reading.account

    @property
    def position(self) -> Position | None:
        """Where an ordered scan is, behind the batch it gave last: for `start_after`."""
        return self._reading.position

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


@dataclass(eq=False)
class _Reading:
    """What a scan's generator works with. It doesn't know the scan, which may so be forgotten."""

    found: Iterator[Found]
    shape: Shape
    access: Access
    resumed: Position | None
    is_ordered: bool
    is_strict: bool
    on_reject: Callable[[pa.RecordBatch], object] | None
    on_progress: Callable[[Progress], object] | None
    account: Account = field(init=False)
    position: Position | None = None

    def __post_init__(self) -> None:
        self.account = Account(notes=self.access.notes)

    def batches(self) -> Generator[pa.RecordBatch, None, None]:
        """All batches; closing it ends all threads."""
        timeline = self.account.timeline
        flow = Flow(
            self.found,
            self.shape,
            is_ordered=self.is_ordered,
            width_us=lambda: timeline.width_us,
            requests=self.access.requests,
            resumed=self.resumed,
        )
        try:
            for outcome in flow:
                if self.is_strict:
                    _judge(outcome.tally)
                self.account.add(outcome.tally)
                if outcome.rejects is not None and self.on_reject is not None:
                    self.on_reject(outcome.rejects)
                if self.on_progress is not None:
                    self.on_progress(self._progress(flow.listing))
                *first, last = outcome.batches or (None,)
                yield from first
                if self.is_ordered and outcome.end is not None:
                    self.position = outcome.end
                if last is not None:
                    yield last
        finally:
            flow.close()
            self.access.close()

    def _progress(self, listing: Listing) -> Progress:
        is_known = listing.is_complete
        return Progress(
            self.account.objects,
            self.account.stored_bytes,
            self.account.rows,
            listing.objects if is_known else None,
            listing.bytes if is_known else None,
        )


def _judge(tally: Tally) -> None:
    """Raises a `Problem` for whatever went wrong."""
    hint = "Unless it is strict, all else is read, and what can't be is named and counted."
    for trouble in tally.troubles:
        raise Problem(f"{trouble.name}: {trouble.reason}.", hint)
    for reason, count in tally.rejects.items():
        raise Problem(
            f"{'A line' if count == 1 else f'{count} lines'} can't be read: {reason}.", hint
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
    is_ordered = ordered or resumed is not None
    return Scan(_Reading(found, shape, access, resumed, is_ordered, strict, on_reject, on_progress))


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
