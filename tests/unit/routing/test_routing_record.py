"""What the record keeps of a decision's candidates, in both forms in which it was written."""

from __future__ import annotations

from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from routing_world import call, deployment, fleet, live, memory, route

from federation.domain.catalogue import Quality
from federation.routing.decide import decide
from federation.schema.records import Candidate, Decision, Features, Ranked

PART = st.sampled_from([0.0, 0.25, 1.0])
PARTS = ("score", "quality", "speed", "cost", "reliability")


def rows_again(decision: Decision) -> tuple[Candidate, ...]:
    line = msgspec.json.encode(decision)
    again = msgspec.json.decode(line, type=Decision)
    assert again == decision
    return again.candidates


@settings(deadline=None)
@given(st.integers(1, 16), st.data())
def test_a_column_goes_on_with_its_last_value(count: int, data: st.DataObject) -> None:
    names = [f"p{n}/m" for n in range(count)]
    short = {
        name: data.draw(st.lists(PART, min_size=1, max_size=count))
        for name in (*PARTS, "probability")
    }
    found = Ranked(names, **short).rows()
    assert [row.deployment for row in found] == names
    for name, column in short.items():
        whole = column + column[-1:] * (count - len(column))
        assert [getattr(row, name) for row in found] == whole


def test_candidates_of_lines_that_were_written_row_by_row_are_read() -> None:
    line = b"""{"requested":"auto","strategy":"speed","snapshot":3,"features":{},"candidates":[
        {"deployment":"a/x","score":0.5,"probability":1.0},{"deployment":"b/y","score":0.25}],
        "eligible":2}"""
    found = msgspec.json.decode(line, type=Decision)
    assert found.candidates == (
        Candidate("a/x", 0.5, probability=1.0),
        Candidate("b/y", 0.25),
    )
    assert rows_again(found) == found.candidates
    assert Decision("auto", "speed", 3, Features()).candidates == ()


@pytest.mark.parametrize("requested", ["auto", "r", "p3/m"])
def test_the_record_of_a_decision_survives_the_journal(requested: str) -> None:
    each = [deployment(f"p{n}/m", quality={"default": Quality(n / 40, 0.05)}) for n in range(30)]
    made = fleet(each, [route("r", "priority", "p2/m", "p1/m")])
    verdict = decide(made, live(made), call(requested), Random(1), memory())
    found = rows_again(verdict.decision)
    assert [row.deployment for row in found] == [made.ids[i] for i in verdict.order[:16]]
    assert [row.probability for row in found] == [1.0, *[0.0] * (len(found) - 1)]
    if requested == "auto":
        scores = [row.score for row in found]
        assert scores == sorted(scores, reverse=True)
        assert len({row.quality for row in found}) == 16
        assert {row.reliability for row in found} == {1.0}
    else:
        assert {row.score for row in found} == {0.0}


def test_the_odds_of_a_drawn_order_are_on_record() -> None:
    made = fleet(
        [deployment(f"p{n}/m") for n in range(4)],
        [route("r", "weighted_random", *[f"p{n}/m" for n in range(4)])],
    )
    verdict = decide(made, live(made), call("r"), Random(1), memory())
    assert [row.probability for row in rows_again(verdict.decision)] == [0.25] * 4


def test_a_line_with_sixteen_candidates_is_short() -> None:
    each = [
        deployment(f"provider-{n}/a-model-{n}", quality={"default": Quality(n / 40, 0.05)})
        for n in range(30)
    ]
    made = fleet(each)
    verdict = decide(made, live(made), call("auto"), Random(1), memory())
    columns = msgspec.json.encode(verdict.decision)
    rows = msgspec.json.encode(
        msgspec.structs.replace(verdict.decision, listed=verdict.decision.candidates, ranked=None)
    )
    assert len(columns) < 0.6 * len(rows)
