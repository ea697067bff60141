"""Questions between the processes of one server, over unix sockets."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bucketlog.gateway import control
from bucketlog.gateway.control import Answer, Delivery, Question
from bucketlog.gateway.metrics import RequestCell, Snapshot
from bucketlog.problems import Problem

FULL = Answer(
    7,
    Snapshot({"GetObject 200": RequestCell(3)}, {"a|b": 1.5}, {"c": 2}, {"d": 3}),
    5,
    123,
    [Delivery("src", "logs", "k\u00e9y \u2028", 9)],
    {"src": "AccessDenied"},
)


@contextlib.asynccontextmanager
async def listening(folder: Path, name: str, answer: control.Answerer) -> AsyncIterator[None]:
    server = await control.listen(folder, name, answer)
    yield
    await server.close()
    assert not control.socket_path(folder, name).exists()


def die(folder: Path, name: str) -> None:
    """Leaves the socket of a process that was killed."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(control.socket_path(folder, name)))


async def _echo(question: Question) -> Answer:
    return Answer(error=f"{question.do} {question.bucket}")


async def test_a_question_is_answered_whole(tmp_path: Path) -> None:
    asked: list[Question] = []

    async def answer(question: Question) -> Answer:
        asked.append(question)
        return FULL

    async with listening(tmp_path / "run", "one", answer):
        path = control.socket_path(tmp_path / "run", "one")
        assert await control.ask(path, Question("deliver", "b\u00fc")) == FULL
    assert asked == [Question("deliver", "b\u00fc")]
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700


async def test_all_are_asked_but_oneself_and_the_dead(tmp_path: Path) -> None:
    assert await control.ask_all(tmp_path / "run", Question("x")) == []
    async with listening(tmp_path, "one", _echo), listening(tmp_path, "two", _echo):
        die(tmp_path, "dead")
        assert control.socket_path(tmp_path, "dead").exists()
        assert len(await control.ask_all(tmp_path, Question("x"))) == 2
        assert len(await control.ask_all(tmp_path, Question("x"), but="one")) == 1


async def test_the_next_of_a_name_takes_its_socket_over(tmp_path: Path) -> None:
    die(tmp_path, "one")
    async with listening(tmp_path, "one", _echo):
        assert len(await control.ask_all(tmp_path, Question("x"))) == 1


async def test_sockets_of_names_that_are_gone_for_good_are_removed(tmp_path: Path) -> None:
    for name in ("gone", "here"):
        (tmp_path / f"{name}.sock").touch()
    (tmp_path / "server.json").touch()
    control.sweep(tmp_path, lambda name: name == "here")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here.sock", "server.json"]
    control.sweep(tmp_path / "none", lambda name: False)


async def test_one_that_hangs_is_an_error_and_not_an_absence(tmp_path: Path) -> None:
    async def hang(question: Question) -> Answer:
        await asyncio.Event().wait()
        raise AssertionError

    async with listening(tmp_path, "slow", hang):
        path = control.socket_path(tmp_path, "slow")
        answer = await control.ask(path, Question("snapshot"), 0.01)
    assert answer == Answer(error="worker slow has not answered within 0.01 s")


async def test_an_answer_that_fails_says_why(tmp_path: Path) -> None:
    async def fail(question: Question) -> Answer:
        raise RuntimeError("no")

    async with listening(tmp_path, "bad", fail):
        answer = await control.ask(control.socket_path(tmp_path, "bad"), Question("x"))
    assert answer == Answer(error="RuntimeError: no")


@pytest.mark.parametrize("sent", [b"{}\n", b"nonsense\n", b"[1]\n", b'{"do": 5}\n', b"\n"])
async def test_what_is_no_question_is_told_so(tmp_path: Path, sent: bytes) -> None:
    async with listening(tmp_path, "one", _echo):
        path = control.socket_path(tmp_path, "one")
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(sent)
        assert b"not a question" in await reader.readline()
        writer.close()
        await writer.wait_closed()
        assert len(await control.ask_all(tmp_path, Question("x"))) == 1


async def test_one_that_hangs_up_without_an_answer_is_absent(tmp_path: Path) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_unix_server(hang_up, tmp_path / "one.sock")
    assert await control.ask(tmp_path / "one.sock", Question("x")) is None
    server.close()
    await server.wait_closed()


async def test_a_folder_may_be_deep(tmp_path: Path) -> None:
    """Deeper than the 107 bytes that the address of a socket may have."""
    deep = tmp_path / ("d" * 90) / ("e" * 90)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(2):
        async with listening(deep, "one", _echo):
            assert len(await control.ask_all(deep, Question("x"))) == 1
            assert len(await control.ask_all(deep, Question("x"))) == 1
    await asyncio.sleep(0)
    assert len(os.listdir("/proc/self/fd")) <= before + 1


async def test_without_proc_a_deep_folder_is_reached_from_inside_or_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 90) / ("e" * 90)
    deep.mkdir(parents=True)
    monkeypatch.setattr(control, "_DESCRIPTORS", tmp_path / "none")
    with pytest.raises(Problem, match="too long for a unix socket"):
        await control.listen(deep, "one", _echo)
    monkeypatch.chdir(deep)
    async with listening(deep, "one", _echo):
        assert len(await control.ask_all(deep, Question("x"))) == 1
