"""How far a scan is, on a terminal's stderr: bytes, rate, time left. Nothing in the first second.

The bar stands below what is printed and goes when it is done.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bucketlog.reader.scan import Progress

_PATIENCE_S = 1.0
_UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


class Bar:
    """A bar for `on_progress`; `pause` takes it off the terminal until more is told.

    Without a terminal, or if `is_quiet`, it shows nothing.
    """

    def __init__(self, *, is_quiet: bool = False) -> None:
        self._is_wanted = not is_quiet and sys.stderr.isatty()
        self._begun = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self.pause()

    def pause(self) -> None:
        """Takes the bar away for now."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def __call__(self, progress: Progress) -> None:
        """Shows how far the scan is."""
        seconds = time.monotonic() - self._begun
        if not self._is_wanted or seconds < _PATIENCE_S:
            return
        if self._bar is None:
            self._start()
        self._bar.update(
            self._task,
            total=progress.total_bytes,
            completed=progress.bytes,
            told=told(progress, seconds),
        )

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

        self._bar = Progress(
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            TextColumn("{task.fields[told]}"),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("", total=None, told="")
        self._bar.start()


def told(progress: Progress, seconds: float) -> str:
    """`1.2 GB of 3.4 GB, 310 MB/s, 7 s left, 2,345,678 rows`, as far as it is known."""
    from bucketlog import measures

    rate = progress.bytes / seconds if seconds else 0.0
    parts = [size(progress.bytes)]
    if progress.total_bytes is not None:
        parts[0] += f" of {size(progress.total_bytes)}"
    parts.append(f"{size(rate)}/s")
    if progress.total_bytes is not None and rate:
        left = max(0.0, progress.total_bytes - progress.bytes) / rate
        parts.append(f"{measures.about(left)} left")
    if progress.total_objects is not None and progress.total_objects > 1:
        parts.append(f"{progress.objects:,} of {progress.total_objects:,} objects")
    parts.append(f"{progress.rows:,} rows")
    return ", ".join(parts)


def size(count: float) -> str:
    """Bytes for people: `512 B`, `1.3 GB`."""
    for factor, unit in _UNITS:
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count:.0f} B"
