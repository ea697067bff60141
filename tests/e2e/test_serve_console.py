"""The console beside the server: a process that comes, goes and dies without anybody else."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.server import ACCESS_KEY, SECRET_KEY, Server

PLAIN = "Here are /healthz and /metrics.\n"


@pytest.fixture(params=["1", "2"], ids=["one worker", "two workers"])
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    with Server(tmp_path / "data", "--workers", request.param, console=True) as server:
        yield server
        assert "Traceback" not in server.errors()


def get(server: Server, path: str) -> tuple[int, str]:
    """Status and text; redirects are followed."""
    try:
        with urllib.request.urlopen(server.console + path, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def is_console(server: Server) -> bool:
    return "<title>Log in" in get(server, "/")[1]


def wait(until: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def children(pid: int) -> dict[int, str]:
    """Command lines of a process's children."""
    found = {}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        try:
            found[int(child)] = Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def console_pid(server: Server) -> int:
    assert server.process is not None
    (pid,) = [p for p, c in children(server.process.pid).items() if "bucketlog.console" in c]
    return pid


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_it_is_there_with_what_was_there_before(server: Server) -> None:
    assert is_console(server)
    assert get(server, "/healthz") == (200, "ok\n")
    assert "bucketlog_connections " in server.metrics()


def test_when_it_dies_the_server_answers_for_it_until_the_next_is_there(server: Server) -> None:
    pid = console_pid(server)
    os.kill(pid, signal.SIGKILL)
    seen = set()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        assert get(server, "/healthz") == (200, "ok\n")
        assert "bucketlog_connections " in server.metrics()
        status, text = get(server, "/login")
        seen.add(status)
        if status == 200:
            break
        assert text == "The console is starting.\n"
    assert seen == {200, 503}
    assert console_pid(server) != pid
    assert server.client().list_buckets()["Buckets"] == []
    assert re.search(r"error +the console ended with code -9", server.errors())


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_it_never_outlives_the_server(tmp_path: Path, sig: signal.Signals) -> None:
    with Server(tmp_path / "data", console=True) as server:
        pid = console_pid(server)
        began_at = time.monotonic()
        code = server.stop(sig)
        assert code == (-9 if sig is signal.SIGKILL else 0)
        wait(lambda: is_gone(pid), 5)
        assert time.monotonic() - began_at < 5
        assert not list((tmp_path / "data" / "run").glob("**/admin.sock")) or code == -9
    assert "Traceback" not in server.errors()


def test_a_login_by_key_makes_requests_of_that_key(server: Server) -> None:
    fields = f"access_key={ACCESS_KEY}&secret_key={SECRET_KEY.replace('+', '%2B')}&next=/buckets"
    request = urllib.request.Request(
        f"{server.console}/login", fields.encode(), {"Origin": server.console}
    )

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:  # type: ignore[override]
            return None

    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.build_opener(Stay).open(request)
    assert error.value.code == 303
    cookie = error.value.headers["Set-Cookie"].partition(";")[0]
    server.client().create_bucket(Bucket="seen-here")
    with urllib.request.urlopen(
        urllib.request.Request(f"{server.console}/buckets", headers={"Cookie": cookie})
    ) as answer:
        assert "seen-here" in answer.read().decode()
    error.value.close()


def test_the_link_is_printed_and_nobody_else_may_read_it(server: Server) -> None:
    about = server.data / "run" / "server.json"
    link = json.loads(about.read_text())["link"]
    assert link.startswith(f"{server.console}/login#")
    assert f"Console, logged in as root: {link}\n" in server.errors()
    assert stat.S_IMODE(about.stat().st_mode) == 0o600
    token = link.partition("#")[2]
    assert server.process is not None
    for pid in (server.process.pid, console_pid(server)):
        for name in ("cmdline", "environ"):
            told = Path(f"/proc/{pid}/{name}").read_text()
            assert token not in told
            assert name == "cmdline" or pid == server.process.pid or SECRET_KEY not in told


def test_where_others_reach_it_there_is_no_link(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Server(data, "--console", "0.0.0.0:0", console=True) as server:
        assert json.loads((data / "run" / "server.json").read_text())["link"] is None
        assert "logged in" not in server.errors()
        port = server.console.rpartition(":")[2]
        server.console = f"http://127.0.0.1:{port}"
        assert is_console(server)
        assert "HTTPS" in get(server, "/login")[1]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_without_what_it_needs_the_server_is_as_it_was(tmp_path: Path, workers: str) -> None:
    """As where `bucketlog[console]` isn't installed: its modules can't be found."""
    (tmp_path / "sitecustomize.py").write_text(
        "from importlib.machinery import PathFinder\n"
        "find = PathFinder.find_spec\n"
        "def lacking(name, *more):\n"
        "    if name.partition('.')[0] not in ('starlette', 'uvicorn', 'jinja2'):\n"
        "        return find(name, *more)\n"
        "PathFinder.find_spec = lacking\n"
    )
    env = {"PYTHONPATH": str(tmp_path), "BUCKETLOG_CONSOLE_ENABLED": "true"}
    with Server(tmp_path / "data", "--workers", workers, env=env) as server:
        assert get(server, "/healthz") == (200, "ok\n")
        assert "bucketlog_connections " in server.metrics()
        assert get(server, "/login") == (404, PLAIN)
        assert json.loads((server.data / "run" / "server.json").read_text())["link"] is None
        assert server.stop() == 0
    assert "onsole" not in server.errors()


def test_switched_off_it_is_not_there(tmp_path: Path) -> None:
    with Server(tmp_path / "data", console=False) as server:
        assert server.process is not None
        assert children(server.process.pid) == {}
        assert get(server, "/") == (404, PLAIN)


def test_a_console_that_cannot_start_is_tried_again_ever_less_often(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif sys.orig_argv[-1] == 'bucketlog.console':\n    os._exit(3)\n"
    )
    with Server(
        tmp_path / "data",
        env={"PYTHONPATH": str(tmp_path), "BUCKETLOG_CONSOLE_ENABLED": "true"},
    ) as server:
        wait(lambda: "the next starts in 1 s" in server.errors())
        assert "the console ended with code 3; the next starts in 0.5 s" in server.errors()
        assert get(server, "/healthz") == (200, "ok\n")
        assert get(server, "/") == (503, "The console is starting.\n")
        assert server.stop() == 0


def test_what_was_begun_with_the_server_is_finished_by_it(tmp_path: Path) -> None:
    """A connection that the server accepted before the console was there is still answered."""
    with Server(tmp_path / "data", env={"BUCKETLOG_CONSOLE_ENABLED": "true"}) as server:
        host, port = server.console.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as early:
            early.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
            wait(lambda: is_console(server))
            early.sendall(b"Connection: close\r\n\r\n")
            assert early.makefile("rb").read().endswith(b"ok\n")


def test_the_path_of_the_data_folder_may_be_long(tmp_path: Path) -> None:
    data = tmp_path.joinpath(*["a-long-name-of-a-folder"] * 6) / "data"
    with Server(data, console=True, log=tmp_path / "log") as server:
        assert is_console(server)
        assert get(server, "/healthz") == (200, "ok\n")
        assert "bucketlog_connections " in server.metrics()
