"""Looks for rules in report mode: each counts for itself, none raises, and what is given up is not
counted."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from federation.dialects.operations.taps import ByteTap
from federation.domain.policies import Guard, PiiAction
from federation.errors import UpstreamDenied, UpstreamGarbled
from federation.gateway.report_mode import Look, Watch, Watching
from federation.gateway.report_mode_streams import ChatEar
from federation.gateway.safeguards import QUICK, Guarding, safeguard_of
from federation.governance.obligations import Obligations
from federation.schema.chunks import Chunk, Delta, PartBegun
from federation.schema.parts import Text
from federation.schema.usage import Usage

MAIL = "jane.doe@example.com"
REDACT = Obligations(pii=PiiAction.REDACT)
BLOCK = Obligations(pii=PiiAction.BLOCK, pii_block_on_failure=True)


def watch(duties: Obligations = REDACT, label: str = "p.pii") -> Watch:
    return Watch(label, duties, safeguard_of(duties, b"k" * 32))


def watching(*watches: Watch) -> Watching:
    made = Watching()
    made.watches = watches
    return made


async def test_each_rule_counts_for_itself_and_a_refusal_ends_its_looks_alone() -> None:
    both = watching(watch(), watch(BLOCK, "q.pii"))
    await both.look(10, lambda each: each.text(MAIL, "body"))
    await both.look(10, lambda each: each.text(f"{MAIL} and {MAIL}", "body"))
    assert both.findings() == {"p.pii:email:redact": 3, "q.pii:email:block": 1}
    assert both.findings() == {"p.pii:email:redact": 3, "q.pii:email:block": 1}, "told once"


@pytest.mark.parametrize("size", [10, QUICK + 1], ids=["here", "in a thread"])
async def test_a_bug_of_a_check_is_a_failure_of_it_and_no_more(size: int) -> None:
    one = watching(watch())

    def broken(guarding: Guarding) -> None:
        guarding.text(MAIL, "body")
        raise KeyError(MAIL)

    await one.look(size, broken)
    assert one.findings() == {"p.pii:email:redact": 1, "p.pii:detector_failure:block": 1}
    assert MAIL not in str(one.findings())


async def test_a_look_that_is_given_up_counts_for_nothing_though_its_thread_goes_on() -> None:
    one, began, goes_on = watching(watch()), threading.Event(), threading.Event()

    def slowly(guarding: Guarding) -> None:
        guarding.text(MAIL, "body")
        began.set()
        goes_on.wait(20)
        guarding.text(MAIL, "body")

    task = asyncio.create_task(one.look(QUICK + 1, slowly))
    await asyncio.to_thread(began.wait, 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    goes_on.set()
    assert one.findings() == {}
    await one.look(10, lambda each: each.text(MAIL, "body"))
    assert one.findings() == {"p.pii:email:redact": 1}, "another attempt's answer counts"


async def test_tools_that_a_call_offers_are_known_when_its_answer_comes() -> None:
    made = watch(Obligations(guards=(Guard("tools"),)), "p.guardrails")
    first = Look(made)
    first.guarding.offered = {"look"}
    made.take(first)
    assert Look(made).guarding.offered == {"look"}


class _Decoder:
    """Says chunks in turn, or what ends a stream."""

    started = done = complete = False
    malformed = 0

    def __init__(self, *said: list[Chunk] | Exception) -> None:
        self._said: Iterator[list[Chunk] | Exception] = iter(said)

    def feed(self, data: bytes) -> list[Chunk]:
        del data
        said = next(self._said)
        if isinstance(said, Exception):
            raise said
        return said

    def close(self) -> list[Chunk]:
        raise UpstreamGarbled("torn")


BEGUN: list[Chunk] = [PartBegun(0, 0, Text(""))]


def said(text: str) -> list[Chunk]:
    return [Delta(0, 0, text)]


@pytest.mark.parametrize(
    ("after", "found"),
    [
        (UpstreamGarbled("what is this"), {"p.pii:unread:block": 1}),
        (ValueError("a bug"), {"p.pii:unread:block": 1}),
        (UpstreamDenied("no funds"), {}),
        (said("@example.com is hers"), {"p.pii:email:redact": 1}),
    ],
)
def test_an_ear_tells_what_it_could_not_read_and_never_raises(
    after: list[Chunk] | Exception, found: dict[str, int]
) -> None:
    one = watch()
    look = Look(one)
    ear = ChatEar(_Decoder(BEGUN, said("jane.doe"), after, said(MAIL)), [look])
    for _ in range(3):
        ear.hear(b"x")
    ear.close()
    ear.hear(b"after the end nobody listens")
    one.take(look)
    assert one.found == found


async def test_a_tap_is_left_alone_where_every_rule_would_have_refused_the_call() -> None:
    one, tap = watching(watch(BLOCK)), ByteTap(Usage())
    await one.look(10, lambda each: each.text(MAIL, "body"))
    assert one.along_text(tap, b"text/plain") is tap
    heard = watching(watch(BLOCK)).along_text(tap, b"text/plain")
    assert heard is not tap
    assert not hasattr(heard, "form"), "events of a known form would pass by the ear"


def test_what_cannot_be_made_ready_says_so_and_looks_at_nothing() -> None:
    failed = watching(Watch.failed("p.pii", REDACT))
    tap = ByteTap(Usage())
    assert failed.along_transcript(tap) is tap
    assert failed.findings() == {"p.pii:detector_failure:block": 1}
