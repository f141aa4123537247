"""The lab itself, over real sockets: every fault in three languages, and the log of it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from gateway_rig import NO_TLS, eventually
from lab_clients import Told, ask

from federation.sandbox.lab import Lab
from federation.sandbox.lab_voices import numbered

DIALECTS = ("openai", "anthropic", "gemini")
FULL = numbered("w")
BEGUN = " ".join(FULL.split()[:40])
BOTH = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
EACH = pytest.mark.parametrize("dialect", DIALECTS)


class Bench:
    """The lab and clients that talk to it directly."""

    def __init__(self, lab: Lab, http: httpx.AsyncClient) -> None:
        self.lab = lab
        self.http = http

    async def ask(self, model: str, dialect: str = "openai", **wishes: Any) -> Told:
        return await ask(self.http, dialect, model=model, within_s=1.0, **wishes)

    async def control(self, path: str, method: str = "POST") -> dict[str, Any]:
        reply = await self.http.request(method, path)
        assert reply.status_code == 200, reply.text
        found: dict[str, Any] = reply.json()
        return found

    async def log(self, since: int = 0) -> dict[str, Any]:
        return await self.control(f"/lab/log?since={since}", "GET")


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    lab = Lab(pace_s=0.0, slow_s=0.5)
    await lab.start()
    url = f"http://127.0.0.1:{lab.port}"
    async with httpx.AsyncClient(base_url=url, timeout=0.6, verify=NO_TLS, trust_env=False) as http:
        yield Bench(lab, http)
    await lab.aclose()
    assert lab.in_flight == 0


@EACH
@BOTH
async def test_a_sound_model_answers_sixty_numbered_words(
    bench: Bench, dialect: str, stream: bool
) -> None:
    told = await bench.ask("lab-same", dialect, stream=stream)
    assert told.whole, told.raw
    assert told.text == FULL
    assert told.model == "lab-same"
    assert told.usage
    assert told.headers["x-federation-simulated"] == "true"
    (seen,) = bench.lab.log.entries
    assert (seen.dialect, seen.stream, seen.play, seen.over) == (dialect, stream, "ok", "end")
    assert (seen.tokens, seen.status, seen.hung_up_s) == (60, 200, None)


ENDS = [
    ("cut-40", 40, True),
    ("reset-40", None, True),
    ("stall-20", 20, True),
    ("pings-20", 20, True),
    ("mute", 0, True),
    ("first-20", 0, True),
    ("endless", None, True),
    ("no-finish-open", 60, True),
    ("malformed-30", None, False),
    ("no-done-close", 60, False),
    ("no-finish", 60, False),
    ("garbage-20", 20, False),
    ("inband-10", 10, False),
    ("filter-20", 20, False),
    ("length-20", 20, False),
    ("truncated-20", 20, False),
]


@EACH
@pytest.mark.parametrize(("fault", "words", "breaks"), ENDS, ids=[end[0] for end in ENDS])
async def test_a_stream_breaks_as_its_model_says(
    bench: Bench, dialect: str, fault: str, words: int | None, breaks: bool
) -> None:
    told = await bench.ask(f"lab-same:{fault}", dialect, stream=True)
    assert told.status == 200
    assert bool(told.broken) is breaks, told.broken
    if words is not None:
        assert told.text == " ".join(FULL.split()[:words])
    assert told.whole is (fault in ("filter-20", "length-20", "truncated-20")) or (
        dialect == "gemini" and fault == "no-done-close"
    )
    await eventually(lambda: not bench.lab.in_flight)
    (seen,) = bench.lab.log.entries
    assert seen.play.split("-")[0] == fault.split("-", maxsplit=1)[0]
    waits = fault.split("-", maxsplit=1)[0] in ("stall", "pings", "mute", "first", "endless")
    assert (seen.over == "hung up") is (waits or fault == "no-finish-open")
    assert (seen.hung_up_s is not None) is (seen.over == "hung up")


@EACH
@pytest.mark.parametrize("fault", ["cut-40", "cut-60", "reset-40", "stall-20", "mute", "no-finish"])
async def test_a_whole_answer_breaks_as_its_model_says(
    bench: Bench, dialect: str, fault: str
) -> None:
    told = await bench.ask(f"lab-same:{fault}", dialect)
    assert told.status == 200
    assert not told.whole
    assert told.broken or fault == "no-finish"


@EACH
@BOTH
@pytest.mark.parametrize("fault", ["reset", "closed", "silent", "late-20", "garbage"])
async def test_nothing_comes_at_all(bench: Bench, dialect: str, fault: str, stream: bool) -> None:
    told = await bench.ask(f"lab-same:{fault}", dialect, stream=stream)
    assert (told.status, told.raw) == (0, b"")
    assert told.broken


@EACH
@BOTH
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 503, 529])
async def test_a_status_is_worded_in_the_language(
    bench: Bench, dialect: str, stream: bool, status: int
) -> None:
    told = await bench.ask(f"lab-same:{status}-after-2", dialect, stream=stream)
    assert told.status == status
    assert told.clean_error
    assert told.headers["retry-after"] == "2"
    assert bench.lab.log.entries[0].status == status


@EACH
async def test_a_fault_may_strike_a_few_times_only(bench: Bench, dialect: str) -> None:
    tries = [(await bench.ask("lab-same:500-x2", dialect)).status for _ in range(4)]
    assert tries == [500, 500, 200, 200]
    await bench.control("/lab/reset")
    assert (await bench.ask("lab-same:500-x2", dialect)).status == 500


@EACH
@BOTH
async def test_an_error_stands_inside_of_a_200(bench: Bench, dialect: str, stream: bool) -> None:
    told = await bench.ask("lab-same:inband-10", dialect, stream=stream)
    assert told.status == 200
    assert told.clean_error
    assert not told.whole


@BOTH
async def test_filters_and_limits_give_their_reasons(bench: Bench, stream: bool) -> None:
    async def finish(fault: str) -> list[str]:
        return [
            (await bench.ask(f"lab-same:{fault}", dialect, stream=stream)).finish
            for dialect in DIALECTS
        ]

    assert await finish("filter-20") == ["content_filter", "refusal", "SAFETY"]
    assert await finish("length-20") == ["length", "max_tokens", "MAX_TOKENS"]
    refused = [await bench.ask("lab-same:filter-refused", name, stream=stream) for name in DIALECTS]
    assert [told.status for told in refused] == [400, 400, 200]
    assert refused[2].finish == "SAFETY"


async def test_a_context_is_too_long_for_one_model_and_not_for_another(bench: Bench) -> None:
    long = "word " * 1_200
    small = await bench.ask("lab-small", prompt=long)
    assert (small.status, (small.error or {})["code"]) == (400, "context_length_exceeded")
    assert (await bench.ask("lab-large", prompt=long)).whole
    assert (await bench.ask("lab-same:context")).status == 400


def turns(dialect: str, begun: str) -> dict[str, Any]:
    """The members of a call that ends with an assistant's turn."""
    if dialect == "gemini":
        pairs = (("user", "Count."), ("model", begun))
        return {"contents": [{"role": role, "parts": [{"text": text}]} for role, text in pairs]}
    pairs = (("user", "Count."), ("assistant", begun))
    return {"messages": [{"role": role, "content": text} for role, text in pairs]}


@EACH
@BOTH
async def test_a_prefill_is_continued_refused_or_not_heeded(
    bench: Bench, dialect: str, stream: bool
) -> None:
    given = turns(dialect, BEGUN)
    told = await bench.ask("lab-prefill", dialect, stream=stream, **given)
    assert BEGUN + told.text == FULL
    assert (await bench.ask("lab-same", dialect, stream=stream, **given)).status == 400
    assert (await bench.ask("lab-ignores", dialect, stream=stream, **given)).text == FULL
    seen = bench.lab.log.entries
    assert {(one.continuation, one.begun, one.turns) for one in seen} == {("prefill", 40, 2)}
    assert [one.play for one in seen] == ["ok", "refused", "ok"]


TOOL = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
TOOLS: dict[str, dict[str, Any]] = {
    "openai": {"tools": [{"type": "function", "function": {"name": "note", "parameters": TOOL}}]},
    "anthropic": {"tools": [{"name": "note", "input_schema": TOOL}]},
    "gemini": {"tools": [{"functionDeclarations": [{"name": "note", "parameters": TOOL}]}]},
}


@EACH
@BOTH
async def test_a_tool_call_is_made_and_cut_in_its_arguments(
    bench: Bench, dialect: str, stream: bool
) -> None:
    told = await bench.ask("lab-same", dialect, stream=stream, **TOOLS[dialect])
    ((name, arguments),) = told.calls
    assert (name, json.loads(arguments)) == ("note", {"text": FULL})
    cut = await bench.ask("lab-same:cut-40", dialect, stream=stream, **TOOLS[dialect])
    assert cut.broken
    assert b"w40" in cut.raw
    assert b"w41" not in cut.raw


async def test_a_provider_is_down_until_it_is_up(bench: Bench) -> None:
    async def status(provider: str) -> int:
        body = {"model": "lab-same", "messages": [{"role": "user", "content": "Count."}]}
        reply = await bench.http.post(f"/{provider}/v1/chat/completions", json=body)
        return reply.status_code

    await bench.control("/lab/down?provider=p1")
    assert [await status("p1"), await status("p2")] == [503, 200]
    assert (await bench.http.get("/p1/v1/models")).status_code == 503
    await bench.control("/lab/up?provider=p1")
    assert await status("p1") == 200
    await bench.control("/lab/down?for_s=0.3&how=reset")
    with pytest.raises(httpx.HTTPError):
        await status("p2")
    await asyncio.sleep(0.35)
    assert await status("p2") == 200
    assert [seen.provider for seen in bench.lab.log.of("p1")] == ["p1"]


async def test_a_model_is_down_for_a_while_from_its_first_request_on(bench: Bench) -> None:
    assert (await bench.ask("lab-same:down-0.3")).status == 503
    assert (await bench.ask("lab-same:down-0.3")).status == 503
    await asyncio.sleep(0.35)
    assert (await bench.ask("lab-same:down-0.3")).whole


async def test_the_log_is_read_over_http(bench: Bench) -> None:
    before = time.time() * 1000
    await bench.ask("lab-same", stream=True)
    await bench.ask("lab-same:500")
    found = await bench.log()
    assert [entry["id"] for entry in found["attempts"]] == [1, 2]
    entry = found["attempts"][0]
    assert before - 1 <= entry["at_ms"] <= time.time() * 1000
    assert 0 <= entry["first_s"] <= entry["ended_s"]
    assert entry["bytes"] > 1_000
    assert (found["in_flight"], found["dropped"]) == (0, 0)
    assert found["connections"] >= 1
    assert [entry["id"] for entry in (await bench.log(since=1))["attempts"]] == [2]
    await bench.control("/lab/reset")
    assert (await bench.log())["attempts"] == []


async def test_a_hang_up_is_seen_at_once(bench: Bench) -> None:
    call = asyncio.create_task(bench.ask("lab-same:silent"))
    await eventually(lambda: bench.lab.in_flight == 1)
    assert bench.lab.connections == 1
    left = time.monotonic()
    call.cancel()
    await asyncio.wait([call])
    await eventually(lambda: bench.lab.in_flight == 0)
    (seen,) = bench.lab.log.entries
    assert seen.over == "hung up"
    assert seen.at_s + (seen.hung_up_s or 0.0) - left < 0.1
    assert bench.lab.connections == 0


async def test_nobody_listens_at_the_refused_port(bench: Bench) -> None:
    with pytest.raises(httpx.ConnectError):
        await bench.http.get(f"http://127.0.0.1:{bench.lab.refused_port}/")


@EACH
async def test_models_are_listed_and_others_are_unknown(bench: Bench, dialect: str) -> None:
    path = "/v1beta/models" if dialect == "gemini" else "/v1/models"
    headers = {"anthropic-version": "2023-06-01"} if dialect == "anthropic" else {}
    listed = (await bench.http.get(path, headers=headers)).text
    assert "lab-prefill" in listed
    for name in ("lab-same:cutt", "sim-atlas-large", "lab-nobody:cut"):
        told = await bench.ask(name, dialect)
        assert told.status == 404
        assert told.clean_error


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/lab/reset", 405),
        ("GET", "/lab/none", 404),
        ("POST", "/lab/down?how=never", 400),
        ("POST", "/lab/down?for_s=x", 400),
        ("POST", "/lab/down?for_s=-1", 400),
        ("GET", "/v1/nothing", 404),
        ("PUT", "/v1/chat/completions", 405),
    ],
)
async def test_what_the_lab_cannot_do_is_said(
    bench: Bench, method: str, path: str, status: int
) -> None:
    assert (await bench.http.request(method, path)).status_code == status


async def test_the_manual_names_every_voice_and_fault(bench: Bench) -> None:
    manual = await bench.control("/lab", "GET")
    assert "lab-prefill" in manual["models"]
    assert manual["faults"]["cut"]["number"] == 30


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GARBAGE\r\n\r\n", b"400"),
        (b"POST /v1/models HTTP/1.1\r\ncontent-length: x\r\n\r\n", b"400"),
        (b"POST /v1/models HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n", b"413"),
        (b"GET / HTTP/1.1\r\nx: " + b"y" * 70_000, b"431"),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n-6\r\n", b"400"),
    ],
)
async def test_a_request_that_is_none_is_refused(bench: Bench, raw: bytes, status: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.lab.port)
    writer.write(raw)
    assert (await reader.readline()).split(b" ")[1] == status
    writer.close()


async def test_a_body_may_come_in_chunks(bench: Bench) -> None:
    body = {"model": "lab-same", "messages": [{"role": "user", "content": "Count."}]}
    data = json.dumps(body).encode()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(data), 7):
            yield data[start : start + 7]

    reply = await bench.http.post("/v1/chat/completions", content=pieces())
    assert reply.json()["choices"][0]["message"]["content"] == FULL


async def test_the_same_seed_fails_the_same_requests() -> None:
    async def plays(seed: int) -> list[str]:
        lab = Lab(seed=seed, pace_s=0.0, slow_s=0.0)
        await lab.start()
        url = f"http://127.0.0.1:{lab.port}"
        async with httpx.AsyncClient(
            base_url=url, timeout=0.15, verify=NO_TLS, trust_env=False
        ) as http:
            for _ in range(40):
                await ask(http, model="lab-same:random-10", stream=True)
        await lab.aclose()
        return [seen.play for seen in lab.log.entries]

    one, again = await plays(1), await plays(1)
    # On a busy machine the client may hang up before the lab has heard of a request at all.
    assert min(len(one), len(again)) > 30
    assert all(first == second for first, second in zip(one, again, strict=False))
    assert one != await plays(2)
    assert 10 < len([play for play in one if play != "ok"]) < 38


async def test_a_broken_stream_has_counted_its_input_where_the_language_opens_with_it(
    bench: Bench,
) -> None:
    told = await bench.ask("lab-same:cut-10", "anthropic", stream=True)
    assert told.usage["input_tokens"] > 0
