"""Records made fit to share: remote IPs, credentials in URLs, and who asked.

What is taken away is taken from every column that a client could have put it in, and from derived
columns. `raw` and the bytes of rejects are dropped whenever anything is to be hidden: they are what
could not be read with certainty, and so can't be cleaned with certainty.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc

from bucketlog.problems import Problem
from bucketlog.reader import addresses, derived, principals, signatures
from bucketlog.reader.addresses import decrypt
from bucketlog.reader.schema import REPEATING

__all__ = ["SHORTEST_KEY", "Privacy", "apply", "decrypt"]

RemoteIp = Literal["keep", "drop", "truncate", "hash", "encrypt"]
Requester = Literal["keep", "hash"]

SHORTEST_KEY = 16
"""Bytes. IPv4 addresses are few: with a key that can be guessed, hashes of them can be undone."""

# Fields that hold text of the client's choice, wherever in its request that stood.
_TEXTS = ("key", "request_uri", "error_code", "referer", "user_agent", "version_id", "host_header")


@dataclass(frozen=True, slots=True)
class Privacy:
    """What is hidden in records.

    `remote_ip`: "keep"; "drop" makes it null; "truncate" leaves its network, of `ipv4_bits` or
    `ipv6_bits`; "hash" is HMAC-SHA256 with `key`; "encrypt" is AES-SIV with `key`, and `decrypt`
    undoes it. With all but "keep" the address is masked in the record's other texts, too.
    `strip_signatures` masks signatures, security tokens and access keys in URLs. `requester`:
    "hash" leaves the kind of principal and hashes the rest. Raises `Problem` for a key that is
    missing or shorter than `SHORTEST_KEY` bytes, and for anything that doesn't exist.
    """

    remote_ip: RemoteIp = "keep"
    key: bytes | None = field(default=None, repr=False)
    strip_signatures: bool = False
    requester: Requester = "keep"
    ipv4_bits: int = 24
    ipv6_bits: int = 48

    def __post_init__(self) -> None:
        for name, choices in (("remote_ip", RemoteIp), ("requester", Requester)):
            if getattr(self, name) not in get_args(choices):
                raise Problem(
                    f"There is no way {getattr(self, name)!r} to treat {name}.",
                    f"There are {', '.join(get_args(choices))}.",
                )
        if not (0 <= self.ipv4_bits <= 32 and 0 <= self.ipv6_bits <= 128):
            raise Problem("An IPv4 address has 0 to 32 bits to keep, an IPv6 address 0 to 128.")
        if self.needs_key and (self.key is None or len(self.key) < SHORTEST_KEY):
            raise Problem(
                "Hashing and encrypting need a key"
                + ("." if self.key is None else f" of {SHORTEST_KEY} bytes or more."),
                "Make one and keep it: openssl rand -hex 32",
            )

    @property
    def needs_key(self) -> bool:
        """Whether a key is used."""
        return self.remote_ip in ("hash", "encrypt") or self.requester == "hash"

    @property
    def is_on(self) -> bool:
        """Whether anything is hidden."""
        return self.remote_ip != "keep" or self.requester != "keep" or self.strip_signatures


def apply(batch: pa.RecordBatch, privacy: Privacy) -> pa.RecordBatch:
    """The batch, of records or of rejects, without what is to be hidden; its schema stays.

    Derived columns are made anew from the cleaned fields; one whose fields are not there is null.
    Raises `Problem` if addresses are to be encrypted and the package cryptography isn't there.
    """
    if not privacy.is_on:
        return batch
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    rows = batch.num_rows
    if "raw" in columns:
        columns["raw"] = pa.nulls(rows, pa.binary())
    if "bytes" in columns:
        columns["bytes"] = pa.repeat(pa.scalar(b""), rows)
    if privacy.strip_signatures:
        for name in _TEXTS:
            if name in columns:
                columns[name] = _each(columns[name], signatures.strip, signatures.SUSPECT)
        _replace_extras(columns, lambda text, _: signatures.strip(text), signatures.SUSPECT)
    if privacy.remote_ip != "keep" and "remote_ip" in columns:
        _mask_addresses(columns)
        columns["remote_ip"] = _each(columns["remote_ip"], _remote_ip(privacy))
    if privacy.requester == "hash" and "requester" in columns:
        columns["requester"] = _each(columns["requester"], _pseudonym(privacy.key or b""))
    return _rederived(pa.record_batch(list(columns.values()), schema=batch.schema))


def _rederived(batch: pa.RecordBatch) -> pa.RecordBatch:
    held = set(batch.schema.names)
    there = [name for name in derived.COLUMNS if name in held]
    batch = derived.add(batch, [name for name in there if held >= {*derived.COLUMNS[name].needs}])
    for name in there:
        if not held >= {*derived.COLUMNS[name].needs}:
            at = batch.schema.get_field_index(name)
            kind = batch.schema.field(at)
            batch = batch.set_column(at, kind, pa.nulls(batch.num_rows, kind.type))
    return batch


def _remote_ip(privacy: Privacy) -> Callable[[str], str | None]:
    key = privacy.key or b""
    if privacy.remote_ip == "hash":
        return lambda text: addresses.hashed(text, key)
    if privacy.remote_ip == "encrypt":
        return lambda text: addresses.encrypted(text, key)
    if privacy.remote_ip == "truncate":
        return lambda text: addresses.truncate(text, privacy.ipv4_bits, privacy.ipv6_bits)
    return lambda text: None


def _pseudonym(key: bytes) -> Callable[[str], str]:
    """Services stay as they are: they are nobody."""

    def rule(text: str) -> str:
        kind = principals.of(text).kind
        if kind in ("anonymous", "aws_service", "log_delivery"):
            return text
        return f"{kind}:{addresses.hashed(text, key)}"

    return rule


# ── columns of text ─────────────────────────────────────────────────────────────────────────────


def _each(
    array: pa.Array, rule: Callable[[str], str | None], suspect: str | None = None
) -> pa.Array:
    """The rule's result for each text, worked out once a distinct value of a dictionary.

    With `suspect`, an RE2 pattern, only for texts that it finds something in.
    """
    if pa.types.is_dictionary(array.type):
        new = _each(array.dictionary, rule, suspect)
        if new is array.dictionary:
            return array
        places = new.dictionary_encode().cast(REPEATING)
        return pa.DictionaryArray.from_arrays(places.indices.take(array.indices), places.dictionary)
    chosen = array.is_valid()
    if suspect is not None:
        chosen = pc.fill_null(pc.match_substring_regex(array, suspect), False)
    if not chosen.true_count:
        return array
    values = [rule(text) for text in array.filter(chosen).to_pylist()]
    return pc.replace_with_mask(array, chosen, pa.array(values, pa.string()))


def _masked(text: str, address: str | None) -> str:
    """The text with each repetition of the address taken away."""
    spelling = None if address is None else addresses.spellings(address)
    return text if spelling is None else spelling.sub(signatures.REDACTED, text)


def _mask_addresses(columns: dict[str, pa.Array]) -> None:
    remote_ips = columns["remote_ip"]
    for name in _TEXTS:
        if name in columns:
            columns[name] = _without_own(columns[name], remote_ips)
    _replace_extras(columns, _masked, addresses.SUSPECT, remote_ips)


def _without_own(array: pa.Array, remote_ips: pa.Array) -> pa.Array:
    """Texts without the address that stands in the same row."""
    if pa.types.is_dictionary(array.type):
        looks_so = pc.match_substring_regex(array.dictionary, addresses.SUSPECT)
        if not looks_so.true_count:
            return array
        chosen = pc.fill_null(looks_so.take(array.indices), False)
    else:
        chosen = pc.fill_null(pc.match_substring_regex(array, addresses.SUSPECT), False)
        if not chosen.true_count:
            return array
    texts = array.filter(chosen).cast(pa.string()).to_pylist()
    pairs = zip(texts, remote_ips.filter(chosen).cast(pa.string()).to_pylist(), strict=True)
    masked = [_masked(text, address) for text, address in pairs]
    if masked == texts:
        return array
    whole = pc.replace_with_mask(array.cast(pa.string()), chosen, pa.array(masked, pa.string()))
    return whole if array.type == pa.string() else whole.dictionary_encode().cast(array.type)


def _replace_extras(
    columns: dict[str, pa.Array],
    rule: Callable[[str, str | None], str],
    suspect: str,
    beside: pa.Array | None = None,
) -> None:
    """Applies a rule to each extra field, and to the text beside it in another column."""
    lists = columns.get("extra_fields")
    if lists is None or not pc.any(pc.match_substring_regex(lists.flatten(), suspect)).as_py():
        return
    others = [None] * len(lists) if beside is None else beside.cast(pa.string()).to_pylist()
    columns["extra_fields"] = pa.array(
        [
            None if texts is None else [rule(text, other) for text in texts]
            for texts, other in zip(lists.to_pylist(), others, strict=True)
        ],
        lists.type,
    )
