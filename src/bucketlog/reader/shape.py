"""What is done to every batch on its way out: privacy, derived columns, a filter, a choice.

In that order, so that what privacy takes away is in no derived column, and can't be asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from bucketlog.problems import Problem
from bucketlog.reader import derived
from bucketlog.reader.schema import SCHEMA

if TYPE_CHECKING:
    import pyarrow.compute as pc

    from bucketlog.reader.privacy import Privacy


@dataclass(frozen=True)
class Shape:
    """How batches leave. `schema` is what they have then."""

    columns: Sequence[str] | None = None
    derive: Sequence[str] = ()
    privacy: Privacy | None = None
    where: pc.Expression | None = None
    schema: pa.Schema = field(init=False)

    def __post_init__(self) -> None:
        empty = pa.record_batch([pa.array([], each.type) for each in SCHEMA], schema=SCHEMA)
        known = [*SCHEMA.names, *derived.COLUMNS]
        for name in (*(self.columns or ()), *self.derive):
            if name not in known:
                raise Problem(f"There is no column {name}.", _near(name, known))
        wanted = [name for name in self.columns or () if name in derived.COLUMNS]
        every = tuple(dict.fromkeys((*self.derive, *wanted)))
        object.__setattr__(self, "derive", every)
        try:
            object.__setattr__(self, "schema", self.apply(empty).schema)
        except (pa.ArrowException, KeyError) as error:
            if self.where is None:
                raise
            raise Problem(
                f"The filter can't be applied: {str(error).splitlines()[0]}",
                "It is a pyarrow.compute expression over the columns.",
            ) from error

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch as it leaves; it may have no rows left."""
        if self.privacy is not None:
            from bucketlog.reader import privacy

            batch = privacy.apply(batch, self.privacy)
        if self.derive:
            batch = derived.add(batch, self.derive)
        if self.where is not None:
            batch = batch.filter(self.where)
        return batch if self.columns is None else batch.select(list(self.columns))

    def rejects(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Rejects as they leave: privacy holds for their bytes, too."""
        if self.privacy is None:
            return batch
        from bucketlog.reader import privacy

        return privacy.apply(batch, self.privacy)


def _near(name: str, known: Sequence[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, known, 1)
    return f"Did you mean {near[0]}?" if near else "The columns are " + ", ".join(known) + "."
