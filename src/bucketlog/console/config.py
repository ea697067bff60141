"""What the console's process is told by the process that starts it, as one JSON object."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec


class Setting(msgspec.Struct, frozen=True):
    """A setting in force, as text. `source` is where it was set; None: nowhere, the default."""

    name: str
    value: str
    source: str | None = None


class Server(msgspec.Struct, frozen=True):
    """The server that this console is of. Sizes are in bytes, for each worker."""

    pid: int = 0
    started_at: int = 0
    """In ns."""
    workers: int = 1
    spool_max_bytes: int = 4 << 30
    hold_bytes: int = 2 << 30
    deliver_every_s: float = 60.0
    settings: tuple[Setting, ...] = ()
    """All of them; of secrets only whether they are set."""


class Config(msgspec.Struct, frozen=True):
    """Where the console listens, what it shows, and who may log in how."""

    endpoint: str
    """Where this process reaches S3; an address of this machine."""
    data: Path
    """The data folder: accounts, rules and health of delivery are in it."""
    run: Path
    """The folder of the workers' sockets."""
    host: str = "127.0.0.1"
    port: int = 0
    socket: int = -1
    """The number of the inherited listening socket."""
    regions: tuple[str, ...] = ("us-east-1",)
    token: str | None = None
    """Logs in as the root account; only where nobody but this machine reaches the console."""
    password: str | None = None
    names: tuple[str, ...] = ()
    """Host names it may be asked for by, beside its address."""
    idle_s: float = 3600.0
    trusted_proxies: tuple[str, ...] = ()
    log_format: Literal["text", "json"] = "text"
    log_level: str = "info"
    server: Server = Server()


def decode(line: bytes) -> Config:
    """Raises `msgspec.ValidationError` for what isn't one."""
    return msgspec.json.decode(line, type=Config, dec_hook=_path)


def _path(kind: type, value: object) -> Path:
    assert kind is Path
    return Path(str(value))
