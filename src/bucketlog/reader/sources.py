"""Names to source objects: files, folders, globs, standard input, `s3://`, S3 Inventory.

A source is listed as it is read, so that millions of objects need no list in memory. Within a
folder, prefix or glob the order is that of the names' bytes, as S3 lists: the same every time.
What can't be listed is a `Trouble` among the objects; a source that names nothing is a `Problem`.
"""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from bucketlog.problems import Problem
from bucketlog.reader import inventory, streams
from bucketlog.reader.access import Access
from bucketlog.reader.files import Files, reading
from bucketlog.reader.inventory import Inventory
from bucketlog.reader.objects import SourceObject, Trouble, Unreadable
from bucketlog.reader.streams import Pipe, Stream

_FILES = Files()
_WILD = re.compile(r"[*?\[]")
_MOST_OF_MANIFEST = 64 * 1024 * 1024

Found = SourceObject | Trouble


class Source(Protocol):
    """Where objects are listed from."""

    @property
    def name(self) -> str:
        """As it was given."""

    def objects(self, start_after: str | None) -> Iterator[Found]:
        """Its objects in its order; those behind `start_after` if that is given."""

    def holds(self, name: str) -> bool:
        """Whether an object of that name could be one of its."""

    def one(self, name: str) -> Found:
        """The object of that name."""


def of(given: Iterable[Any], access: Access) -> list[Source]:
    """The sources that were given. Raises `Problem` for what is none, or isn't there."""
    found = [_source(each, access) for each in given]
    if not found:
        raise Problem(
            "There is nothing to read.", "Name a file, a folder, s3://bucket/prefix or -."
        )
    return found


def _source(given: Any, access: Access) -> Source:
    if isinstance(given, os.PathLike):
        given = os.fspath(given)
    if isinstance(given, bytes):
        given = os.fsdecode(given)
    if isinstance(given, str):
        if given == "-":
            return Single(SourceObject("-", "-", streams.stdin()))
        if given.startswith("s3://"):
            from bucketlog.reader import prefixes

            return prefixes.source(given, access)
        return _local(given, access)
    if hasattr(given, "read"):
        name = getattr(given, "name", None)
        name = name if isinstance(name, str) else "(stream)"
        return Single(SourceObject(name, name, Stream(given)))
    if isinstance(given, Iterable):
        return Names(given, access)
    raise Problem(
        f"{type(given).__name__} is no source.",
        "Give a name, a path, an open binary file, or several of these.",
    )


def _local(path: str, access: Access) -> Source:
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        if _WILD.search(path):
            return Glob(path)
        why = (error.strerror or str(error)).lower()
        raise Problem(
            f"{path} can't be read: {why}.", "Check the name; * and ? may stand in it."
        ) from error
    if stat.S_ISDIR(mode):
        return Folder(path)
    if stat.S_ISREG(mode):
        if os.path.basename(path) == "manifest.json":
            ...
        file = _file(path, os.stat(path))
        return Inventory(file, access) if _is_manifest(path) else Single(file)
    return Single(SourceObject(path, path, Pipe(path)))


def _is_manifest(path: str) -> bool:
    """Whether a file is an inventory's manifest: structured records are JSON, too."""
    if os.path.basename(path) != "manifest.json":
        return False
    with suppress(OSError), open(path, "rb") as file:
        return inventory.parse(file.read(_MOST_OF_MANIFEST)) is not None
    return False


def _file(path: str, status: os.stat_result) -> SourceObject:
    return SourceObject(path, path, _FILES, status.st_size)


@dataclass(frozen=True)
class Single:
    """One object."""

    found: SourceObject

    @property
    def name(self) -> str:
        return self.found.name

    def objects(self, start_after: str | None) -> Iterator[Found]:
        if start_after != self.found.name:
            yield self.found

    def holds(self, name: str) -> bool:
        return name == self.found.name

    def one(self, name: str) -> Found:
        return self.found


@dataclass(frozen=True)
class Folder:
    """All files below a folder."""

    name: str

    def objects(self, start_after: str | None) -> Iterator[Found]:
        passed = b"" if start_after is None else os.fsencode(start_after)
        yield from _below(os.path.join(self.name, ""), passed)

    def holds(self, name: str) -> bool:
        return name.startswith(os.path.join(self.name, ""))

    def one(self, name: str) -> Found:
        return _statted(name)


def _below(folder: str, passed: bytes) -> Iterator[Found]:
    """The files below a folder (its path with a slash) that come after a path."""
    try:
        with reading(folder), os.scandir(folder or ".") as entries:
            names = sorted(
                os.fsencode(folder + entry.name + ("/" if entry.is_dir() else ""))
                for entry in entries
            )
    except Unreadable as error:
        yield Trouble(folder, f"the folder can't be listed: {error}")
        return
    for encoded in names:
        path = os.fsdecode(encoded)
        if encoded.endswith(b"/"):
            # A link to a folder may lead back up, without end.
            if os.path.islink(path[:-1]):
                yield Trouble(path[:-1], "it is a link to a folder, which is not followed")
            elif encoded > passed or passed.startswith(encoded):
                yield from _below(path, passed)
        elif encoded > passed:
            yield _statted(path)


def _statted(path: str) -> Found:
    try:
        with reading(path):
            status = os.stat(path)
    except Unreadable as error:
        return Trouble(path, str(error))
    if not stat.S_ISREG(status.st_mode):
        return Trouble(path, "it is no regular file")
    return _file(path, status)


@dataclass(frozen=True)
class Glob:
    """The files that a pattern matches, and those below folders that it matches."""

    name: str

    def objects(self, start_after: str | None) -> Iterator[Found]:
        passed = b"" if start_after is None else os.fsencode(start_after)
        matches = sorted(map(os.fsencode, glob.iglob(self.name, recursive=True)))
        is_recursive = "**" in self.name
        for encoded in matches:
            path = os.fsdecode(encoded)
            if os.path.isdir(path):
                if not is_recursive:
                    yield from _below(os.path.join(path, ""), passed)
            elif encoded > passed:
                yield _statted(path)

    def holds(self, name: str) -> bool:
        return any(
            name == match or name.startswith(os.path.join(match, ""))
            for match in glob.iglob(self.name, recursive=True)
        )

    def one(self, name: str) -> Found:
        return _statted(name)


class Names:
    """Sources named one after the other by an iterable, which is gone through as they are read."""

    name = "(names)"

    def __init__(self, given: Iterable[Any], access: Access) -> None:
        self._given = given
        self._access = access

    def objects(self, start_after: str | None) -> Iterator[Found]:
        for each in self._given:
            try:
                source = _source(each, self._access)
            except Problem as problem:
                yield Trouble(str(each), problem.message)
                continue
            if start_after is None:
                yield from source.objects(None)
            elif source.holds(start_after):
                yield from source.objects(start_after)
                start_after = None
        if start_after is not None:
            raise Problem(
                f"{start_after} is none of the names to be read.", "It was to be resumed there."
            )

    def holds(self, name: str) -> bool:
        return True

    def one(self, name: str) -> Found:
        return _source(name, self._access).one(name)
