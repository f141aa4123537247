"""What a gateway is seen to do is held against the playbook: right is silent, wrong is named."""

from __future__ import annotations

import pytest
from playbooks import shipped

from federation.resilience.playbook.model import Expectation, Station, Turn
from federation.resilience.playbook.observing import Attempt, Observed, Watch
from federation.resilience.playbook.stepping import Chart

CHART = Chart(shipped())
ONE, TWO = Station("one", "p/one", regions=("eu",)), Station("two", "p/two", regions=("us",))
TURN = Turn(Expectation("answered"))
STREAM = Turn(Expectation("answered"), stream=True)
NOBODY: frozenset[str] = frozenset()


def watch() -> Watch:
    return Watch(CHART, (ONE, TWO), 0.0)


def seen(*attempts: tuple[str, str], at: float = 100.0, outcome: str = "answered") -> Observed:
    """A call whose attempts (deployment, error) took 0.1 s each, 0.05 s apart."""
    rows = tuple(
        Attempt(f"p/{name}", at + 0.15 * place, at + 0.15 * place + 0.1, error)
        for place, (name, error) in enumerate(attempts)
    )
    by = rows[-1].deployment if rows and not rows[-1].error else ""
    return Observed(outcome, by, at, at + 0.15 * len(rows), rows)


def opened() -> Watch:
    """After a call whose failure opened the circuit of the first deployment."""
    found = watch()
    found.call(TURN, seen(("one", "upstream_failed"), ("two", "")), frozenset({"p/one"}))
    assert found.wrong == []
    assert found.states() == {"p/one": "circuit_open", "p/two": "ready"}
    return found


def test_an_answer_a_stream_a_retry_and_a_fallback_conform() -> None:
    found = watch()
    found.call(TURN, seen(("one", "")), NOBODY)
    found.call(STREAM, seen(("one", ""), at=200), NOBODY)
    failed = ("one", "upstream_failed")
    found.call(TURN, seen(failed, ("one", ""), at=300), NOBODY)
    found.call(TURN, seen(failed, failed, ("two", ""), at=400), NOBODY)
    found.call(TURN, seen(failed, failed, ("two", "x"), at=500, outcome="failed"), NOBODY)
    assert found.wrong == []
    assert found.states() == {"p/one": "ready", "p/two": "ready"}


def test_a_stream_that_broke_conforms_where_nobody_else_was_asked() -> None:
    found = watch()
    found.call(STREAM, seen(("one", "upstream_stream_cut"), outcome="broken"), NOBODY)
    assert (found.wrong, found.states()["p/one"]) == ([], "ready")


def test_a_refusal_conforms_when_nobody_was_asked() -> None:
    found = watch()
    found.call(Turn(Expectation("refused"), regions=("cn",)), seen(outcome="refused"), NOBODY)
    assert (found.wrong, found.states()) == ([], {"p/one": "ready", "p/two": "ready"})


def test_a_circuit_that_opens_is_passed_over_probed_and_opened_again() -> None:
    found = opened()
    down = frozenset({"p/one"})
    found.call(TURN, seen(("two", ""), at=110), down)
    found.look(131.0, NOBODY)
    assert found.states()["p/one"] == "circuit_half_open"
    found.call(TURN, seen(("one", "upstream_failed"), ("two", ""), at=132), down)
    assert (found.wrong, found.states()["p/one"]) == ([], "circuit_open")


def test_three_good_probes_close_the_circuit() -> None:
    found = opened()
    found.look(131.0, NOBODY)
    for at in (132, 133, 134):
        found.call(TURN, seen(("one", ""), at=at), NOBODY)
    assert (found.wrong, found.states()["p/one"]) == ([], "ready")


def test_a_deployment_that_rests_as_it_was_told_has_no_open_circuit() -> None:
    found = watch()
    down = frozenset({"p/one"})
    found.call(TURN, seen(("one", "upstream_credential_refused"), ("two", "")), down)
    found.call(TURN, seen(("two", ""), at=110), down)
    assert (found.wrong, found.states()["p/one"]) == ([], "ready")


def test_if_all_are_open_the_least_doubtful_may_be_tried() -> None:
    found, down = opened(), frozenset({"p/one", "p/two"})
    found.call(TURN, seen(("two", "upstream_failed"), at=110, outcome="failed"), down)
    found.call(TURN, seen(("one", ""), at=111), down)
    assert found.wrong == []
    assert set(found.states().values()) == {"circuit_open"}


@pytest.mark.parametrize("times", [3, 4])
def test_more_tries_than_allowed_are_found(times: int) -> None:
    found = watch()
    found.call(TURN, seen(*[("one", "upstream_failed")] * times, ("one", "")), NOBODY)
    assert found.wrong


def test_a_wait_that_is_longer_than_the_backoff_is_found() -> None:
    found = watch()
    first = Attempt("p/one", 100.0, 100.1, "upstream_failed")
    late = Attempt("p/one", 102.0, 102.1, "")
    found.call(TURN, Observed("answered", "p/one", 100.0, 102.1, (first, late)), NOBODY)
    assert "p/one: 'node_selected' has no answer in 'failed'" in found.wrong


def test_the_same_wait_conforms_where_the_provider_asked_for_it() -> None:
    found = watch()
    first = Attempt("p/one", 100.0, 100.1, "paced")
    late = Attempt("p/one", 102.1, 102.2, "")
    found.call(TURN, Observed("answered", "p/one", 100.0, 102.2, (first, late)), NOBODY)
    assert found.wrong == []


def test_a_deployment_that_is_asked_while_its_circuit_is_open_is_found() -> None:
    found = opened()
    found.call(TURN, seen(("one", ""), at=105), frozenset({"p/one"}))
    assert found.wrong == ["p/one was asked though others were left or a probe is out"]


def test_a_second_try_of_a_failed_probe_is_found() -> None:
    found = opened()
    found.look(131.0, NOBODY)
    failed = ("one", "upstream_failed")
    found.call(TURN, seen(failed, failed, ("two", ""), at=132), frozenset({"p/one"}))
    assert found.wrong == ["p/one was asked again though its circuit is not closed"]


def test_one_that_is_passed_over_or_kept_away_without_a_reason_is_found() -> None:
    found = watch()
    found.call(TURN, seen(("two", "")), NOBODY)
    assert found.wrong == ["p/one was passed over without a reason"]
    found = watch()
    found.call(TURN, seen(("one", "")), frozenset({"p/one"}))
    assert found.wrong == ["p/one is kept away without a failure"]


def test_one_that_must_not_be_asked_or_is_not_of_the_route_is_found() -> None:
    found = watch()
    found.call(Turn(Expectation("answered"), regions=("eu",)), seen(("two", "")), NOBODY)
    assert "p/two was asked and must not be" in found.wrong
    found = watch()
    found.call(TURN, seen(("one", "x"), ("three", "")), NOBODY)
    assert "a deployment was asked that the route does not have" in found.wrong


def test_a_circuit_that_closes_too_early_or_stays_too_long_is_found() -> None:
    found = opened()
    found.look(110.0, NOBODY)
    assert found.wrong == ["p/one is let in again before its time"]
    found = opened()
    found.look(140.0, frozenset({"p/one"}))
    assert found.wrong == ["p/one is still kept away after its time"]


def test_an_overdrawn_budget_is_noted_and_no_deviation() -> None:
    found = watch()
    slow = Attempt("p/one", 100.5, 100.6, "")
    found.call(TURN, Observed("answered", "p/one", 100.0, 100.6, (slow,)), NOBODY)
    assert found.wrong == []
    assert found.notes == ["p/one: over in_state_s <= routing_s at 'node_selected' in 'routing'"]
