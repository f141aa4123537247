"""What a requested name stands for."""

from __future__ import annotations

import pytest
from routing_world import deployment, fleet, route

from federation.domain.catalogue import DataUse
from federation.domain.routes import Deadlines, Settings
from federation.errors import NotFound


def names_of(made: object, requested: str | None) -> set[str]:
    target = made.resolve(requested)  # type: ignore[attr-defined]
    return set(made.slate(target.ready).ids)  # type: ignore[attr-defined]


def test_a_route_wins_over_a_deployment_and_a_model_of_the_same_name() -> None:
    made = fleet(
        [deployment("acme/large"), deployment("other/acme/large"), deployment("far/big")],
        [route("acme/large", "priority", "far/big")],
    )
    assert names_of(made, "acme/large") == {"far/big"}


def test_a_deployment_id_wins_over_another_hosts_model_id() -> None:
    made = fleet([deployment("acme/large"), deployment("hub/acme/large")])
    assert names_of(made, "acme/large") == {"acme/large"}
    assert names_of(made, "hub/acme/large") == {"hub/acme/large"}


def test_a_plain_id_prefers_its_maker_and_says_why_the_other_hosts_are_out() -> None:
    made = fleet([deployment("acme/large", maker=True), deployment("host/large")])
    target = made.resolve("large")
    assert names_of(made, "large") == {"acme/large"}
    assert dict(target.unready) == {"other_host": 1}


def test_other_hosts_serve_a_plain_id_by_the_operators_leave() -> None:
    both = [deployment("acme/large", maker=True), deployment("host/large")]
    made = fleet(both, settings=Settings(other_hosts=True))
    assert names_of(made, "large") == {"acme/large", "host/large"}


def test_an_operators_own_row_and_a_local_server_serve_a_plain_id_beside_the_maker() -> None:
    made = fleet(
        [
            deployment("acme/large", maker=True),
            deployment("mine/large", p_sources=()),
            deployment("box/large", p_local=True),
            deployment("host/large"),
        ]
    )
    assert names_of(made, "large") == {"acme/large", "mine/large", "box/large"}


def test_any_host_serves_a_plain_id_whose_maker_is_unknown_here() -> None:
    made = fleet([deployment("a/open-70b"), deployment("b/open-70b")])
    assert names_of(made, "open-70b") == {"a/open-70b", "b/open-70b"}


def test_an_alias_stands_for_its_model_with_and_without_the_provider() -> None:
    made = fleet([deployment("acme/large-2026", aliases=("large", "latest"))])
    assert names_of(made, "large") == {"acme/large-2026"}
    assert names_of(made, "acme/latest") == {"acme/large-2026"}


@pytest.mark.parametrize("requested", [None, "", "auto"])
def test_no_name_and_auto_stand_for_everything(requested: str | None) -> None:
    made = fleet([deployment("a/x"), deployment("b/y")])
    target = made.resolve(requested)
    assert names_of(made, requested) == {"a/x", "b/y"}
    assert target.router_chose
    assert not target.named


def test_a_call_without_a_name_takes_the_default_model() -> None:
    made = fleet([deployment("a/x"), deployment("b/y")], settings=Settings(default_model="b/y"))
    assert names_of(made, None) == {"b/y"}
    assert not made.resolve(None).router_chose
    assert names_of(made, "auto") == {"a/x", "b/y"}


def test_auto_leaves_out_what_is_unknown_until_the_operator_allows_it() -> None:
    all_four = [
        deployment("known/x"),
        deployment("nowhere/x", p_regions=()),
        deployment("secretive/x", p_data_use=DataUse.UNKNOWN),
        deployment("mine/x", p_regions=(), p_sources=()),
    ]
    assert names_of(fleet(all_four), "auto") == {"known/x", "mine/x"}
    allowed = fleet(all_four, settings=Settings(auto_unknown=True))
    assert len(names_of(allowed, "auto")) == 4


def test_a_route_without_targets_stands_for_everything_that_auto_may_use() -> None:
    made = fleet(
        [deployment("a/x"), deployment("b/y", p_regions=())], [route("any", "round_robin")]
    )
    assert names_of(made, "any") == {"a/x"}
    assert made.resolve("any").strategy == "round_robin"


def test_a_route_keeps_its_order_its_shares_and_its_deadlines() -> None:
    deadlines = Deadlines(connect_s=1.0)
    made = fleet(
        [deployment("a/x"), deployment("b/y"), deployment("c/z")],
        [route("r", "weighted_random", ("c/z", 3.0), "gone/1", ("a/x", 1.0), deadlines=deadlines)],
    )
    target = made.resolve("r")
    assert target.order == (2, 0)
    assert target.shares == {2: 3.0, 0: 1.0}
    assert target.deadlines == deadlines
    assert not target.router_chose


def test_an_unknown_name_is_refused_with_the_nearest_names() -> None:
    made = fleet([deployment("acme/large"), deployment("acme/small")], [route("chat", "speed")])
    with pytest.raises(NotFound) as caught:
        made.resolve("acme/larg")
    assert "acme/large" in caught.value.message
    assert caught.value.param == "model"
    with pytest.raises(NotFound) as caught:
        made.resolve("chaat")
    assert "chat" in caught.value.message
    with pytest.raises(NotFound) as caught:
        made.resolve("x" * 5000)
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("sim-atlas-larg", "sim-atlas-large"),
        ("sim-atlas/sim-atlas-larg", "sim-atlas/sim-atlas-large"),
        ("atlas-large", "sim-atlas-large"),
        ("gtp-9", "gpt-9"),
        ("GPT-9", "gpt-9"),
        ("openai/gtp-9", "openai/gpt-9"),
    ],
)
def test_a_near_name_is_found_among_many_others(asked: str, meant: str) -> None:
    others = [f"sim-comet/sim-comet-flash:fault_{number}" for number in range(400)]
    made = fleet(
        [deployment(name) for name in (*others, "sim-atlas/sim-atlas-large")]
        + [deployment("openai/gpt-9")]
    )
    with pytest.raises(NotFound, match=rf"Did you mean [^?]*{meant}"):
        made.resolve(asked)


def test_a_near_name_that_can_be_asked_is_named_before_one_that_cannot() -> None:
    made = fleet([deployment("acme/large-1", usable=False), deployment("bolt/large-2")])
    with pytest.raises(NotFound) as caught:
        made.resolve("large-3")
    assert "large-2" in caught.value.message
    assert "large-1" not in caught.value.message


def test_a_name_is_looked_up_once_and_unknown_names_are_not_kept() -> None:
    made = fleet([deployment("acme/large")])
    assert made.resolve("acme/large") is made.resolve("acme/large")
    for number in range(3):
        with pytest.raises(NotFound):
            made.resolve(f"nobody-{number}")
    assert len(made.names._targets) == 1


def test_what_cannot_be_asked_is_counted_under_the_first_rule() -> None:
    made = fleet(
        [
            deployment("a/ok"),
            deployment("b/x", operations=("embeddings",)),
            deployment("c/x", p_dialect="klingon"),
            deployment("d/x", enabled=False),
            deployment("e/x", p_enabled=False),
            deployment("f/x", usable=False),
            deployment("g/x", retires="2026-11-20"),
            deployment("h/today", retires="2026-11-21"),
        ]
    )
    target = made.resolve("auto")
    assert set(made.slate(target.ready).ids) == {"a/ok", "h/today"}
    assert dict(target.unready) == {
        "operation": 1,
        "dialect": 1,
        "disabled": 2,
        "credential": 1,
        "retired": 1,
    }
