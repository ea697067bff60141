"""A column of Key fields, decoded.

How often a key is encoded depends on the kind of operation: `accesslog.line.decode_key` has the
rule, this applies it to many. Text with neither "%" nor "+" is the key itself, and most is.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from bucketlog.accesslog import line

_ONCE, _TWICE = "BATCH.DELETE.OBJECT", "REST.GET.OBJECT"  # one operation of either family
_LIFECYCLE = "S3.EXPIRE.OBJECT"


def decoded(keys: pa.Array, operations: pa.Array, is_structured: pa.Array) -> pa.Array:
    """The keys themselves, from Key fields, the operations beside them, and what they stand in.

    Keys of structured records may or may not be encoded, as Amazon doesn't say. Such a text is
    decoded if it is just what encoding makes of the result, and else left as it is.
    """
    if not pc.any(pc.match_substring_regex(keys, "[%+]")).as_py():
        return keys
    marked = pc.fill_null(pc.match_substring_regex(keys, "[%+]"), False)
    batch = pc.starts_with(operations, "BATCH.")
    lifecycle = pc.starts_with(operations, "S3.")
    for operation, family in (
        (_ONCE, batch),
        (_LIFECYCLE, lifecycle),
        (_TWICE, pc.invert(pc.fill_null(pc.or_(batch, lifecycle), False))),
    ):
        of_family = pc.and_(marked, pc.fill_null(family, False))
        for doubted in (False, True):
            chosen = pc.and_(of_family, is_structured if doubted else pc.invert(is_structured))
            if chosen.true_count:
                new = _each(keys.filter(chosen), operation, doubted)
                keys = pc.replace_with_mask(keys, chosen, new)
    return keys


def _each(texts: pa.Array, operation: str, doubted: bool) -> pa.Array:
    unique = texts.dictionary_encode()
    values = []
    for text in unique.dictionary.to_pylist():
        key = line.decode_key(operation, text)
        values.append(text if doubted and line.encode_key(operation, key) != text else key)
    return pa.array(values, pa.string()).take(unique.indices)
