"""What policies say of a call, and that it counts only for the deployments it was said about."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from governed_world import EU_ONLY, policy
from inprocess import OneKey, deployment, model, provider, snapshot

from federation.dialects.operations.table import client_of, find_client
from federation.dialects.table import CLIENTS
from federation.domain.approvals import Granted
from federation.domain.policies import AllowedModels, Logged, MaxCost, Policy, Residency
from federation.domain.routes import Settings
from federation.errors import Unavailable
from federation.gateway.call import Account, C, Call, OperationCall
from federation.gateway.deciding import judged
from federation.gateway.money import Money
from federation.gateway.reading import Reading
from federation.gateway.ruled import by_policy, facts_of, told
from federation.gateway.situation import situate
from federation.gateway.stages.admit import admitted
from federation.gateway.world import Situation
from federation.governance.explain import Reason
from federation.schema.http import ClientRequest

_ROWS = tuple(
    deployment(provider(name, "http://127.0.0.1:1/v1", regions=regions), model("large"))
    for name, regions in (("us", ("us",)), ("eu", ("eu",)), ("de", ("de",)))
)


def _admitted(situation: Situation, given: C) -> C:
    """Without any budget."""
    return admitted(situation, given, Money())


def under(*policies: Policy, rows: Any = _ROWS, **settings: Any) -> Situation:
    state = snapshot(rows, settings=Settings(**settings))
    return situate(replace(state, policies=policies), date(2026, 1, 1))


def call(
    body: bytes = b'{"model":"large","messages":[{"role":"user","content":"Hi"}]}', **key: Any
) -> Call:
    request = ClientRequest("POST", "/v1/chat/completions", "", {}, body)
    face = CLIENTS["openai"]
    glance = face.glance(request)
    reading = Reading(face, request, glance, b"k" * 32)
    holder = replace(OneKey().key, **key)
    return Call("call_1", request, 0.0, 0, Account(), glance, face, reading, holder)


def test_without_policies_nothing_is_said_and_the_call_goes_on_as_it_is() -> None:
    given = call()
    assert _admitted(under(), given) is given
    assert given.account.ruled is None
    assert given.duties is None


def test_a_call_carries_what_is_demanded_of_whoever_serves_it() -> None:
    passed = _admitted(under(EU_ONLY, policy(Logged(), name="log")), call())
    assert passed.duties is not None
    assert passed.duties.logged
    assert passed.duties.residency == (("eu",),)
    found = passed.account.ruled
    assert found is not None
    assert found.ruling.mask == 0b110
    assert found.ruling.policies[0] == EU_ONLY.label


def test_the_policies_of_a_team_and_of_a_default_model_bind() -> None:
    situation = under(policy(Logged(), teams=("legal",)), default_model="large")
    assert (
        _admitted(situation, call(team="")).duties
        != _admitted(situation, call(team="LEGAL")).duties
    )
    standing = under(policy(Logged(), routes=("large",)), default_model="large")
    nameless = _admitted(standing, call(b'{"messages":[{"role":"user","content":"Hi"}]}'))
    assert nameless.duties is not None
    assert nameless.duties.logged


def test_a_ruling_is_made_anew_for_the_deployments_that_a_decision_is_about() -> None:
    given = _admitted(under(EU_ONLY), call())
    found = judged(under(EU_ONLY, rows=_ROWS[::-1]), given)
    assert found is not None
    assert found.ruling.mask == 0b011


@pytest.mark.parametrize(
    "after",
    [
        (),
        (EU_ONLY, policy(Residency(places=("us",)), name="more")),
        (EU_ONLY, policy(MaxCost(nano=1), name="more")),
    ],
)
def test_other_demands_than_those_a_call_was_admitted_under_send_it_back(
    after: tuple[Policy, ...],
) -> None:
    given = _admitted(under(EU_ONLY), call())
    with pytest.raises(Unavailable):
        judged(under(*after), given)


def test_policies_that_come_while_a_call_waits_are_obeyed_where_they_only_remove() -> None:
    given = _admitted(under(), call())
    found = judged(under(policy(AllowedModels(names=("eu/large",)))), given)
    assert found is not None
    assert found.ruling.mask == 0b010


def test_a_level_that_the_call_asks_for_counts_without_any_policy() -> None:
    asking = call(
        b'{"model":"large","messages":[{"role":"user","content":"Hi"}],"federation":{"privacy":"restricted"}}'
    )
    assert _admitted(under(), asking).account.ruled is not None
    found = asking.account.ruled
    assert found is not None
    assert found.ruling.rules == (("policy:privacy", 0),)


def test_the_facts_of_a_call_are_what_it_holds() -> None:
    body = b"""{"model": "large", "stream": true, "max_tokens": 7, "user": "u",
        "messages": [{"role": "user", "content": "Hello"}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
        "federation": {"tags": {"a": "b"}, "session": "s", "data_classes": ["pii"]}}"""
    given = call(body)
    facts = facts_of(given.glance, given.key, "chat", "large", 5, whole=True)
    assert (facts.tenant, facts.key, facts.route, facts.at_ms) == ("default", "key_1", "large", 5)
    assert (facts.user, facts.session, facts.tags) == ("u", "s", {"a": "b"})
    assert facts.data_classes == frozenset({"pii"})
    assert facts.stream
    assert (facts.messages, facts.tools, facts.max_output) == (1, 1, 7)
    assert facts.text_bytes >= len("Hello")
    bare = facts_of(given.glance, given.key, "chat", "large", 5, whole=False)
    assert bare.tags == {}
    assert bare.data_classes == frozenset({"pii"})


def test_an_approval_for_a_person_is_found_by_the_id_under_which_they_are_kept() -> None:
    given = call()
    kept, other = (f"user:default/p_{sign * 32}" for sign in "ab")
    approvals = (
        Granted("theirs", 9, "default", kept),
        Granted("own", 9, "default", given.key.id),
        Granted("others", 9, "default", other),
    )
    where = (given.glance, given.key, "chat", "large", 5)
    facts = facts_of(*where, whole=False, approvals=approvals, asker=kept)
    assert facts.approvals == {"theirs", "own"}


def test_another_operation_has_facts_too() -> None:
    request = ClientRequest("POST", "/v1/embeddings", "", {}, b'{"input": ["a", "bc"]}')
    face = find_client(request.path)
    assert face is not None
    glance = face.glance(request)
    given = OperationCall("c", request, 0.0, 9, Account(), glance, client_of(glance), OneKey().key)
    situation = under(policy(Logged(), routes=("auto",)))
    assert _admitted(situation, given).duties is not None
    facts = facts_of(glance, given.key, "embeddings", "auto", 9, whole=True)
    assert (facts.messages, facts.files, facts.operation) == (2, 0, "embeddings")


def test_many_reasons_are_told_in_few_words_and_recorded_in_full() -> None:
    found = tuple((Reason(f"p{n}@1+aa", "hours", "late"), n) for n in range(1, 8))
    assert told(found).count("keeps out") == 5
    assert told(found).endswith("2 more rules")
    assert by_policy(found) == {f"p{n}@1+aa.hours": n for n in range(1, 8)}
