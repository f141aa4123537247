"""Conditions: what they mean, what they refuse, and that another CEL engine agrees."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import pytest
from governance_world import facts
from hypothesis import given, settings
from hypothesis import strategies as st
from routing_world import deployment

from federation.governance.cel import compiled
from federation.governance.cel_runs import FAULTS, Variable
from federation.governance.conditions import FALSE, FAULT, TRUE, on_call, on_deployment


@pytest.mark.parametrize(
    ("source", "verdict"),
    [
        ("true", TRUE),
        ("!true", FALSE),
        ('tenant == "acme"', TRUE),
        ("tenant == 'Acme'", FALSE),
        ('tags.team == "legal" && tags["site"] != "x"', TRUE),
        ('has(tags.team) && !has(tags.nothing) && "site" in tags', TRUE),
        ('tags.nothing == "x"', FAULT),
        ('tags.nothing == "x" || true', TRUE),
        ('true || tags.nothing == "x"', TRUE),
        ('tags.nothing == "x" && false', FALSE),
        ('tags.nothing == "x" && true', FAULT),
        ('tags.nothing == "x" || false', FAULT),
        ("text_bytes / 0 == 1", FAULT),
        ("text_bytes + 9223372036854775807 > 0", FAULT),
        ("-7 / 2 == -3 && -7 % 2 == -1 && 7 % -2 == 1", TRUE),
        ("1 + 2 * 3 == 7 && (1 + 2) * 3 == 9", TRUE),
        ("text_bytes > 10 ? stream : true", FALSE),
        ('"pii" in data_classes', FALSE),
        ('data_classes.size() == 0 && size(tenant) == 4 && size("é") == 1', TRUE),
        ('tenant.startsWith("ac") && tenant.endsWith("me") && tenant.contains("cm")', TRUE),
        ('operation in ["chat", "embeddings"]', TRUE),
        ("text_bytes in [1, 100]", TRUE),
        ("max_output < 10", FAULT),
        ("team == 'x' || privacy == 'x'", FAULT),
        ("weekday == 6 && hour == 12 && minute == 0", TRUE),
        ("1 < 2 == true", TRUE),
        ("0x10 == 16", TRUE),
        ('"a" + "b" == "ab" && "a\\"\\n" < "b"', TRUE),
    ],
)
def test_a_condition_is_true_false_or_a_fault(source: str, verdict: int) -> None:
    asked = facts(tags={"team": "legal", "site": "berlin"}, text_bytes=100, team="")
    assert on_call(source).verdict(asked) == verdict


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "ends too early"),
        ("1", "is of type int"),
        ("tenant", "is of type string"),
        ("tags", "is of type map"),
        ("text_bytes == '100'", "does not take int and string"),
        ("stream && 1", "does not take bool and int"),
        ("tenent == 'x'", "there is no variable 'tenent'"),
        ("deployment.tier == 'x'", "there is no variable 'deployment"),
        ("tenant.matches('a')", "there is no function 'matches'"),
        ("print(tenant)", "there is no function 'print'"),
        ("tags.size == 1", "does not take string and int"),
        ("tenant.x == 'a'", "'.' does not take string"),
        ("1.5 > 1", "only whole numbers"),
        ("1u == 1", "only whole numbers"),
        ("9223372036854775808 > 1", "too large"),
        ("r'a' == tenant", "only plain strings"),
        ("'''a''' == tenant", "only plain strings"),
        ("'\\u0041' == tenant", "escape"),
        ("null == tenant", "reserved word"),
        ("tenant == 'a' // note", "is not expected here"),
        ("tenant == 'a", "cannot be read"),
        ("(true", "')' is expected here"),
        ("true)", "')' is not expected here"),
        ("[] == []", "is not expected here"),
        ("['a', 1] == tenant", "does not take"),
        ("data_classes.exists(c, c == 'pii')", "there is no function 'exists'"),
        ("(" * 30 + "true" + ")" * 30, "nested more than"),
        ("!" * 300 + "true", "more than 256 parts"),
        ("true || " * 300 + "true", "longer than 2000"),
        ("1+" * 300 + "1 == 1", "more than 256 parts"),
        ("tenant == 'x' \u2014", "cannot be read"),
    ],
)
def test_what_cannot_be_typed_or_read_is_refused_when_it_is_compiled(
    source: str, said: str
) -> None:
    with pytest.raises(ValueError, match=r"^(column \d+: |is )") as caught:
        on_call(source)
    assert said in str(caught.value)


def test_a_condition_on_deployments_knows_their_facts_and_denies_missing_ones() -> None:
    known = deployment("acme/large", p_regions=("eu",), p_certifications=frozenset({"soc2"}))
    unknown = deployment("acme/small", context=None)
    wanted = on_deployment(
        '"eu" in deployment.regions && "soc2" in deployment.certifications '
        '&& deployment.tier == "frontier" && deployment.context >= 8000 && !deployment.local'
    )
    assert wanted.verdict(known) == TRUE
    assert wanted.verdict(unknown) == FALSE
    assert on_deployment("deployment.context >= 8000").verdict(unknown) == FAULT


def test_only_a_boolean_true_admits() -> None:
    odd = {"b": Variable("bool", lambda _facts: 1)}
    with pytest.raises(TypeError):
        compiled("b", odd)(None)


def test_the_longest_condition_runs_within_the_stack() -> None:
    assert on_call(" && ".join(["true"] * 120)).verdict(facts()) == TRUE
    assert on_call("+".join(["1"] * 120) + " == 120").verdict(facts()) == TRUE


@dataclass
class Facts:
    a: int = 0
    b: int = 0
    s: str = ""
    p: bool = False
    m: dict[str, str] = field(default_factory=dict)
    items: tuple[str, ...] = ()


_TYPES = {"a": "int", "b": "int", "s": "string", "p": "bool", "m": "map", "items": "strings"}
_VARIABLES = {name: Variable(kind, attrgetter(name)) for name, kind in _TYPES.items()}


def _of(kind: str, depth: int) -> st.SearchStrategy[str]:
    """Expressions of a type, as text."""
    deeper = depth - 1
    if kind == "int":
        plain = st.sampled_from(["a", "b", "0", "7", "-3", "9223372036854775807"])
        if depth == 0:
            return plain
        signs = st.sampled_from(["+", "-", "*", "/", "%"])
        more = st.builds("({} {} {})".format, _of("int", deeper), signs, _of("int", deeper))
        sizes = st.sampled_from(["size(s)", "items.size()", "m.size()"])
        return plain | more | sizes
    if kind == "string":
        plain = st.sampled_from(["s", '"x"', "'ax'", "m.x", 'm["y"]'])
        return plain if depth == 0 else plain | st.builds("({} + {})".format, plain, plain)
    plain = st.sampled_from(["p", "true", "false", "has(m.x)", '"y" in m', "s in items"])
    if depth == 0:
        return plain
    compare = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
    logic = st.sampled_from(["&&", "||"])
    bools = _of("bool", deeper)
    return st.one_of(
        plain,
        st.builds("{} {} {}".format, _of("int", deeper), compare, _of("int", deeper)),
        st.builds("{} {} {}".format, _of("string", deeper), compare, _of("string", deeper)),
        st.builds("({} {} {})".format, bools, logic, bools),
        st.builds("{} {} {}".format, bools, logic, bools),
        st.builds("!({})".format, bools),
        st.builds("({} ? {} : {})".format, bools, bools, bools),
        st.builds("{} in [1, a, {}]".format, _of("int", deeper), _of("int", 0)),
        st.builds("s.contains({})".format, _of("string", 0)),
    )


def _ours(source: str, given: Facts) -> Any:
    try:
        return compiled(source, _VARIABLES)(given)
    except FAULTS:
        return "fault"


@settings(max_examples=200, deadline=None)
@given(
    _of("bool", 3),
    st.builds(
        Facts,
        a=st.integers(-9, 9),
        b=st.sampled_from([0, 1, -1, 2**62]),
        # The other engine takes the size of a text in bytes; the language says code points.
        s=st.sampled_from(["", "x", "axe", "e"]),
        p=st.booleans(),
        m=st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from(["x", "ax"])),
        items=st.sampled_from([(), ("x",), ("axe", "x")]),
    ),
)
def test_another_engine_of_the_language_says_the_same(source: str, given: Facts) -> None:
    engine = pytest.importorskip("cel", reason="needs the other engine")
    known = {name: getattr(given, name) for name in _TYPES} | {"items": list(given.items)}
    try:
        theirs = engine.compile(source).execute(known)
    except Exception:  # each fault has a class of its own there
        theirs = "fault"
    assert _ours(source, given) == theirs


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="abtenags.()[]\"'&|!<>=?:+-*/%, 019\\", max_size=60))
def test_noise_is_compiled_or_refused_and_nothing_else(source: str) -> None:
    try:
        run = compiled(source, _VARIABLES)
    except ValueError:
        return
    assert _ours(source, Facts()) in (True, False, "fault")
    assert callable(run)
