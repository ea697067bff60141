"""bucketlog: complete S3 server access logging, and the best reader of such logs.

`read`, `scan`, `parse` and `explain` are what a user of the library wants. They are imported when
they are first asked for, so `import bucketlog` costs nothing.
"""

from __future__ import annotations

__version__ = "0.1.0"
# Their types stand in __init__.pyi: named here, they would make all that is below import all this.
_PUBLIC = {
    "Position": "bucketlog.reader.objects",
    "Privacy": "bucketlog.reader.privacy",
    "Problem": "bucketlog.problems",
    "Scan": "bucketlog.reader.scan",
    "explain": "bucketlog.reader.explain",
    "parse": "bucketlog.reader.parse",
    "read": "bucketlog.reader.scan",
    "scan": "bucketlog.reader.scan",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    found = getattr(importlib.import_module(_PUBLIC[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
