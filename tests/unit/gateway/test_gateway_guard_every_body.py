"""Bodies of every chat dialect under a policy on content: a value at each place of each, in turn.

Also members that no dialect knows: what is not understood is forwarded, and so looked at.
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from guard_bodies import BODIES
from inprocess import OneKey
from msgspec import structs

from federation.dialects.table import CLIENTS
from federation.domain.policies import PiiAction
from federation.errors import CallerError, Forbidden
from federation.gateway.call import Account, Call
from federation.gateway.reading import Reading
from federation.gateway.stages.guard import ContentGuard
from federation.governance.obligations import Obligations
from federation.schema.http import ClientRequest

KEY = b"k" * 32
MAIL = "jane.doe@example.com"
UNSENT = ("model", "federation")
"""Members that no provider is sent."""


class _World:
    """As much of a world as the stage asks for."""

    seal_key = KEY
    recognizers = staticmethod(tuple)


STAGE = ContentGuard(_World())  # type: ignore[arg-type]


def planted(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """The body with a value in the place of one string, of one name, or in a member more."""
    if isinstance(value, dict):
        yield f"{at} (more)", value | {"x_more": MAIL}
        yield f"{at} (more, deep)", value | {"x_more": [{"y": {MAIL: 1}}]}
        for name, inner in value.items():
            if not at and name in UNSENT:
                continue
            yield f"{at}.{name} (name)", {MAIL if n == name else n: v for n, v in value.items()}
            for where, changed in planted(inner, f"{at}.{name}"):
                yield where, value | {name: changed}
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            for where, changed in planted(inner, f"{at}[{index}]"):
                yield where, [*value[:index], changed, *value[index + 1 :]]
    elif isinstance(value, str):
        yield at, MAIL
        yield f"{at} (among words)", f"{value} {MAIL}"


def screened(dialect: str, path: str, body: bytes, action: PiiAction) -> Call:
    """The call as it leaves the stage. Raises what the dialect and the stage raise."""
    passed: list[Call] = []

    async def following(call: Call) -> Any:
        passed.append(call)

    request = ClientRequest("POST", path, "", {}, body)
    face = CLIENTS[dialect.partition(" ")[0]]
    glance = face.glance(request)
    reading = Reading(face, request, glance, KEY)
    call = Call("call_1", request, 0.0, 0, Account(), glance, face, reading, OneKey().key)
    call = structs.replace(call, duties=Obligations(pii=action))
    asyncio.run(STAGE.chat(call, following))  # type: ignore[arg-type]
    return passed[0]


@pytest.mark.parametrize("dialect", BODIES)
def test_a_body_without_a_value_goes_on_as_it_came(dialect: str) -> None:
    path, body = BODIES[dialect]
    raw = json.dumps(body).encode()
    for action in (PiiAction.BLOCK, PiiAction.TOKENIZE):
        call = screened(dialect, path, raw, action)
        assert not call.reading.changed
        assert call.request.body == raw


@pytest.mark.parametrize("dialect", BODIES)
def test_what_may_not_pass_is_found_at_every_place(dialect: str) -> None:
    path, body = BODIES[dialect]
    told: list[str] = []
    for where, changed in planted(copy.deepcopy(body)):
        try:
            screened(dialect, path, json.dumps(changed).encode(), PiiAction.BLOCK)
        except Forbidden as refusal:
            told.append(refusal.message)
        except CallerError:
            continue  # no call at all
        else:
            pytest.fail(f"{dialect}{where} goes out in the clear")
    assert len(told) > 4
    assert MAIL not in "".join(told)


@pytest.mark.parametrize("action", [PiiAction.REDACT, PiiAction.TOKENIZE])
@pytest.mark.parametrize("dialect", BODIES)
def test_what_must_be_changed_is_changed_or_refused_at_every_place(
    dialect: str, action: PiiAction
) -> None:
    path, body = BODIES[dialect]
    changes = 0
    for where, changed in planted(copy.deepcopy(body)):
        try:
            call = screened(dialect, path, json.dumps(changed).encode(), action)
        except CallerError:
            continue
        assert call.reading.changed, f"{dialect}{where} goes out in the clear"
        assert MAIL not in msgspec.json.encode(call.reading.canonical()).decode(), where
        changes += 1
    assert changes > 2


def test_a_member_that_stands_twice_is_read_both_times() -> None:
    twice = (
        b'{"model": "m", "messages": [{"role": "user", "content": [{"type": "image_url", '
        b'"image_url": {"url": "https://h.test/?jane.doe@example.com", "url": "https://h.test"}}]}]}'
    )
    with pytest.raises(CallerError):
        screened("openai", "/v1/chat/completions", twice, PiiAction.BLOCK)


def test_what_stays_with_the_gateway_is_not_looked_at() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "t", "name": "n"}],
            "federation": {"tags": {"who": MAIL}}}  # fmt: skip
    call = screened("openai", "/v1/chat/completions", json.dumps(body).encode(), PiiAction.BLOCK)
    assert not call.reading.changed
