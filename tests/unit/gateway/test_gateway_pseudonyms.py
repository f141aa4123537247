"""How a worker names users: pseudonyms by control's key, each name told once, nobody by mistake."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest

from federation.domain.access import Role, VirtualKey
from federation.errors import EvidenceUnwritable
from federation.evidence.sealing import pseudonym
from federation.gateway import pseudonyms as room
from federation.gateway.pseudonyms import Pseudonyms, user_of
from federation.schema.glance import Ask, Glance
from federation.schema.link import NamesAsk, NamesKey, NamesSeen

KEY = VirtualKey("key_1", b"", "k", "acme", Role.DEVELOPER, 0, user="ada")
ANNA = "anna@example.org"


class Control:
    """The other end of the link; away where it is told to be."""

    def __init__(self) -> None:
        self.heard: list[NamesAsk | NamesSeen] = []
        self.away = False

    def __call__(self, message: NamesAsk | NamesSeen) -> bool:
        if not self.away:
            self.heard.append(message)
        return not self.away

    @property
    def seen(self) -> dict[str, str]:
        told = (each.users for each in self.heard if isinstance(each, NamesSeen))
        return {name: user for users in told for name, user in users.items()}


@pytest.fixture
def control() -> Control:
    return Control()


@pytest.fixture
def names(control: Control) -> Pseudonyms:
    made = Pseudonyms(control)
    made.accept(NamesKey("acme", b"k" * 32, []))
    return made


def glance(body: str = "", **ask: object) -> Glance:
    return cast("Glance", SimpleNamespace(user=body, ask=Ask(**ask)))  # type: ignore[arg-type]


def test_a_user_is_whom_the_call_names_else_its_keys() -> None:
    assert user_of(KEY, glance("body", user="ours")) == "ours"
    assert user_of(KEY, glance("body")) == "body"
    assert user_of(KEY, glance()) == "ada"


async def test_a_pseudonym_is_the_same_on_every_worker_and_told_once(
    names: Pseudonyms, control: Control
) -> None:
    other = Pseudonyms(Control())
    other.accept(NamesKey("acme", b"k" * 32, []))

    assert names.of("acme", ANNA) == names.of("acme", ANNA) == other.of("acme", ANNA)
    assert names.of("acme", ANNA) == pseudonym(b"k" * 32, ANNA)
    names.flush()
    names.flush()

    assert control.seen == {pseudonym(b"k" * 32, ANNA): ANNA}
    assert len(control.heard) == 1


async def test_names_are_told_soon_by_themselves(names: Pseudonyms, control: Control) -> None:
    names.of("acme", ANNA)
    for _ in range(600):
        if control.seen:
            break
        await asyncio.sleep(0.05)
    assert list(control.seen.values()) == [ANNA]


async def test_what_control_cannot_hear_now_it_hears_later(
    names: Pseudonyms, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "WAITING", 3)
    monkeypatch.setattr(room, "AT_ONCE", 2)
    control.away = True
    for n in range(5):
        assert names.of("acme", f"u{n}").startswith("p_")
    names.flush()
    control.away = False
    names.flush()
    assert sorted(control.seen.values()) == ["u0", "u1", "u2"]
    # Those for whom there was no room are new when they come again.
    names.of("acme", "u4")
    names.of("acme", "u0")
    names.flush()
    assert sorted(control.seen.values()) == ["u0", "u1", "u2", "u4"]


async def test_a_name_that_is_too_long_stays_a_pseudonym(
    names: Pseudonyms, control: Control
) -> None:
    assert names.of("acme", "x" * (room.LONGEST + 1)).startswith("p_")
    names.flush()
    assert control.seen == {}


async def test_those_that_came_long_ago_are_forgotten_and_those_that_come_again_are_not(
    names: Pseudonyms, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "HELD", 4)
    for n in range(12):
        names.of("acme", f"u{n}")
        names.of("acme", "often")
    names.flush()
    control.heard.clear()
    names.of("acme", "often")
    names.of("acme", "u0")
    names.flush()
    assert list(control.seen.values()) == ["u0"]


async def test_after_an_erasure_somebody_is_somebody_else_and_is_told_anew(
    names: Pseudonyms, control: Control
) -> None:
    before, ben = names.of("acme", ANNA), names.of("acme", "ben")
    names.flush()
    names.accept(NamesKey("acme", b"k" * 32, []))  # said again: nothing is new
    assert names.of("acme", ANNA) == before
    names.accept(NamesKey("acme", b"k" * 32, [before]))

    after = names.of("acme", ANNA)
    names.flush()

    assert after not in (before, "")
    assert names.of("acme", "ben") == ben
    assert control.seen[after] == ANNA


async def test_session_and_tags_do_not_tell_what_the_user_hides(names: Pseudonyms) -> None:
    tags = {"who": ANNA, "team": "red", f"of {ANNA}": "1"}
    name, session, told = names.told(KEY, glance(user=ANNA, session=f"chat/{ANNA}", tags=tags))
    assert (name, session) == (names.of("acme", ANNA), f"chat/{name}")
    assert told == {"who": name, "team": "red", f"of {name}": "1"}
    assert names.told(KEY, glance("u1", session="u11"))[1] == "u11", "too short to be looked for"
    nobody = VirtualKey("key_2", b"", "k", "acme", Role.DEVELOPER, 0)
    assert names.told(nobody, glance(session="s", tags={"a": "b"})) == ("", "s", {"a": "b"})


async def test_a_tag_that_says_something_else_than_the_user_stays(names: Pseudonyms) -> None:
    tags = {"tier": "1", "prod": "x", "app": "reproduce"}
    assert names.told(KEY, glance("1", tags=tags))[2] == tags
    assert names.told(KEY, glance("prod", tags=tags))[2] == tags


async def test_every_name_of_a_call_is_hidden_however_it_is_written(names: Pseudonyms) -> None:
    tags = {"who": "Anna@Example.org", "of": "emp-42", "by": "ADA", "a@b": "a@b"}
    about = glance(ANNA, user="emp-42", session=f"chat of {ANNA}", tags=tags)
    name, session, told = names.told(KEY, about)
    anna = names.of("acme", ANNA)
    assert (name, session) == (names.of("acme", "emp-42"), f"chat of {anna}")
    assert told == {"who": anna, "of": name, "by": "ADA", "a@b": "a@b"}


async def test_a_control_that_is_new_hears_of_those_who_call_again(
    names: Pseudonyms, control: Control
) -> None:
    names.of("acme", ANNA)
    names.flush()
    control.heard.clear()
    names.reconnected()
    names.of("acme", ANNA)
    names.flush()
    assert list(control.seen.values()) == [ANNA]


async def test_a_key_is_asked_for_once_and_everybody_waits_for_it(control: Control) -> None:
    names = Pseudonyms(control)
    waiting = [asyncio.create_task(names.fetch("acme")) for _ in range(5)]
    await asyncio.sleep(0)
    assert control.heard == [NamesAsk("acme")]
    assert not names.knows("acme")
    names.accept(NamesKey("acme", b"k" * 32, []))
    await asyncio.wait_for(asyncio.gather(*waiting), 30)
    assert names.knows("acme")


async def test_without_a_key_nobody_is_named_and_the_call_is_refused(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "WAIT_S", 0.05)
    monkeypatch.setattr(room, "ASK_S", 0.02)
    control.away = True
    names = Pseudonyms(control)
    with pytest.raises(EvidenceUnwritable, match="may not name its user in the clear"):
        await names.fetch("acme")
    assert names.of("acme", ANNA) == ""
    about = glance(user=ANNA, session=ANNA, tags={"who": ANNA})
    assert names.told(KEY, about) == ("", "", {"who": ""})


async def test_who_has_nobody_to_ask_makes_pseudonyms_that_nobody_can_resolve() -> None:
    names, other = Pseudonyms(), Pseudonyms()
    await names.fetch("acme")
    await other.fetch("acme")
    assert names.of("acme", ANNA).startswith("p_")
    assert names.of("acme", ANNA) != other.of("acme", ANNA)
    names.flush()


def test_no_message_of_the_link_shows_a_key_or_a_name() -> None:
    assert "k" * 8 not in repr(NamesKey("acme", b"k" * 32, []))
    assert ANNA not in repr(NamesSeen("acme", {"p": ANNA}))
