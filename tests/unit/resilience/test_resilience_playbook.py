"""The shipped playbook holds, and whatever an author gets wrong is found with its line."""

from __future__ import annotations

import pytest
from playbooks import SMALL, changed, judged, shipped

from federation.resilience import circuit, recovery
from federation.resilience.playbook.model import Playbook
from federation.resilience.playbook.reading import read

STATES = {
    *("initializing", "ready", "routing", "inferring", "streaming", "retrying", "completed"),
    *("circuit_open", "circuit_half_open", "degraded", "failed"),
}
EVENTS = {
    *("model_registered", "health_monitoring_started", "inference_requested", "node_selected"),
    *("no_nodes_available", "inference_started", "stream_started", "inference_complete"),
    *("stream_complete", "response_sent", "node_error", "retry_initiated", "retry_limit"),
    *("failure_threshold_exceeded", "reset_timeout_elapsed", "probe_succeeded", "probe_failed"),
    *("health_check_degraded", "all_nodes_healthy", "error_acknowledged"),
}


def kinds(text: str) -> list[tuple[str, str]]:
    """(kind, problem) of everything that is wrong."""
    return [(kind, str(problem)) for kind, problem in judged(text)[1]]


def only(text: str) -> tuple[str, str]:
    found = kinds(text)
    assert len(found) == 1, found
    return found[0]


def test_the_shipped_playbook_has_the_states_events_ways_and_budgets_of_the_specification() -> None:
    playbook = shipped()
    assert set(playbook.states) == STATES
    assert set(playbook.events) == EVENTS
    assert set(playbook.forbidden) == {
        ("initializing", "inferring"),
        ("circuit_open", "inferring"),
        ("streaming", "routing"),
        ("failed", "inferring"),
    }
    assert playbook.budgets == {
        "routing_s": 0.01,
        "backoff_s": 1.0,
        "call_s": 30.0,
        "success": 0.99,
    }
    assert set(playbook.events["failure_threshold_exceeded"].states) == STATES
    assert all(state.invariants for state in playbook.states.values())


def test_its_limits_are_those_that_the_gateway_decides_by() -> None:
    limits = shipped().limits
    assert limits["retries"] == recovery.RETRIES
    assert limits["open_s"] == circuit.OPEN_S
    assert limits["probe_limit_s"] == circuit.PROBE_S
    # A call that keeps to its budget is over before its circuit lets a probe pass: so what is
    # late can only come to an open circuit.
    assert shipped().budgets["call_s"] <= limits["open_s"]


def test_a_small_playbook_holds() -> None:
    assert kinds(SMALL) == []


def test_a_state_that_nothing_leads_to_is_an_orphan() -> None:
    text = SMALL + "  lost:\n    on:\n      go:\n        - {to: idle}\n"
    text = text.replace("go: {in: [idle]}", "go: {in: [idle, lost]}")
    assert only(text) == ("orphan", "p.yaml:15: nothing leads from 'idle' to 'lost'")


def test_a_state_that_leads_nowhere_is_a_dead_end() -> None:
    text = SMALL.replace("- {to: idle}", "- {to: busy}").replace("[busy -> busy]", "[]")
    assert only(text) == ("dead_end", "p.yaml:11: no event leads out of 'busy'")


def test_a_group_of_states_that_is_never_left_is_a_dead_end() -> None:
    text = """\
initial: a
events: {x: {in: [a, b, c]}, y: {in: [a]}, z: {in: [d, e, f]}}
states:
  a: {on: {x: [{to: b}], y: [{to: d}]}}
  b: {on: {x: [{to: c}]}}
  c: {on: {x: [{to: b}]}}
  d: {on: {z: [{to: e}]}}
  e: {on: {z: [{to: f}]}}
  f: {on: {z: [{to: d}]}}
"""
    assert kinds(text) == [
        ("dead_end", "p.yaml:5: 'b' leads nowhere but to b, c"),
        ("dead_end", "p.yaml:6: 'c' leads nowhere but to b, c"),
    ]


def test_two_answers_to_one_event_are_ambiguous() -> None:
    text = changed(
        "when: [tries > retries], do: [hand_over]", "when: [tries >= retries], do: [hand_over]"
    )
    kind, said = only(text)
    assert kind == "ambiguous"
    assert "'retry_initiated' in 'retrying' has 2 answers where in_state_s is 0" in said
    assert "tries is 2" in said


def test_a_gap_between_guards_is_a_missing_transition() -> None:
    kind, said = only(changed("when: [in_state_s < open_s]", "when: [in_state_s < 29]"))
    assert (kind, said.split(": ")[1]) == (
        "missing",
        "'reset_timeout_elapsed' in 'circuit_open' has no answer where in_state_s is 29",
    )
    kind, said = only(
        changed(
            "[paced == true, tries <= retries, in_state_s > patience_s]",
            "[paced == true, tries <= retries, in_state_s > 6]",
        )
    )
    assert kind == "missing"
    assert "has no answer where in_state_s is 5.5, paced is true, tries is 1" in said


def test_an_event_that_can_happen_and_is_not_answered_is_a_missing_transition() -> None:
    kind, said = only(SMALL.replace("in: [idle]", "in: [idle, busy]"))
    assert (kind, said) == (
        "missing",
        "p.yaml:11: 'go' can happen in 'busy' and has no answer there",
    )


def test_an_answer_to_what_cannot_happen_is_found() -> None:
    text = SMALL.replace("in: [idle]", "in: []")
    assert ("unexpected", "p.yaml:9: 'go' is not said to happen in 'idle'") in kinds(text)


def test_a_forbidden_way_is_found_where_it_is_taken() -> None:
    kind, said = only(SMALL.replace("busy -> busy", "busy -> idle"))
    assert (kind, said) == (
        "forbidden",
        "p.yaml:14: leads from 'busy' to 'idle', which is forbidden",
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("initial: idle", "initial: idel", "1: there is no state 'idel': did you mean 'idle'?"),
        ("{to: busy}", "{to: bussy}", "10: there is no state 'bussy': did you mean 'busy'?"),
        ("      stop:", "      stpo:", "13: there is no event 'stpo': did you mean 'stop'?"),
        ("go: {in: [idle]}", "go: {in: [idle, ill]}", "3: there is no state 'ill'"),
        ("[busy -> busy]", "[busy -> bsuy]", "5: there is no state 'bsuy': did you mean 'busy'?"),
        ("{to: busy}", "{to: busy, do: [x]}", "10: there is no action 'x'"),
        ("{to: busy}", "{to: busy, when: [x == 1]}", "10: there is no variable 'x'"),
        ("{to: busy}", "{to: busy, set: [x = 1]}", "10: there is no variable 'x'"),
        (
            "{to: busy}",
            "{to: busy, when: [in_state_s > lmit]}",
            "10: there is no limit or budget 'lmit'",
        ),
    ],
)
def test_a_name_that_is_not_defined_is_found_with_the_nearest(
    old: str, new: str, said: str
) -> None:
    found = kinds(SMALL.replace(old, new, 1))
    assert ("unknown", f"p.yaml:{said}") in found


@pytest.mark.parametrize(
    ("variable", "part", "said"),
    [
        ("flag", "when: [v > 1]", "'v' is a flag: 'v > 1' compares unlike things"),
        ("flag", "when: [v >= true]", "'v' is a flag: only == and != compare it"),
        ("count", "when: [v == true]", "'v' is a count: 'v == true' compares unlike things"),
        ("timer", "set: [v = 3]", "'v' is a timer: it can only be set to 0"),
        ("flag", "set: [v += 1]", "'v += 1' does not fit a flag"),
        ("count", "set: [v = true]", "'v = true' does not fit a count"),
    ],
)
def test_what_does_not_fit_a_kind_is_found(variable: str, part: str, said: str) -> None:
    text = SMALL.replace("{to: busy}", "{to: busy, " + part + "}")
    found = kinds(text + f"variables: {{v: {variable}}}\n")
    assert ("form", f"p.yaml:10: {said}") in found


def test_what_stands_twice_is_found() -> None:
    again = SMALL.replace("        - {to: idle}\n", "        - {to: idle}\n        - {to: idle}\n")
    assert only(again)[0] == "duplicate"
    assert (
        "the key 'go' was already given in line 3"
        in only(SMALL.replace("  stop: {in", "  go: {in: [busy]}\n  stop: {in"))[1]
    )
    assert only(SMALL.replace("in: [idle]", "in: [idle, idle]")) == (
        "duplicate",
        "p.yaml:3: 'idle' stands here twice",
    )
    twice = "limits: {n: 1}\nvariables: {n: count}\n"
    assert ("duplicate", "p.yaml:16: 'n' is already defined in limits") in kinds(SMALL + twice)
    pairs = SMALL.replace("[busy -> busy]", "[busy -> busy, busy -> busy]")
    assert only(pairs) == ("duplicate", "p.yaml:5: busy -> busy stands here twice")


def test_what_nobody_uses_is_found() -> None:
    text = SMALL + "actions: {a: Nothing.}\nvariables: {v: flag}\nlimits: {n: 1}\n"
    assert [kind for kind, _ in kinds(text)] == ["unused"] * 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a",
        "5",
        "states: 5",
        "states: {a: 5}",
        "states: {a: {on: 5}}",
        "states: {a: {on: {x: {}}}}",
        "states: {a: {on: {x: [5]}}}",
        "states: {a: {invariants: [true]}}",
        "states: {a: {invariants: [a === b]}}",
        "events: {a: 5}",
        "events: {a: {in: 5}}",
        "events: {a: {in: [], with: {x: timer}}}",
        "limits: {a: -1}",
        "limits: {a: true}",
        "budgets: {a: no}",
        "forbidden: [a]",
        "colour: red",
        "scenarios: {a: {steps: [{expect: {outcome: fine}}]}}",
        "scenarios: {a: {steps: [{calls: 5000}]}}",
        "scenarios: {a: {steps: [{stream: 3}]}}",
        "tours: {a: [x]}",
        "tours: {a: ['x y -> z']}",
        "rates: [{calls: x}]",
        "initial: [a]",
    ],
)
def test_what_has_no_form_is_a_finding_and_never_an_exception(text: str) -> None:
    assert kinds(text)


def test_whatever_was_parsed_is_read_without_an_exception() -> None:
    values: list[object] = [
        None,
        [],
        {},
        {"states": {"a": {"on": {"e": [{"to": []}]}}}},
        {1: 2},
        "x",
    ]
    for value in values:
        playbook, findings = read(value)
        assert playbook is None or isinstance(playbook, Playbook)
        assert findings


def test_a_tour_that_does_not_come_out_is_found_with_its_line() -> None:
    text = changed(
        "    - inference_complete +29.99 -> completed do=note_success",
        "    - inference_complete +29.99 -> failed do=note_success",
    )
    kind, said = only(text)
    assert kind == "tour"
    assert said.endswith(
        "whole_answer: 'inference_complete' in 'inferring' leads to 'completed', not 'failed'"
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("do=begin_attempt over=routing_s", "do=begin_attempt", "overdraws routing_s, not nothing"),
        (
            "stream_started +30.1 -> streaming do=forward",
            "stream_started +30.1 -> streaming",
            "does forward, not nothing",
        ),
        (
            "{calls: 100, failed: 2, within: false}",
            "{calls: 100, failed: 2, within: true}",
            "is not within",
        ),
    ],
)
def test_what_a_tour_expects_in_vain_is_said(old: str, new: str, said: str) -> None:
    assert said in only(changed(old, new))[1]


def test_too_many_things_in_one_guard_are_refused_rather_than_counted_for_ever() -> None:
    names = [f"v{n}" for n in range(20)]
    when = ", ".join(f"{name} == true" for name in names)
    text = SMALL.replace("{to: busy}", "{to: busy, when: [" + when + "]}")
    found = kinds(text + "variables: {" + ", ".join(f"{name}: flag" for name in names) + "}\n")
    assert found == [("form", "p.yaml:9: the guards of 'go' ask about too many things")]
