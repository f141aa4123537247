"""The machine walks, and agrees with the code that decides: scenarios, random events, mutants."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playbooks import changed, judged, shipped

from federation.resilience.playbook.judging import JUDGES, judge
from federation.resilience.playbook.model import FLAG, Playbook, Scenario
from federation.resilience.playbook.mutations import CLASSES, mutants
from federation.resilience.playbook.scenarios import Report, run
from federation.resilience.playbook.stepping import Chart, Machine
from federation.resilience.playbook.touring import enough, walk_all
from federation.resilience.playbook.walking import differs, walk

CHART = Chart(shipped())
EVENTS = list(shipped().events.values())
PAUSES = st.one_of(
    st.sampled_from([0.0, 0.01, 1.0, 5.0, 29.999999, 30.0, 30.000001]), st.floats(0, 3600)
)


def scenario(name: str) -> Scenario:
    return next(each for each in shipped().scenarios if each.name == name)


def run_all(chart: Chart) -> list[Report]:
    return [run(chart, each) for each in chart.playbook.scenarios]


def other(old: str, new: str) -> Playbook:
    playbook = judged(changed(old, new))[0]
    assert playbook is not None
    return playbook


@pytest.mark.parametrize("name", [each.name for each in shipped().scenarios])
def test_each_scenario_comes_out_on_the_virtual_clock_whatever_the_jitter(name: str) -> None:
    for seed in range(5):
        report = run(CHART, scenario(name), seed)
        assert report.wrong == []
        assert report.calls


def test_there_are_the_six_scenarios_of_the_specification() -> None:
    assert [each.name for each in shipped().scenarios] == [
        *("happy_path", "retry", "circuit_trip"),
        *("multi_region", "privacy", "graceful_degradation"),
    ]


def test_scenarios_and_tours_together_take_every_transition() -> None:
    taken = {each for report in run_all(CHART) for each in report.taken}
    assert list(walk_all(CHART)) == []
    for tour in shipped().tours:
        machine, now_s = Machine(CHART), 0.0
        for stop in tour.stops:
            now_s += stop.after_s
            known = shipped().events[stop.event].facts
            facts = {name: stop.facts.get(name, False) for name in known}
            step = machine.step(stop.event, now_s, facts)
            assert step is not None
            taken.add(step.transition)
    assert set(shipped().transitions) - taken == set()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_happens_whenever_every_event_has_one_answer_and_no_invariant_breaks(
    data: st.DataObject,
) -> None:
    machine, now_s = Machine(CHART), 0.0
    for _ in range(data.draw(st.integers(1, 60))):
        possible = [event for event in EVENTS if machine.state in event.states]
        event = data.draw(st.sampled_from(possible))
        facts = {
            name: data.draw(st.booleans()) if kind == FLAG else 0.0
            for name, kind in event.facts.items()
        }
        now_s += data.draw(PAUSES)
        before = machine.state
        step = machine.step(event.name, now_s, facts)
        assert step is not None
        assert not step.ambiguous
        assert step.broken == ()
        assert (before, machine.state) not in shipped().forbidden


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_random_walks_of_any_seed_break_nothing_and_are_repeatable(seed: int) -> None:
    assert walk(CHART, seed, 200) is None
    assert not differs(CHART, Chart(shipped()), seed, 200)


def test_an_event_without_an_answer_leaves_the_machine_as_it_was() -> None:
    machine = Machine(CHART)
    before = machine.values(1.0)
    assert machine.step("stream_complete", 1.0) is None
    assert machine.step("no_such_event", 1.0) is None
    assert (machine.state, machine.values(1.0)) == ("initializing", before)


def test_timers_keep_whole_microseconds_and_miss_no_limit_by_a_hair() -> None:
    machine, now_s = Machine(CHART), 0.1
    machine.step("model_registered", now_s)
    machine.step("failure_threshold_exceeded", now_s)
    for _ in range(300):
        now_s += 0.1
    assert now_s - 0.1 != 30.0
    step = machine.step("reset_timeout_elapsed", now_s)
    assert step is not None
    assert machine.state == "circuit_half_open"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        # A state that the circuit does not share.
        (
            "  open_s: 30            # how",
            "  open_s: 15            # how",
            "is in 'circuit_half_open' while its circuit is open",
        ),
        # An action that is not done leaves its work undone.
        (
            "        - {to: inferring, do: [start_deadlines]}",
            "        - {to: inferring}",
            "has not settled its part in the call",
        ),
        (
            "          do: [begin_probe]\n          set: [probing = true, since_probe_s = 0]",
            "          do: [pass_over]\n          set: [probing = true, since_probe_s = 0]",
            "step 4: ",
        ),
        # What follows from the recovery table must be allowed.
        (
            "  retries: 2            # further",
            "  retries: 1            # further",
            "in place of answered by sound in 6 attempts",
        ),
    ],
)
def test_a_machine_that_disagrees_with_the_deciding_code_is_found_out(
    old: str, new: str, said: str
) -> None:
    reports = run_all(Chart(other(old, new)))
    assert any(said in wrong for report in reports for wrong in report.wrong), [
        report.wrong for report in reports
    ]


def test_a_caller_that_sees_something_else_than_promised_fails_the_scenario() -> None:
    turns = scenario("happy_path").turns
    wrong = replace(turns[0], expect=replace(turns[0].expect, attempts=2))
    report = run(CHART, replace(scenario("happy_path"), turns=(wrong, *turns[1:])))
    assert report.wrong == [
        "step 1: answered by one in 1 attempt in place of answered by one in 2 attempts"
    ]
    assert len(report.calls) == 1


def test_an_action_that_the_world_cannot_do_is_a_deviation_and_no_exception() -> None:
    playbook = shipped()
    renamed = tuple(
        replace(each, do=("unheard_of",)) if each.do == ("list_model",) else each
        for each in playbook.transitions
    )
    report = run(Chart(replace(playbook, transitions=renamed)), scenario("happy_path"))
    assert "does 'unheard_of', which this world does not know" in report.wrong[0]


@pytest.mark.parametrize(
    ("calls", "failed", "fits"),
    [(0, 0, True), (1, 0, True), (1, 1, False), (99, 1, False), (100, 1, True), (1000, 11, False)],
)
def test_the_budget_of_successes_is_a_share_of_calls(calls: int, failed: int, fits: bool) -> None:
    assert enough(shipped(), calls, failed) is fits


def test_at_least_95_percent_of_all_mutants_of_every_class_are_noticed() -> None:
    made = mutants(shipped())
    verdicts = [judge(each, CHART) for each in made]
    for kind in CLASSES:
        mine = [verdict for verdict in verdicts if verdict.mutant.kind == kind]
        assert len(mine) >= 50
        assert sum(verdict.killed for verdict in mine) >= 0.95 * len(mine)
    unexplained = [v.mutant.about for v in verdicts if not v.killed and not v.alike]
    assert unexplained == []


def test_the_mutants_are_every_small_mistake_and_none_is_the_original() -> None:
    playbook = shipped()
    made = mutants(playbook)
    transitions, states = len(playbook.transitions), len(playbook.states)
    assert sum(each.kind == "M1" for each in made) == transitions
    assert sum(each.kind == "M2" for each in made) == transitions * (states - 1)
    assert all(each.playbook != playbook for each in made)
    assert len({each.about for each in made}) == len(made)
    assert all(each.path for each in made)


def test_validator_walks_and_scenarios_notice_most_mutants_without_the_tours() -> None:
    """Tours could be written off the machine itself; the other judges know nothing of it."""
    sample = mutants(shipped())[::46]
    without = [judge(each, CHART, [name for name in JUDGES if name != "tours"]) for each in sample]
    assert sum(verdict.killed for verdict in without) >= 0.6 * len(sample)


def test_a_mutant_that_no_walk_tells_apart_is_called_alike() -> None:
    same = next(each for each in mutants(shipped()) if each.kind == "M1")
    verdict = judge(replace(same, playbook=shipped()), CHART)
    assert (verdict.killed, verdict.alike) == (False, True)
