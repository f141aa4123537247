"""Contents that are kept, seen from a worker: what is spooled, sealed, and named in the record."""

from __future__ import annotations

import asyncio
import json
from hashlib import sha256
from typing import Any

import httpx
import msgspec
import pytest
from gateway_rig import CHAT, answers, eventually, rig, status, streams
from inprocess import Gateway
from scripted import DONE, Talk, chunk, completion

from federation.domain.policies import Payloads, Pii, PiiAction, Policy, Residency
from federation.domain.routes import PayloadKeeping, Settings
from federation.errors import EvidenceUnwritable
from federation.evidence.sealing import Row, SealingKey, commitment, unseal
from federation.gateway.payload_box import TABLE, PayloadBox
from federation.gateway.stages import keep
from federation.gateway.stages.keep import Wish
from federation.governance.obligations import merged, obligations_of
from federation.schema.payloads import UNKEPT, Payload, Spooled
from federation.schema.records import CallEnded

KEEP = Settings(payloads=PayloadKeeping(keep=True, days=5))
KEY = SealingKey("seal_1", bytes(range(32)))
HELLO: dict[str, Any] = {"model": "chat", "messages": [{"role": "user", "content": "Hello"}]}


class Lines:
    """A spool in memory; `broken` makes it refuse."""

    def __init__(self) -> None:
        self.lines: list[Spooled] = []
        self.broken = False

    def append(self, line: Spooled) -> None:
        if self.broken:
            raise EvidenceUnwritable("the disk is full")
        self.lines.append(line)

    def look(self) -> None:
        pass

    def opened(self) -> tuple[Payload, str]:
        """The one content, and what a record should say of it."""
        (line,) = self.lines
        content = unseal(KEY, Row(line.tenant, TABLE, line.call), line.sealed)
        payload = msgspec.msgpack.decode(content, type=Payload)
        return payload, commitment(payload.salt, content)


def spooling(running: Gateway, *, keyed: bool = True) -> Lines:
    lines = Lines()
    running.world.payloads = PayloadBox(lines)
    if keyed:
        running.world.payloads.use(KEY)
    return lines


def only(running: Gateway) -> CallEnded:
    (ended,) = running.books.ended
    return ended


async def test_a_whole_call_is_kept_and_its_record_commits_to_it() -> None:
    async with rig(answers(), settings=KEEP) as (running, client, _):
        lines = spooling(running)

        reply = await client.post(CHAT, json=HELLO | {"user": "anna"})

        payload, said = lines.opened()
        assert json.loads(payload.request)["messages"] == HELLO["messages"]
        assert payload.answer == reply.content
        assert (payload.subject, payload.days, payload.cut) == ("anna", 5, False)
        assert (payload.operation, payload.tenant) == ("chat", "default")
        assert only(running).payload == said
        assert "Hello" not in repr(payload)


async def test_a_stream_is_kept_to_its_last_byte() -> None:
    events = chunk("Hel"), chunk("lo."), chunk(finish="stop"), DONE
    async with rig(streams(*events), settings=KEEP) as (running, client, _):
        lines = spooling(running)

        reply = await client.post(CHAT, json=HELLO | {"stream": True})

        payload, said = lines.opened()
        assert payload.answer == reply.content
        assert not payload.cut
        assert payload.subject == "key:key_1"
        assert only(running).payload == said


async def test_an_answer_whose_client_leaves_is_kept_as_far_as_it_came() -> None:
    async def endless(talk: Talk) -> None:
        await talk.begin_stream()
        while True:
            await talk.event(chunk("word "))
            await asyncio.sleep(0.01)

    async with rig(endless, settings=KEEP) as (running, client, _):
        lines = spooling(running)
        async with client.stream("POST", CHAT, json=HELLO | {"stream": True}) as reply:
            async for _piece in reply.aiter_raw():
                break

        await eventually(lambda: bool(running.books.ended), 20.0)
        payload, said = lines.opened()
        assert payload.cut
        assert payload.answer.startswith(b"data: ")
        assert only(running).payload == said
        assert only(running).outcome == "canceled"


async def test_a_stream_that_goes_on_elsewhere_is_kept_in_whole() -> None:
    async def breaks(talk: Talk) -> None:
        await talk.begin_stream()
        await talk.event(chunk("One "))
        await talk.event(chunk("two "))
        talk.reset()

    goes_on = streams(chunk("three."), chunk(finish="stop"), DONE)
    async with rig(breaks, goes_on, settings=KEEP, mend="on") as (running, client, _):
        lines = spooling(running)

        reply = await client.post(CHAT, json=HELLO | {"stream": True})

        assert "three." in reply.text
        payload, said = lines.opened()
        assert payload.answer == reply.content
        assert only(running).payload == said


async def test_what_a_guard_took_out_is_not_kept_either() -> None:
    rules = (Pii(action=PiiAction.REDACT), Payloads(keep=True, days=3))
    policies = (Policy("content", rules, digest="0" * 64),)
    async with rig(answers(), policies=policies) as (running, client, _):
        lines = spooling(running)
        text = "write to jane.doe@example.com"

        reply = await client.post(
            CHAT, json=HELLO | {"messages": [{"role": "user", "content": text}]}
        )

        assert reply.status_code == 200, reply.text
        payload, _ = lines.opened()
        assert b"jane.doe" not in payload.request
        assert b"write to" in payload.request
        assert payload.days == 3


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_whose_content_must_be_kept_is_refused_while_there_is_no_key(
    stream: bool,
) -> None:
    async with rig(answers(), settings=KEEP) as (running, client, (upstream,)):
        spooling(running, keyed=False)

        reply = await client.post(CHAT, json=HELLO | {"stream": stream})

        assert reply.status_code == 503
        assert reply.json()["error"]["code"] == "evidence_unwritable"
        assert upstream.seen == []
        assert only(running).payload == ""


async def test_an_answer_that_cannot_be_spooled_is_refused_and_a_stream_says_so_in_its_record() -> (
    None
):
    events = chunk("Hello."), chunk(finish="stop"), DONE

    async def either(talk: Talk) -> None:
        await (streams(*events) if talk.seen.json.get("stream") else answers())(talk)

    async with rig(either, settings=KEEP) as (running, client, _):
        spooling(running).broken = True

        whole = await client.post(CHAT, json=HELLO)
        running.world.payloads.look()
        streamed = await client.post(CHAT, json=HELLO | {"stream": True})

        assert whole.status_code == 503
        assert "Hello." in streamed.text
        assert [record.payload for record in running.books.ended] == ["", UNKEPT]


async def test_while_the_spool_refuses_one_call_a_second_is_paid_for_and_no_more() -> None:
    async with rig(answers(), settings=KEEP) as (running, client, (upstream,)):
        lines = spooling(running)
        lines.broken = True
        for _ in range(5):
            reply = await client.post(CHAT, json=HELLO)
            assert reply.status_code == 503
            assert "the disk is full" in reply.json()["error"]["message"]
        assert len(upstream.seen) == 1
        running.world.payloads.look()
        for _ in range(5):
            assert (await client.post(CHAT, json=HELLO)).status_code == 503
        assert len(upstream.seen) == 2
        lines.broken = False
        running.world.payloads.look()
        for _ in range(5):
            assert (await client.post(CHAT, json=HELLO)).status_code == 200
        assert len(lines.lines) == 5


async def test_a_call_that_failed_leaves_no_content() -> None:
    async with rig(status(400), settings=KEEP) as (running, client, _):
        lines = spooling(running)

        assert (await client.post(CHAT, json=HELLO)).status_code == 400

        assert lines.lines == []
        assert only(running).payload == ""


async def test_more_than_the_limit_is_cut_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep, "LARGEST", 100)
    long = completion("x" * 500)
    events = *(chunk("word ") for _ in range(5)), chunk(finish="stop"), DONE

    async def either(talk: Talk) -> None:
        await (streams(*events) if talk.seen.json.get("stream") else answers(long))(talk)

    async with rig(either, settings=KEEP) as (running, client, _):
        for stream in (False, True):
            lines = spooling(running)
            reply = await client.post(CHAT, json=HELLO | {"stream": stream})
            payload, _ = lines.opened()
            assert payload.cut
            assert payload.answer == reply.content[:100]


def policy(*rules: Any) -> Any:
    return merged(map(obligations_of, rules))


@pytest.mark.parametrize(
    ("setting", "rules", "places", "days"),
    [
        (PayloadKeeping(), None, (), None),
        (PayloadKeeping(keep=True, days=9), None, (), 9),
        (PayloadKeeping(keep=True, days=9), (), (), 9),
        (PayloadKeeping(keep=True, days=9), (Payloads(keep=False),), (), None),
        (PayloadKeeping(), (Payloads(keep=True),), (), 30),
        (PayloadKeeping(), (Payloads(keep=True, days=7), Payloads(keep=True, days=4)), (), 4),
        (PayloadKeeping(), (Payloads(keep=True), Payloads(keep=False)), (), None),
        (PayloadKeeping(keep=True), (Residency(("eu",)),), (), None),
        (PayloadKeeping(keep=True), (Residency(("eu",)),), ("us",), None),
        (PayloadKeeping(keep=True), (Residency(("eu",)),), ("eu",), 30),
    ],
)
def test_policies_win_over_the_setting_and_nothing_is_kept_where_it_may_not_lie(
    setting: PayloadKeeping,
    rules: tuple[Any, ...] | None,
    places: tuple[str, ...],
    days: int | None,
) -> None:
    duties = None if rules is None else policy(*rules)

    assert keep.wished(setting, duties, places) == (None if days is None else Wish(days, False))


@pytest.mark.parametrize(
    ("setting", "rules", "wish"),
    [
        (PayloadKeeping(keep="hashes", days=9), None, Wish(9, True)),
        (PayloadKeeping(), (Payloads(keep="hashes"),), Wish(30, True)),
        (PayloadKeeping(keep=True), (Payloads(keep="hashes", days=3),), Wish(3, True)),
        (PayloadKeeping(), (Payloads(keep=True), Payloads(keep="hashes")), Wish(30, True)),
        (PayloadKeeping(), (Payloads(keep="hashes"), Payloads(keep=False)), None),
        (PayloadKeeping(keep="hashes"), (Payloads(keep=True),), Wish(30, False)),
    ],
)
def test_the_demand_that_keeps_less_wins(
    setting: PayloadKeeping, rules: tuple[Any, ...] | None, wish: Wish | None
) -> None:
    assert keep.wished(setting, None if rules is None else policy(*rules), ()) == wish


@pytest.mark.parametrize("streamed", [False, True])
async def test_hashes_prove_what_was_said_and_cannot_be_read(*, streamed: bool) -> None:
    settings = Settings(payloads=PayloadKeeping(keep="hashes", days=5))
    long = "x" * (keep.LARGEST + 1)
    events = chunk("Hel"), chunk("lo."), chunk(finish="stop"), DONE
    async with rig(streams(*events) if streamed else answers(), settings=settings) as (
        running,
        client,
        (upstream,),
    ):
        lines = spooling(running)
        body = HELLO | {"messages": [{"role": "user", "content": long}], "stream": streamed}

        reply = await client.post(CHAT, json=body)

        payload, said = lines.opened()
        assert only(running).payload == said
        assert payload.hashed
        assert not payload.cut, "a hash is of all of it"
        assert payload.answer.decode() == f"sha256:{sha256(reply.content).hexdigest()}"
        sent = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
        assert payload.request.decode() == f"sha256:{sha256(sent).hexdigest()}"
        assert len(upstream.seen) == 1


async def test_the_hash_of_a_broken_stream_says_that_it_is_of_a_part() -> None:
    settings = Settings(payloads=PayloadKeeping(keep="hashes"))
    async with rig(streams(chunk("Hel"), end=False), settings=settings) as (running, client, _):
        lines = spooling(running)

        with pytest.raises(httpx.RemoteProtocolError):
            await client.post(CHAT, json=HELLO | {"stream": True})

        payload, _ = lines.opened()
        assert payload.hashed
        assert payload.cut
