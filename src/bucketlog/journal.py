"""The server's own log on stderr: one readable line an event, or one JSON object.

Text: time in UTC, level, message, then what the event carries as key=value. It is not the access
log, and nothing a client sent may break a line or forge one: control characters are escaped.
Whoever logs gives values as `extra={"bucket": name}` to the standard `logging` functions.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from typing import TextIO

from bucketlog.settings import Log

ROOT = "bucketlog"
# What every event has; anything else it carries was given by whoever logged it.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_PLAIN = re.compile(r"[!#-<>-~]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def start(settings: Log, stream: TextIO | None = None) -> None:
    """Sends everything bucketlog logs to `stream` (stderr), replacing an earlier start."""
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(_json_formatter() if settings.format == "json" else TextFormatter())
    logger = logging.getLogger(ROOT)
    for old in logger.handlers[:]:
        logger.removeHandler(old)
    logger.addHandler(handler)
    logger.setLevel(settings.level.upper())
    logger.propagate = False


class TextFormatter(logging.Formatter):
    """One line an event; a traceback follows, each of its lines indented."""

    def format(self, record: logging.LogRecord) -> str:
        """The event as text, without a line end."""
        seconds, milliseconds = divmod(int(record.created * 1000), 1000)
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
        level = record.levelname.lower()
        parts = [f"{at}.{milliseconds:03d}Z {level:<7} {_escaped(record.getMessage())}"]
        for name, value in vars(record).items():
            if name not in _STANDARD and value is not None:
                parts.append(f"{name}={_value(value)}")
        line = " ".join(parts)
        if record.exc_info:
            trace = self.formatException(record.exc_info).splitlines()
            line += "".join(f"\n    {_escaped(each)}" for each in trace)
        return line


def _json_formatter() -> logging.Formatter:
    from pythonjsonlogger.json import JsonFormatter

    class _Formatter(JsonFormatter):
        def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
            seconds, milliseconds = divmod(int(record.created * 1000), 1000)
            at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
            return f"{at}.{milliseconds:03d}Z"

    return _Formatter(
        "%(asctime)s %(levelname)s %(name)s %(message)s",
        rename_fields={
            "asctime": "time",
            "levelname": "level",
            "name": "logger",
            "exc_info": "traceback",
        },
    )


def _value(value: object) -> str:
    text = str(value)
    # Quoted where it could be taken for something else: blanks, quotes, "=", nothing at all.
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


def _escaped(text: str) -> str:
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
