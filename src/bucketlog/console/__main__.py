"""The console's process: told by a line on standard input, ends when that input ends.

Started by the server (`gateway/console.py`), which keeps the listening socket and answers on it
whenever this process doesn't. Says "ready" on standard output once it accepts.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import threading

import uvicorn

from bucketlog import journal
from bucketlog.console import app
from bucketlog.console.config import Config, decode
from bucketlog.settings import Log

_PATIENCE_S = 3.0


class _Server(uvicorn.Server):
    """Says when it is ready."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        sys.stdout.write("ready\n")
        sys.stdout.flush()


def main() -> None:
    """Serves until standard input ends."""
    config = decode(sys.stdin.buffer.readline())
    journal.start(Log(config.log_format, config.log_level))  # type: ignore[arg-type]
    logging.getLogger("uvicorn.error").parent = logging.getLogger(f"{journal.ROOT}.console")
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    os.chdir(config.run)  # a socket's path may have 107 bytes; from here it is short
    server = _Server(_settings(config))
    threading.Thread(target=_watch, args=(server,), daemon=True).start()
    listening = socket.socket(fileno=config.socket)
    asyncio.run(server.serve([listening]))


def _settings(config: Config) -> uvicorn.Config:
    return uvicorn.Config(
        app.create(config),
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(config.trusted_proxies),
        forwarded_allow_ips=list(config.trusted_proxies),
        timeout_keep_alive=30,
        timeout_graceful_shutdown=2,
    )


def _watch(server: uvicorn.Server) -> None:
    """Whoever started this keeps its input open as long as it lives, and no longer."""
    sys.stdin.buffer.read()
    server.should_exit = True
    threading.Event().wait(_PATIENCE_S)
    os._exit(0)


if __name__ == "__main__":
    main()
