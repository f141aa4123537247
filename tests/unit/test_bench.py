"""The benchmarks' clients and starters: what goes wrong is told, and nothing outlives a run."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

# The benchmarks lie beside the tests and are no package that is installed.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from bench import answers, faults, limits_cluster, paced, run, streams, targets

REQUEST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"


@asynccontextmanager
async def saying(body: bytes, status: bytes = b"200 OK") -> AsyncIterator[int]:
    """A server that keeps no connection longer than one answer, though it does not say so."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n" % (status, len(body))
        writer.write(head + body)
        with contextlib.suppress(OSError):
            await writer.drain()
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def test_the_paced_client_connects_anew_where_a_server_closes_between_answers() -> None:
    loop = asyncio.get_running_loop()
    for _ in range(20):  # a late client asks just when it is closed
        start = loop.time()
        async with saying(b"{}") as port:
            asked = paced._ask(port, REQUEST, start, start + 0.1, 0.02)
            took = await asyncio.wait_for(asked, 10)
        if len(took) >= 3 and min(took) > 0:
            return
    raise AssertionError(took)


async def test_a_server_that_is_gone_ends_the_paced_client() -> None:
    start = asyncio.get_running_loop().time()
    async with saying(b"{}") as port:
        asked = asyncio.create_task(paced._ask(port, REQUEST, start, start + 60, 2.0))
        await asyncio.sleep(1.0)
    took = await asyncio.wait_for(asked, 10)
    assert took[-1] < 0 <= took[0], "told as an answer that was none"


async def test_the_client_of_streams_connects_anew_where_a_server_closes_between_them() -> None:
    body = b'data: {"a":1}\n\n' * 3 + b"data: [DONE]\n\n"
    async with saying(body) as port:
        plan = streams.Plan(port, REQUEST, 1, 30.0, 3, 0.0, 0, b"data: [DONE]", 9)
        load = streams._Load(plan)
        client = await load._connect(aborts=False)
        assert client is not None
        assert await client.ask()
        while client.open:
            await asyncio.sleep(0.001)
        tally = await asyncio.wait_for(streams.run(plan), 20)
    assert tally.streams + tally.failures == 9
    assert set(tally.reasons) <= {"connection lost"}, "closed while it was asked again"


@pytest.mark.parametrize("body", [b'{"error":"no"}', b"[1]", b"{", b'{"choices":[]}'])
async def test_an_answer_that_nobody_can_read_is_judged_all_the_same(body: bytes) -> None:
    for stream in (False, True):
        async with saying(b"data: " + body + b"\n\n" if stream else body) as port:
            asker = answers.Asker(port, "k")
            found = await asker.ask({"stream": stream})
            asker.close()
        assert not found.claims
        assert found.problem


def test_a_worker_that_died_is_told_and_ends_no_soak() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert faults._fds([gone.pid]) == [0]
    assert faults._fds([os.getpid()]) > [0]


async def test_a_call_that_the_ledger_does_not_have_has_a_story_too() -> None:
    async with saying(b"{}", b"404 Not Found") as port:
        story = await asyncio.to_thread(faults._story, port, "call_1")
    assert story == {"call": "call_1", "outcome": "the ledger says 404"}


def test_odd_answers_are_counted() -> None:
    def answer(status: int, problem: str = "") -> answers.Answer:
        return answers.Answer(False, status, "", "", False, problem, 0.1)

    found = [answer(200), answer(429, "rate"), answer(503, "busy"), answer(503, "busy"), answer(0)]
    assert limits_cluster.others(found) == {"503 busy": 2, "0 ": 1}


def sleeping(name: str) -> targets.Target:
    code = "import os, time; open('pid', 'w').write(f'{os.getpid()} '); time.sleep(60)"
    return targets.Target(name, lambda *_: targets.Launch([sys.executable, "-c", code]))


def begun(folder: Path) -> int:
    """The process that was started there, once it runs."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with contextlib.suppress(OSError, ValueError):
            if (text := (folder / "pid").read_text()).endswith(" "):
                return int(text)
        time.sleep(0.01)
    raise AssertionError(folder)


def test_who_is_interrupted_while_a_target_starts_leaves_none_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: dict[str, int] = {}

    def ask_once(*_: object) -> bool:
        for name in ("one", "two"):
            if name not in started and (tmp_path / name).exists():
                started[name] = begun(tmp_path / name)
        if "two" in started:
            raise KeyboardInterrupt
        return True

    monkeypatch.setattr(targets, "_ask_once", ask_once)
    monkeypatch.setattr(run, "STARTS", 1)
    running: dict[str, targets.Running] = {}
    with pytest.raises(KeyboardInterrupt):
        run.start_all([sleeping("one"), sleeping("two")], tmp_path, 9, [], running)
    assert list(running) == ["one"], "for whoever began to stop it"
    running["one"].stop()
    for pid in started.values():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
