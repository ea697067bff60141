"""All settings as one frozen tree, and where each value came from.

A flag counts before the environment, that before the TOML file, that before the default. The
dataclasses below are the table: `table` gives it to the reference page, and flags, variable
names and checks are made from it. A name or value that can't be right is a `SettingsProblem`
that says where it stands; nothing is ignored in silence.
"""

# ruff: noqa: RUF009 (`_set` is `dataclasses.field`, with the meaning as metadata)

from __future__ import annotations

import dataclasses
import difflib
import ipaddress
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, Literal, NewType, get_args, get_origin, get_type_hints

import msgspec

from bucketlog import measures
from bucketlog.problems import SettingsProblem

Seconds = NewType("Seconds", float)
Bytes = NewType("Bytes", int)

PREFIX = "BUCKETLOG_"
CONFIG = "BUCKETLOG_CONFIG"
ROOT_ACCESS_KEY = "BUCKETLOG_ROOT_ACCESS_KEY"
ROOT_SECRET_KEY = "BUCKETLOG_ROOT_SECRET_KEY"
_OTHER_VARIABLES = (CONFIG, ROOT_ACCESS_KEY, ROOT_SECRET_KEY)
# A cluster that runs a service called "bucketlog" puts these into every container.
_FOREIGN_VARIABLES = ("BUCKETLOG_SERVICE_", "BUCKETLOG_PORT")

_KIB, _MIB, _GIB = 1 << 10, 1 << 20, 1 << 30
_DAY = 86_400


def _set(default: Any, meaning: str, flag: str | None = None) -> Any:
    return dataclasses.field(default=default, metadata={"meaning": meaning, "flag": flag})


@dataclass(frozen=True, slots=True)
class Server:
    """Where and as what it serves."""

    listen: str = _set(
        "127.0.0.1:9000", "Address and port of S3; port 0 takes a free one.", "--listen"
    )
    console: str = _set(
        "127.0.0.1:9001",
        "Address and port of the console, /healthz and /metrics, for operators only.",
        "--console",
    )
    regions: tuple[str, ...] = _set(
        ("us-east-1",),
        "Regions it stands for; where none is named, the first is meant.",
        "--region",
    )
    domains: tuple[str, ...] = _set(
        (), "Host names under which BUCKET.NAME is virtual-host style.", "--domain"
    )
    tls_cert: Path | None = _set(None, "Certificate chain, PEM; with tls_key: HTTPS.", "--tls-cert")
    tls_key: Path | None = _set(None, "Private key of the certificate, PEM.", "--tls-key")
    workers: int = _set(1, "Processes that share the port.", "--workers")
    trusted_proxies: tuple[str, ...] = _set(
        (), "Addresses or networks whose X-Forwarded-For counts as the client's address."
    )
    sigv2: bool = _set(
        True,
        "Whether Signature Version 2 counts, which presigned URLs of boto3 have by default; where "
        "not, it is refused as in the newer Regions.",
    )
    drain: Seconds = _set(Seconds(30.0), "How long requests in flight may go on after SIGTERM.")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request or connection may cost."""

    head_bytes: Bytes = _set(Bytes(16 * _KIB), "Request line and headers together.")
    head_lines: int = _set(256, "Headers of a request.")
    body_bytes: Bytes = _set(
        Bytes(5 * _GIB + 64 * _MIB), "Body of a request as it comes on the wire."
    )
    connections: int = _set(8192, "Connections of a worker; beyond, a new one is told SlowDown.")
    head_timeout: Seconds = _set(Seconds(10.0), "From the first byte of a head to its last.")
    idle_timeout: Seconds = _set(Seconds(75.0), "Between two requests of a connection.")
    body_timeout: Seconds = _set(Seconds(30.0), "Without a byte of a body that is awaited.")
    stall_timeout: Seconds = _set(Seconds(60.0), "Without the client taking a byte of a reply.")
    request_timeout: Seconds | None = _set(None, "A whole request, whatever it does.")


@dataclass(frozen=True, slots=True)
class Store:
    """The embedded store."""

    folder: Path = _set(
        Path("bucketlog-data"), "Data folder: objects, index, state and spool.", "--data"
    )
    sync: bool = _set(True, "Whether an object is safe from a power cut before it is confirmed.")


@dataclass(frozen=True, slots=True)
class Spool:
    """The queue of records that wait for delivery."""

    sync: Literal["interval", "always"] = _set(
        "interval",
        "When records are made safe from a power cut: every sync_interval, or always before the "
        "answer they describe is sent. They survive the death of the process in either case.",
    )
    sync_interval: Seconds = _set(Seconds(1.0), "Time between two syncs.")
    segment_bytes: Bytes = _set(Bytes(8 * _MIB), "Size at which records are delivered early.")
    max_bytes: Bytes = _set(Bytes(4 * _GIB), "Most that may wait, for each worker.")
    when_full: Literal["wait", "drop"] = _set(
        "wait",
        "What happens to requests of logged buckets then: wait, then SlowDown; or drop the record "
        "and count it.",
    )


@dataclass(frozen=True, slots=True)
class Delivery:
    """How log objects are made and delivered."""

    every: Seconds = _set(
        Seconds(60.0),
        "How long a record waits at most before its log object is made.",
        "--deliver-every",
    )
    hold_for: Seconds = _set(
        Seconds(30.0 * _DAY), "How long records are kept that can't be delivered."
    )
    hold_bytes: Bytes = _set(
        Bytes(2 * _GIB), "How much of them is kept, for each worker; the oldest go first."
    )


@dataclass(frozen=True, slots=True)
class AccessLog:
    """What a record looks like."""

    fields: int = _set(27, "Fields of a record; fewer for readers that count them.")
    quoting: Literal["safe", "amazon"] = _set(
        "safe",
        "How quotes in Request-URI, Referer and User-Agent are written: percent-encoded, so that "
        "no client can forge a field; or raw, as Amazon does.",
    )


@dataclass(frozen=True, slots=True)
class Console:
    """The web pages for people."""

    enabled: bool = _set(True, "Whether they are served, where bucketlog[console] is installed.")
    names: tuple[str, ...] = _set((), "Host names they may be asked for by, beside its address.")
    password: str | None = _set(None, "Logs in as the root account, beside access keys.")
    idle_timeout: Seconds = _set(Seconds(3600.0), "After which somebody must log in again.")


@dataclass(frozen=True, slots=True)
class Log:
    """The server's own log, on stderr."""

    format: Literal["text", "json"] = _set("text", "For people or for programs.", "--log-format")
    level: Literal["debug", "info", "warning", "error"] = _set(
        "info", "Least important event that is written; debug has every request.", "--log-level"
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole tree. `sources` says where each value that isn't a default came from."""

    server: Server = dataclasses.field(default_factory=Server)
    limits: Limits = dataclasses.field(default_factory=Limits)
    store: Store = dataclasses.field(default_factory=Store)
    spool: Spool = dataclasses.field(default_factory=Spool)
    delivery: Delivery = dataclasses.field(default_factory=Delivery)
    accesslog: AccessLog = dataclasses.field(default_factory=AccessLog)
    console: Console = dataclasses.field(default_factory=Console)
    log: Log = dataclasses.field(default_factory=Log)
    sources: Mapping[str, str] = dataclasses.field(default_factory=dict, compare=False)


SECTIONS: Mapping[str, type] = {
    "server": Server,
    "limits": Limits,
    "store": Store,
    "spool": Spool,
    "delivery": Delivery,
    "accesslog": AccessLog,
    "console": Console,
    "log": Log,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One setting, for the reference page and for the flags of commands."""

    name: str  # "server.listen"
    environment: str  # "BUCKETLOG_SERVER_LISTEN"
    flag: str | None
    type: str
    default: str
    meaning: str
    is_list: bool


@cache
def table() -> tuple[Row, ...]:
    """Every setting, in order."""
    return tuple(
        Row(
            name,
            f"{PREFIX}{name.replace('.', '_').upper()}",
            field.metadata["flag"],
            _describe(kind),
            _render(field.default, kind),
            field.metadata["meaning"],
            kind == tuple[str, ...],
        )
        for name, (field, kind) in _fields().items()
    )


def load(
    flags: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """The settings in force.

    `flags` are values by setting name ("server.listen"); None and () count as not given. `file`
    is a TOML file; without it the one that BUCKETLOG_CONFIG names, if any. Raises
    `SettingsProblem`.
    """
    environment = environment or {}
    if file is None and environment.get(CONFIG):
        file = Path(environment[CONFIG])
    given: dict[str, tuple[Any, str]] = {}
    if file is not None:
        given.update(_from_file(file))
    given.update(_from_environment(environment))
    rows = {row.name: row for row in table()}
    for name, value in (flags or {}).items():
        if value is not None and value != ():
            given[name] = (value, rows[name].flag or name)
    values: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    for name, (value, source) in given.items():
        section, _, key = name.partition(".")
        values[section][key] = _convert(name, value, source)
    sources = {name: source for name, (_, source) in given.items()}
    tree: dict[str, Any] = {name: kind(**values[name]) for name, kind in SECTIONS.items()}
    settings = Settings(**tree, sources=sources)
    _check_together(settings)
    return settings


def root_key(environment: Mapping[str, str]) -> tuple[str, str] | None:
    """The root account's access key and secret, where the environment sets them."""
    access_key, secret_key = environment.get(ROOT_ACCESS_KEY), environment.get(ROOT_SECRET_KEY)
    if not access_key and not secret_key:
        return None
    if not access_key or not secret_key:
        lacking = ROOT_SECRET_KEY if access_key else ROOT_ACCESS_KEY
        raise SettingsProblem(
            f"{lacking} is not set, but its other half is.", "Set both, or neither."
        )
    return access_key, secret_key


def address(text: str) -> tuple[str, int]:
    """Host and port of "127.0.0.1:9000", "[::1]:9000" or ":9000" (all addresses: host "").

    Raises `ValueError`.
    """
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError("an IPv6 address stands in brackets, as in [::1]:9000")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError("it must be an address and a port, as in 127.0.0.1:9000")
    return host, int(port)


# ── where values come from ──────────────────────────────────────────────────────────────────────


def _from_file(file: Path) -> dict[str, tuple[Any, str]]:
    try:
        tree = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise SettingsProblem(
            f"The settings file {file} can't be read: {error.strerror}."
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsProblem(f"The settings file {file} is not UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsProblem(f"The settings file {file} is not TOML: {error}.") from error
    found: dict[str, tuple[Any, str]] = {}
    for section, values in tree.items():
        if section not in SECTIONS or not isinstance(values, dict):
            raise _unknown(f"[{section}]", f"in {file}", [f"[{name}]" for name in SECTIONS])
        for key, value in values.items():
            name = f"{section}.{key}"
            if name not in _fields():
                raise _unknown(name, f"in {file}", list(_fields()))
            found[name] = (value, f"{name} in {file}")
    return found


def _from_environment(environment: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    names = {row.environment: row.name for row in table()}
    found: dict[str, tuple[Any, str]] = {}
    for variable, value in environment.items():
        if not variable.startswith(PREFIX) or variable in _OTHER_VARIABLES:
            continue
        if variable in names:
            found[names[variable]] = (value, variable)
        elif not variable.startswith(_FOREIGN_VARIABLES):
            raise _unknown(variable, "in the environment", [*names, *_OTHER_VARIABLES])
    return found


def _unknown(name: str, where: str, known: list[str]) -> SettingsProblem:
    near = difflib.get_close_matches(name, known, 1, 0.6)
    # The same last word in another section is a better guess than similar letters.
    same = [each for each in known if "." in name and each.endswith(name[name.index(".") :])]
    hint = f"Did you mean {(same or near)[0]}?" if same or near else "bucketlog serve --help"
    return SettingsProblem(f"There is no setting {name} ({where}).", hint)


# ── what values may be ──────────────────────────────────────────────────────────────────────────


@cache
def _fields() -> dict[str, tuple[dataclasses.Field[Any], Any]]:
    """The field and its type, without `| None`, by setting name."""
    found: dict[str, tuple[dataclasses.Field[Any], Any]] = {}
    for section, kind in SECTIONS.items():
        hints = get_type_hints(kind)
        for field in dataclasses.fields(kind):
            types = [each for each in get_args(hints[field.name]) if each is not NoneType]
            is_optional = NoneType in get_args(hints[field.name])
            found[f"{section}.{field.name}"] = (
                field,
                types[0] if is_optional else hints[field.name],
            )
    return found


def _convert(name: str, value: Any, source: str) -> Any:
    field, kind = _fields()[name]
    if field.default is None and value == "":
        return None
    try:
        converted = _value(value, kind)
        check = _CHECKS.get(name)
        if check is not None:
            check(converted)
        elif kind in (int, Seconds, Bytes) and converted <= 0:
            raise ValueError("it must be more than 0")
    except ValueError as error:
        raise SettingsProblem(
            f"{source} can't be {_shown(value)}: {error}.",
            f"It is {_expected(kind)}; the default is {_render(field.default, kind)}.",
        ) from error
    return converted


def _value(value: Any, kind: Any) -> Any:
    if kind == tuple[str, ...]:
        if isinstance(value, str):
            value = value.replace(",", " ").split()
        if not all(isinstance(each, str) for each in value):
            raise ValueError("it must be a list of texts")
        return tuple(value)
    if kind is Path:
        if not isinstance(value, str | Path) or not str(value):
            raise ValueError("it must be a path")
        return Path(value).expanduser()
    if kind is Seconds and isinstance(value, str):
        return Seconds(measures.duration(value))
    if kind is Bytes and isinstance(value, str):
        return Bytes(measures.size(value))
    if isinstance(value, bool) != (kind is bool) and not isinstance(value, str):
        raise ValueError(f"it must be {_expected(kind)}")
    if kind is bool and isinstance(value, str):
        # TOML's words; a shell's "1" and "yes" are common too.
        value = {"1": "true", "yes": "true", "0": "false", "no": "false"}.get(value.lower(), value)
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError:
        raise ValueError(f"it must be {_expected(kind)}") from None


def _check_regions(regions: tuple[str, ...]) -> None:
    if not regions:
        raise ValueError("there must be one at least")
    for region in regions:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", region):
            raise ValueError(f"{region!r} is no name of a Region")


def _check_domains(domains: tuple[str, ...]) -> None:
    for domain in domains:
        if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", domain):
            raise ValueError(f"{domain!r} is no host name in lower case")


def _check_networks(networks: tuple[str, ...]) -> None:
    for network in networks:
        ipaddress.ip_network(network)


def _check_fields(count: int) -> None:
    if not 18 <= count <= 27:
        raise ValueError("it must be from 18 to 27")


def _check_drain(seconds: Seconds) -> None:
    if seconds < 0:
        raise ValueError("it can't be negative")


_CHECKS: dict[str, Callable[[Any], object]] = {
    "server.listen": address,
    "server.console": address,
    "server.regions": _check_regions,
    "server.domains": _check_domains,
    "console.names": _check_domains,
    "server.trusted_proxies": _check_networks,
    "server.drain": _check_drain,
    "accesslog.fields": _check_fields,
}


def _check_together(settings: Settings) -> None:
    server = settings.server
    if (server.tls_cert is None) != (server.tls_key is None):
        given, lacking = ("tls_cert", "tls_key") if server.tls_cert else ("tls_key", "tls_cert")
        raise SettingsProblem(
            f"server.{given} is set ({settings.sources[f'server.{given}']}), but server.{lacking} "
            "is not.",
            "HTTPS needs the certificate and its key.",
        )


# ── how values are shown ────────────────────────────────────────────────────────────────────────


def _describe(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return " or ".join(f'"{each}"' for each in get_args(kind))
    return _WORDS[kind]


_WORDS: dict[Any, str] = {
    str: "text",
    int: "whole number",
    bool: "true or false",
    Path: "path",
    Seconds: "duration",
    Bytes: "size",
    tuple[str, ...]: "list",
}


def _expected(kind: Any) -> str:
    words = _describe(kind)
    return words if kind is bool or get_origin(kind) is Literal else f"a {words}"


def _render(value: Any, kind: Any) -> str:
    if value is None or value == ():
        return "not set"
    if kind is Seconds:
        return measures.render_duration(value)
    if kind is Bytes:
        return measures.render_size(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _shown(value: Any) -> str:
    return repr(value if not isinstance(value, Path) else str(value))
