"""The line that closes a call's account: each value stands under its own name."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from federation.gateway.call import Account, Call
from federation.gateway.pseudonyms import Pseudonyms
from federation.gateway.stages.record import ended
from federation.schema.link import NamesKey
from federation.schema.records import AttemptRecord
from federation.schema.usage import Usage


def test_every_value_stands_under_its_own_name() -> None:
    attempt = AttemptRecord("a deployment", 1, usage=Usage(3, 4), cost_nano=5)
    account = Account(
        attempts=[attempt],
        deployment="a deployment",
        response_model="a response model",
        finish="a finish",
        first_byte_ms=6.5,
        simulated=True,
        mended=True,
        refusals={"refused": 1},
        watched={"watched": 2},
        pots={"pot": 3},
        payload="a payload",
        input="an input",
        output="an output",
        unproven={"input": "a fault"},
    )
    account.guarding = cast("None", SimpleNamespace(findings=lambda: {"found": 4}))
    ruling = SimpleNamespace(policies=("a policy",))
    account.ruled = cast("None", SimpleNamespace(ruling=ruling))
    ask = SimpleNamespace(tags={"tag": "t"}, session="a session", user="a user")
    call = SimpleNamespace(
        id="a call",
        operation="an operation",
        started_ms=1000,
        account=account,
        request=SimpleNamespace(headers={b"x-request-id": b"an-id"}),
        glance=SimpleNamespace(model="a model", stream=True, user="another user", ask=ask),
        key=SimpleNamespace(tenant="a tenant", id="a key", user="a third user", team="a team"),
    )
    names = Pseudonyms()
    names.accept(NamesKey("a tenant", b"k" * 32, []))
    record = ended(cast("Call", call), "an outcome", 299, "an error", 12.3456, names)
    found = {name: getattr(record, name) for name in record.__struct_fields__}
    assert found == {
        "call": "a call",
        "at_ms": 1012,
        "tenant": "a tenant",
        "key": "a key",
        "operation": "an operation",
        "requested": "a model",
        "outcome": "an outcome",
        "status": 299,
        "stream": True,
        "deployment": "a deployment",
        "response_model": "a response model",
        "finish": "a finish",
        "error": "an error",
        "started_ms": 1000,
        "duration_ms": 12.346,
        "first_byte_ms": 6.5,
        "usage": Usage(3, 4),
        "cost_nano": 5,
        "attempts": (attempt,),
        "decision": None,
        "simulated": True,
        "tags": {"tag": "t"},
        "session": "a session",
        "user": names.of("a tenant", "a user"),
        "team": "a team",
        "findings": {"found": 4},
        "mended": True,
        "policies": ("a policy",),
        "refusals": {"refused": 1},
        "watched": {"watched": 2},
        "pots": {"pot": 3},
        "payload": "a payload",
        "input": "an input",
        "output": "an output",
        "unproven": {"input": "a fault"},
        "client_id": "an-id",
    }
