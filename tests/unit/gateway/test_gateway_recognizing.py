"""Plugged-in recognizers: what hangs, raises or is not there has failed, and says so."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from federation.bootstrap import recognizers
from federation.bootstrap.recognizers import Plugged
from federation.domain.policies import PiiAction
from federation.errors import Unavailable
from federation.gateway.recognizing import Absent, Timed
from federation.gateway.safeguards import Guarding, safeguard_of
from federation.governance.obligations import Obligations
from federation.guardrails.entities import DetectorFailure, Recognizer, Span


class Names:
    """Says what it is given to say."""

    name = "names"
    kinds: tuple[str, ...] = ("person",)

    def __init__(self, say: Any = ()) -> None:
        self.say = say

    def find(self, text: str) -> Sequence[Span] | DetectorFailure:
        found: Sequence[Span] = self.say(text) if callable(self.say) else self.say
        return found


def test_one_that_answers_in_time_is_heard() -> None:
    assert Timed(Names((Span(0, 4, "person"),))).find("Jane") == (Span(0, 4, "person"),)


def test_one_that_raises_has_failed_and_tells_nothing_of_the_text() -> None:
    def broken(text: str) -> None:
        raise KeyError(text)

    said = Timed(Names(broken)).find("Jane Doe")
    assert said == DetectorFailure("names", "KeyError")


def test_one_that_hangs_has_failed_and_soon_is_not_asked_any_more() -> None:
    ends = threading.Event()
    asked: list[str] = []

    def hang(text: str) -> list[Span]:
        asked.append(text)
        ends.wait(60)
        return []

    timed = Timed(Names(hang), timeout_s=0.01)
    reasons = [timed.find("x") for _ in range(6)]
    assert (
        reasons
        == [DetectorFailure("names", "timeout")] * 4 + [DetectorFailure("names", "hangs")] * 2
    )
    assert len(asked) == 4
    ends.set()
    for thread in threading.enumerate():
        if thread.name == "recognizer names":
            thread.join(30)
    assert timed.find("y") in ([], DetectorFailure("names", "timeout")), "it is asked again"
    assert len(asked) == 5


def duties(**more: Any) -> Obligations:
    return Obligations(pii_types=(("person", PiiAction.REDACT),), **more)


@pytest.mark.parametrize("required", [True, False])
def test_a_type_without_anybody_to_find_it_fails_where_that_is_required(required: bool) -> None:
    made = safeguard_of(duties(pii_block_on_failure=required), b"k")
    guarding = Guarding.begin(made, b"k", "call_1")
    assert guarding.slow
    if required:
        with pytest.raises(Unavailable, match="no recognizer for person"):
            guarding.text("Jane", "body")
        return
    assert guarding.text("Jane", "body") == "Jane"
    assert guarding.findings() == {"detector_failure:log": 1}
    assert guarding.classes() == frozenset()


def test_only_who_finds_what_is_asked_for_is_asked() -> None:
    other = Names(lambda _: pytest.fail("nobody asked for it"))
    other.kinds = ("color",)
    plugged = (other, Names((Span(0, 4, "person"),)))
    guarding = Guarding.begin(safeguard_of(duties(), b"k", lambda: plugged), b"k", "call_1")
    assert guarding.text("Jane Doe", "body") == "[PERSON] Doe"


def made(settings: Mapping[str, str]) -> Recognizer:
    return Names((Span(0, int(settings["SIZE"]), "person"),))


def broken(settings: Mapping[str, str]) -> Recognizer:
    raise ValueError("no model")


def test_entry_points_are_loaded_once_and_a_broken_one_is_missing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    here = __name__
    given = [
        EntryPoint("good", f"{here}:made", recognizers.GROUP),
        EntryPoint("bad", f"{here}:broken", recognizers.GROUP),
        EntryPoint("gone", "no_such_module_at_all:x", recognizers.GROUP),
    ]
    asked: list[str] = []

    def entry_points(*, group: str) -> list[EntryPoint]:
        asked.append(group)
        return given

    monkeypatch.setattr(recognizers, "entry_points", entry_points)
    plugged = Plugged({"SIZE": "4"})
    assert asked == [], "nothing is loaded before a policy needs it"
    (found,) = plugged()
    assert found.find("Jane Doe") == (Span(0, 4, "person"),)
    assert plugged() == (found,)
    assert asked == [recognizers.GROUP]
    assert [record.plugin for record in caplog.records] == ["bad", "gone"]  # type: ignore[attr-defined]


def test_nobody_is_a_recognizer_that_always_fails() -> None:
    said = Absent(("person", "address")).find("Jane")
    assert isinstance(said, DetectorFailure)
    assert "Jane" not in said.reason
