"""`s3://` names to what they stand for: one object, all below a prefix, or all that match a glob.

In a glob `*` and `?` stand for anything but a slash, `**` for anything, `[...]` for one of some
characters. A name that is an object's key, character for character, is that object.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bucketlog.problems import Problem
from bucketlog.reader.access import Access
from bucketlog.reader.buckets import Bucket
from bucketlog.reader.inventory import Inventory
from bucketlog.reader.objects import SourceObject, Trouble, Unreadable

Found = SourceObject | Trouble

_WILD = re.compile(r"[*?\[]")


class Prefix:
    """Objects of one bucket."""

    def __init__(self, name: str, bucket: Bucket) -> None:
        self.name = name
        self._bucket = bucket
        self._asked = name.removeprefix("s3://").partition("/")[2]
        wild = _WILD.search(self._asked)
        self._prefix = self._asked if wild is None else self._asked[: wild.start()]
        self._pattern = None if wild is None else pattern(self._asked)

    def objects(self, start_after: str | None) -> Iterator[Found]:
        """Its objects, in the order of their keys."""
        passed = None if start_after is None else self._key(start_after)
        if self._asked and not self._asked.endswith("/") and start_after != self.name:
            try:
                yield self._found(self._asked)
                return
            except Unreadable as error:
                # Who may list but not read still learns what there is.
                if "404" not in str(error) and "403" not in str(error):
                    raise Problem(f"{self.name} can't be read: {error}.", None) from error
        for found in self._bucket.listed(self._prefix, passed):
            if (
                self._pattern is None
                or isinstance(found, Trouble)
                or self._pattern.fullmatch(found.key)
            ):
                yield found

    def holds(self, name: str) -> bool:
        """Whether an object of that name could be one of these."""
        return name.startswith(f"s3://{self._bucket.name}/{self._prefix}")

    def one(self, name: str) -> Found:
        """The object of that name."""
        try:
            return self._found(self._key(name))
        except Unreadable as error:
            return Trouble(name, str(error))

    def _key(self, name: str) -> str:
        return name.removeprefix(f"s3://{self._bucket.name}/")

    def _found(self, key: str) -> SourceObject:
        about = self._bucket.head(key)
        return self._bucket.object(key, about["size"], about["last_modified"])


def source(name: str, access: Access) -> Prefix | Inventory:
    """What an `s3://` name stands for."""
    bucket, _, key = name.removeprefix("s3://").partition("/")
    if not bucket or _WILD.search(bucket):
        raise Problem(f"{name} names no bucket.", "Write s3://bucket/prefix.")
    if key.rpartition("/")[2] == "manifest.json":
        return Inventory(access.bucket(bucket).object(key), access)
    return Prefix(name, access.bucket(bucket))


def pattern(glob: str) -> re.Pattern[str]:
    """A glob as a regular expression for whole keys."""
    parts: list[str] = []
    at = 0
    while at < len(glob):
        if glob.startswith("**/", at):
            parts.append("(?:.*/)?")
            at += 3
        elif glob.startswith("**", at):
            parts.append(".*")
            at += 2
        elif glob[at] == "*":
            parts.append("[^/]*")
            at += 1
        elif glob[at] == "?":
            parts.append("[^/]")
            at += 1
        elif (found := re.compile(r"\[(!?)(\]?[^\]]*)\]").match(glob, at)) is not None:
            inside = re.sub(r"([\\\[\]^&~|])", r"\\\1", found[2])
            parts.append(f"[{'^' if found[1] else ''}{inside}]")
            at = found.end()
        else:
            parts.append(re.escape(glob[at]))
            at += 1
    return re.compile("".join(parts), re.DOTALL)
