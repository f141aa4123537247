from __future__ import annotations

from dataclasses import replace

from federation.config.settings import Loaded
from federation.control.frames import (
    pack_ring,
    pack_snapshot,
    unpack_ring,
    unpack_snapshot,
)
from federation.control.snapshots import compile_snapshot, without_secrets
from federation.domain.access import Role, VirtualKey
from federation.domain.catalogue import (
    Ability,
    Auth,
    ContextTier,
    Model,
    Price,
    Provider,
    Quality,
    Rates,
    Speed,
    Tier,
    Window,
)
from federation.domain.policies import Attachment, Logged, Policy, Residency
from federation.domain.routes import Route, Settings, Target, Weights
from federation.domain.snapshot import KeyRing
from federation.domain.tenancy import Quota
from federation.storage.entries import Override

MODEL = Model(
    "large",
    aliases=("big",),
    context=128_000,
    abilities=frozenset({Ability.TOOLS, Ability.JSON_SCHEMA}),
    price=Price(
        Rates(2_500_000_000, 10_000_000_000),
        tiers=(ContextTier(200_000, Rates(1, 2)),),
        windows=(Window((1, 2), 0, 60, Rates(3, 4)),),
        multipliers={"eu": 1100},
    ),
    quality={"code": Quality(0.9, 0.1)},
    speed=Speed(300.0, 50.0),
    quirks={"output_limit_field": "max_completion_tokens"},
)
ACME = Provider(
    "acme",
    "Acme",
    Tier.FRONTIER,
    "openai",
    "https://acme.test/v1",
    certifications=frozenset({"soc2", "gdpr"}),
    models=(MODEL, replace(MODEL, id="small")),
)
HOME = Provider(
    "home",
    "Home",
    Tier.OPENSOURCE,
    "openai",
    "http://127.0.0.1:1",
    auth=Auth("none", "", ""),
    local=True,
    models=(MODEL,),
)


def loaded(*providers: Provider, configured: frozenset[str] = frozenset()) -> Loaded:
    routes = {"chat": Route("chat", "priority", (Target("acme/large"),), Weights())}
    return Loaded(Settings(), {row.id: row for row in providers}, configured, routes)


def test_every_model_becomes_a_deployment_whose_provider_has_no_models() -> None:
    snapshot = compile_snapshot(loaded(ACME, HOME), [], {"acme": "s"}, 3)
    assert [each.id for each in snapshot.deployments] == ["acme/large", "acme/small", "home/large"]
    assert all(each.provider.models == () for each in snapshot.deployments)
    assert snapshot.deployments[0].provider is snapshot.deployments[1].provider
    assert snapshot.version == 3
    assert snapshot.routes["chat"].targets == (Target("acme/large"),)


def test_a_deployment_is_usable_with_its_credential() -> None:
    assert compile_snapshot(loaded(ACME), [], {"acme": "s"}, 1).deployments[0].usable
    assert not compile_snapshot(loaded(ACME), [], {}, 1).deployments[0].usable


def test_a_server_without_keys_is_usable_where_the_operator_named_it() -> None:
    named = loaded(HOME, configured=frozenset({"home"}))
    assert compile_snapshot(named, [], {}, 1).deployments[0].usable
    assert not compile_snapshot(loaded(HOME), [], {}, 1).deployments[0].usable


def test_an_override_wins_over_the_file() -> None:
    off = Override("acme", enabled=False, changed_ms=1, changed_by="admin")
    on = replace(off, enabled=True)
    disabled = replace(ACME, enabled=False)
    for row, overrides, enabled in (
        (ACME, [], True),
        (ACME, [off], False),
        (disabled, [], False),
        (disabled, [on], True),
    ):
        (first, *_) = compile_snapshot(loaded(row), overrides, {}, 1).deployments
        assert (first.enabled, first.provider.enabled) == (enabled, enabled)


def test_the_digest_is_of_the_content_alone() -> None:
    one = compile_snapshot(loaded(ACME), [], {"acme": "secret"}, 1)
    assert one.digest == compile_snapshot(loaded(ACME), [], {"acme": "other"}, 2).digest
    assert one.digest != compile_snapshot(loaded(HOME), [], {}, 1).digest
    assert one.digest != compile_snapshot(loaded(ACME), [], {}, 1).digest
    assert len(one.digest) == 64


def test_secrets_of_unknown_providers_are_left_out() -> None:
    snapshot = compile_snapshot(loaded(ACME), [], {"acme": "s", "gone": "t"}, 1)
    assert snapshot.secrets == {"acme": "s"}
    assert without_secrets(snapshot).secrets == {}
    assert "'s'" not in repr(snapshot)


def test_a_snapshot_survives_the_link_and_shares_its_providers() -> None:
    rules = (Residency(places=("eu",), file="policies/eu.yaml", line=3), Logged())
    policy = Policy("eu", rules, attach=Attachment(tenants=("acme",)))
    found = replace(loaded(ACME, HOME), policies=(policy,), store_regions=("de",))
    snapshot = compile_snapshot(found, [], {"acme": "s"}, 7)
    assert (snapshot.policies, snapshot.store_regions) == ((policy,), ("de",))
    arrived = unpack_snapshot(pack_snapshot(snapshot))
    assert arrived == snapshot
    assert arrived.deployments[0].provider is arrived.deployments[1].provider


def test_equal_snapshots_have_equal_bytes() -> None:
    more = frozenset({"gdpr", "soc2"})
    one = compile_snapshot(loaded(ACME), [], {}, 1)
    two = compile_snapshot(loaded(replace(ACME, certifications=more)), [], {}, 1)
    assert pack_snapshot(one) == pack_snapshot(two)


def test_a_key_ring_survives_the_link() -> None:
    key = VirtualKey("key_1", b"h" * 32, "n", "default", Role.VIEWER, 1, 2, 3, ("a",), ("b",))
    key = replace(key, team="red", user="ada")
    ring = KeyRing(4, b"k" * 32, (key,), {"default": Quota(1_000, None)})
    assert unpack_ring(pack_ring(ring)) == ring


def test_simulated_deployments_leave_as_soon_as_a_real_one_is_usable() -> None:
    simulated = replace(HOME, id="sim", simulated=True)
    rows = loaded(ACME, simulated, configured=frozenset({"sim"}))
    alone = compile_snapshot(rows, [], {}, 1)
    assert {item.provider.id for item in alone.deployments} == {"acme", "sim"}
    beside = compile_snapshot(rows, [], {"acme": "secret"}, 2)
    assert {item.provider.id for item in beside.deployments} == {"acme"}
