"""Bodies and answers that are nearly right, through the making and continuing of records."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from json_mutations import mutated
from msgspec import Raw
from responses_rig import message, reasoning, response
from responses_world import TOOL

from federation.dialects.openai_responses.client import CLIENT
from federation.dialects.openai_responses.listing import Page, input_items
from federation.dialects.openai_responses.state import Stored, stored
from federation.domain.routes import Settings
from federation.errors import CallerError
from federation.gateway.responses.history import Kept, history, names_of, pack, unpack
from federation.gateway.responses.keeping import UNREADABLE
from federation.gateway.responses.opening import Opened, opened
from federation.gateway.responses.store import ResponseStore
from federation.schema.http import ClientRequest
from federation.schema.storing import Found, Held

KEY = b"s" * 32
BODIES: list[Any] = [
    {
        "model": "chat",
        "store": True,
        "previous_response_id": "resp_1",
        "background": True,
        "input": [
            {"role": "user", "content": "Hi"},
            {"type": "item_reference", "id": "rs_1"},
            {"id": "msg_1"},
            {"type": "function_call_output", "call_id": "call_1", "output": "19"},
            reasoning("opaque"),
            message(),
        ],
        "tools": [TOOL],
    },
    {"model": "chat", "input": "Hi", "store": None, "previous_response_id": None},
]
CALL = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
ANSWERS: list[Any] = [response(reasoning("x", "rs_1"), message("Hi", "msg_1"), CALL)]
PAST = Kept(
    Stored(
        "resp_1",
        Raw(json.dumps(ANSWERS[0]).encode()),
        (Raw(b'{"id":"msg_i","type":"message","role":"user","content":"Hi"}'),),
    ),
    "acme",
)
bounded = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


class OneResponse(ResponseStore):
    """Keeps `resp_1`, and nothing else."""

    def __init__(self) -> None:
        self.payload = pack(PAST)

    async def chain(self, tenant: str, response: str) -> Found:
        held = (Held("resp_1", "completed", self.payload),)
        return Found(held) if response == "resp_1" else Found(fault="missing")

    async def owners(self, tenant: str, items: tuple[str, ...]) -> tuple[Held, ...]:
        return (Held("resp_1", "completed", self.payload),)


def looked_at(body: bytes) -> Opened:
    request = ClientRequest("POST", "/v1/responses", "", {}, body)
    return asyncio.run(
        opened(
            request,
            "default",
            Settings(allow_fields=("background",)),
            OneResponse(),
            KEY,
            lambda _: True,
        )
    )


@bounded
@given(mutated(BODIES))
def test_a_call_is_opened_or_refused(body: Any) -> None:
    data = json.dumps(body).encode("utf-8", "replace")
    try:
        found = looked_at(data)
    except CallerError:
        return
    whole = json.loads(found.request.body)
    assert not found.previous or "previous_response_id" not in whole
    assert CLIENT.glance(found.request).spans == found.going.spans
    made = stored(found.glance, data, json.dumps(ANSWERS[0]).encode(), "resp_2", found.references)
    again = unpack(pack(Kept(made, "acme")))
    assert history([again], KEY).read
    input_items(again.stored.input, Page())


@bounded
@given(mutated(ANSWERS))
def test_an_answer_is_kept_or_found_unfit_at_once(answer: Any) -> None:
    data = json.dumps(BODIES[1]).encode()
    glance = CLIENT.glance(ClientRequest("POST", "/v1/responses", "", {}, data))
    try:
        made = stored(glance, data, json.dumps(answer).encode("utf-8", "replace"), "resp_2")
        names_of(made)
        history([Kept(made, "acme")], KEY)
    except UNREADABLE:
        return
    # What was taken once is taken ever after.
    again = unpack(pack(Kept(made, "acme")))
    assert names_of(again.stored) == names_of(made)
    assert len(history([again], KEY).read) >= 1
