"""Where settings come from, which counts, and what is refused."""

import dataclasses
import pickle
import re
from pathlib import Path
from typing import Any

import pytest

from bucketlog import settings
from bucketlog.problems import SettingsProblem
from bucketlog.settings import Settings

# One value of each kind of setting: as text, as TOML, and what becomes of it.
KINDS: list[tuple[str, str, Any, Any]] = [
    ("server.listen", "[::1]:80", "[::1]:80", "[::1]:80"),
    ("server.workers", "3", 3, 3),
    ("server.regions", "eu-west-1, us-east-1", ["eu-west-1", "us-east-1"], None),
    ("server.domains", "s3.example.com", ["s3.example.com"], ("s3.example.com",)),
    ("server.trusted_proxies", "10.0.0.0/8 ::1", ["10.0.0.0/8", "::1"], ("10.0.0.0/8", "::1")),
    ("server.drain", "0", 0, 0.0),
    ("limits.request_timeout", "1.5h", "1.5h", 5400.0),
    ("limits.request_timeout", "", "", None),
    ("limits.head_bytes", "64KiB", 65536, 65536),
    ("limits.body_timeout", "250ms", 0.25, 0.25),
    ("store.folder", "/srv/logs", "/srv/logs", Path("/srv/logs")),
    ("store.sync", "no", False, False),
    ("spool.when_full", "drop", "drop", "drop"),
    ("accesslog.fields", "26", 26, 26),
]


def _value(found: Settings, name: str) -> Any:
    section, _, key = name.partition(".")
    return getattr(getattr(found, section), key)


def _toml(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "bucketlog.toml"
    path.write_text(text)
    return path


def _write(tmp_path: Path, name: str, value: Any) -> Path:
    section, _, key = name.partition(".")
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return _toml(tmp_path, f"[{section}]\n{key} = {text}\n")


def test_without_anything_given_all_are_defaults() -> None:
    assert settings.load() == Settings()
    assert settings.load().sources == {}


@pytest.mark.parametrize(("name", "text", "toml", "expected"), KINDS)
def test_each_kind_of_value_is_taken_from_each_source(
    tmp_path: Path, name: str, text: str, toml: Any, expected: Any
) -> None:
    variable = next(row.environment for row in settings.table() if row.name == name)
    expected = ("eu-west-1", "us-east-1") if name == "server.regions" else expected
    for found in (
        settings.load({name: toml}),
        settings.load({}, {variable: text}),
        settings.load({}, {}, _write(tmp_path, name, toml)),
    ):
        assert _value(found, name) == expected
        assert type(_value(found, name)) is type(expected)


def test_a_flag_counts_before_the_environment_before_the_file(tmp_path: Path) -> None:
    file = _toml(tmp_path, "[delivery]\nevery = '3s'\n[log]\nlevel = 'debug'\n")
    environment = {"BUCKETLOG_DELIVERY_EVERY": "2s", "BUCKETLOG_LOG_FORMAT": "json"}
    flags = {"delivery.every": "1s", "log.level": None, "server.regions": ()}
    found = settings.load(flags, environment, file)
    assert found.delivery.every == settings.Seconds(1.0)
    assert found.log.format == "json"
    assert found.log.level == "debug"
    assert found.server.regions == ("us-east-1",)
    assert found.sources == {
        "delivery.every": "--deliver-every",
        "log.format": "BUCKETLOG_LOG_FORMAT",
        "log.level": f"log.level in {file}",
    }
    assert settings.load({}, environment, file).delivery.every == settings.Seconds(2.0)


def test_the_environment_may_name_the_file_and_a_flag_another(tmp_path: Path) -> None:
    file = _toml(tmp_path, "[server]\nworkers = 2\n")
    assert settings.load({}, {"BUCKETLOG_CONFIG": str(file)}).server.workers == 2
    other = tmp_path / "other.toml"
    other.write_text("")
    assert settings.load({}, {"BUCKETLOG_CONFIG": str(file)}, other).server.workers == 1


@pytest.mark.parametrize(
    ("variable", "near"),
    [
        ("BUCKETLOG_ACESSLOG_FIELDS", "BUCKETLOG_ACCESSLOG_FIELDS"),
        ("BUCKETLOG_ROOT_SECRETKEY", "BUCKETLOG_ROOT_SECRET_KEY"),
        ("BUCKETLOG_SERVER_WORKER", "BUCKETLOG_SERVER_WORKERS"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_one_that_was_meant(
    variable: str, near: str
) -> None:
    with pytest.raises(SettingsProblem, match=variable) as caught:
        settings.load({}, {variable: "1"})
    assert caught.value.hint == f"Did you mean {near}?"


def test_what_others_put_into_the_environment_is_none_of_ours() -> None:
    environment = {
        "PATH": "/bin",
        "BUCKETLOG_SERVICE_HOST": "10.0.0.7",
        "BUCKETLOG_PORT_9000_TCP": "tcp://10.0.0.7:9000",
        "BUCKETLOG_ROOT_ACCESS_KEY": "a",
        "BUCKETLOG_CONFIG": "",
    }
    assert settings.load({}, environment) == Settings()


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[delivery]\nevry = 1", "There is no setting delivery.evry (in ", "delivery.every"),
        ("[spool]\nevery = 1", "There is no setting spool.every (in ", "delivery.every"),
        ("[acceslog]\nfields = 1", "There is no setting [acceslog] (in ", "[accesslog]"),
        ("workers = 1", "There is no setting [workers] (in ", None),
        ("server = 1", "There is no setting [server] (in ", None),
        ("[delivery\n", "is not TOML: ", None),
    ],
)
def test_a_file_with_a_mistake_is_refused(
    tmp_path: Path, text: str, message: str, hint: str | None
) -> None:
    file = _toml(tmp_path, text)
    with pytest.raises(SettingsProblem, match=re.escape(message)) as caught:
        settings.load({}, {}, file)
    assert str(file) in caught.value.message
    if hint is not None:
        assert caught.value.hint == f"Did you mean {hint}?"


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsProblem, match="can't be read: No such file"):
        settings.load({}, {}, tmp_path / "missing.toml")
    (tmp_path / "latin.toml").write_bytes(b"# \xe4")
    with pytest.raises(SettingsProblem, match="is not UTF-8"):
        settings.load({}, {}, tmp_path / "latin.toml")


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("server.listen", "localhost", "an address and a port"),
        ("server.listen", "::1:80", "in brackets"),
        ("server.listen", "a:99999", "an address and a port"),
        ("server.listen", 9000, "text"),
        ("server.regions", [], "one at least"),
        ("server.regions", "US East", "is no name of a Region"),
        ("server.regions", [1], "list of texts"),
        ("server.domains", ".example.com", "is no host name"),
        ("server.trusted_proxies", "proxy", "does not appear to be"),
        ("server.workers", 0, "more than 0"),
        ("server.workers", "two", "a whole number"),
        ("server.workers", True, "a whole number"),
        ("server.drain", -1, "negative"),
        ("delivery.every", "soon", "is no duration"),
        ("delivery.every", 0, "more than 0"),
        ("delivery.every", True, "a duration"),
        ("limits.head_bytes", "much", "is no size"),
        ("limits.head_bytes", 1.5, "a size"),
        ("store.folder", "", "a path"),
        ("store.sync", 1, "true or false"),
        ("store.sync", "perhaps", "true or false"),
        ("spool.sync", "never", '"interval" or "always"'),
        ("accesslog.fields", 28, "from 18 to 27"),
    ],
)
def test_a_value_that_cannot_be_is_refused_where_it_stands(
    tmp_path: Path, name: str, value: Any, reason: str
) -> None:
    file = _write(tmp_path, name, value)
    with pytest.raises(SettingsProblem, match=re.escape(reason)) as caught:
        settings.load({}, {}, file)
    assert caught.value.message.startswith(f"{name} in {file} can't be ")
    assert caught.value.hint is not None
    assert "the default is" in caught.value.hint


@pytest.mark.parametrize(("given", "lacking"), [("tls_cert", "tls_key"), ("tls_key", "tls_cert")])
def test_a_certificate_without_its_key_is_refused(given: str, lacking: str) -> None:
    with pytest.raises(SettingsProblem, match=f"server.{lacking} is not"):
        settings.load({f"server.{given}": "file.pem"})
    both = settings.load({"server.tls_cert": "a.pem", "server.tls_key": "b.pem"})
    assert (both.server.tls_cert, both.server.tls_key) == (Path("a.pem"), Path("b.pem"))


def test_the_root_key_comes_whole_or_not_at_all() -> None:
    access, secret = settings.ROOT_ACCESS_KEY, settings.ROOT_SECRET_KEY
    assert settings.root_key({}) is None
    assert settings.root_key({access: "", secret: ""}) is None
    assert settings.root_key({access: "a", secret: "s"}) == ("a", "s")
    for half in ({access: "a"}, {secret: "s"}):
        with pytest.raises(SettingsProblem, match="is not set, but its other half is"):
            settings.root_key(half)


def test_an_address_is_host_and_port() -> None:
    assert settings.address("127.0.0.1:9000") == ("127.0.0.1", 9000)
    assert settings.address("[::1]:0") == ("::1", 0)
    assert settings.address(":80") == ("", 80)


def test_the_table_has_every_setting_once_and_flags_are_unlike() -> None:
    rows = settings.table()
    named = {
        f"{section}.{field.name}"
        for section, kind in settings.SECTIONS.items()
        for field in dataclasses.fields(kind)
    }
    assert {row.name for row in rows} == named
    assert len({row.environment for row in rows}) == len(rows)
    flags = [row.flag for row in rows if row.flag is not None]
    assert len(set(flags)) == len(flags)
    assert all(row.meaning.endswith(".") for row in rows)


@pytest.mark.parametrize("row", settings.table(), ids=lambda row: row.name)
def test_a_default_as_the_table_writes_it_is_the_default(row: settings.Row) -> None:
    if row.default != "not set":
        assert settings.load({}, {row.environment: row.default}) == Settings()


def test_settings_can_be_handed_to_another_process() -> None:
    found = settings.load({"server.workers": 2})
    assert pickle.loads(pickle.dumps(found)) == found
