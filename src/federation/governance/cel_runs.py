"""The steps that a condition runs in: closures over the facts, one for each node.

A step may raise one of `FAULTS`, and nothing else. The trap: `&&` and `||` are commutative in
CEL. `true || fault` and `fault || true` are both true, so the right side is tried after a
failed left one.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

BOOL, INT, STRING, STRINGS, INTS, MAP = "bool", "int", "string", "strings", "ints", "map"

Run: TypeAlias = Callable[[Any], Any]
"""From the object that holds the facts to a value."""
FAULTS: Final = (ArithmeticError, LookupError, TypeError, AttributeError)
"""A missing key, an overflow, an unknown fact, a fact that is not there."""

_LEAST, _MOST = -(2**63), 2**63 - 1
_PYTHON_TYPE: Final[dict[str, type]] = {BOOL: bool, INT: int, STRING: str, MAP: dict}


@dataclass(frozen=True, slots=True)
class Variable:
    """A fact that conditions may name: its type, and how it is read."""

    type: str
    read: Run


def constant(value: Any) -> Run:
    """The same for all facts."""
    return lambda _facts: value


def checked(variable: Variable) -> Run:
    """Reads a fact; one of another type than declared, as an unknown one is, is a `TypeError`."""
    read, wanted = variable.read, _PYTHON_TYPE.get(variable.type)

    def reading(facts: Any) -> Any:
        value = read(facts)
        if value.__class__ is wanted or (wanted is None and _is_listed(value)):
            return value
        raise TypeError("an unknown fact")

    return reading


def _is_listed(value: Any) -> bool:
    return isinstance(value, tuple | frozenset)


def infix(work: Callable[[Any, Any], Any], left: Run, right: Run) -> Run:
    """A sign between two parts."""
    return lambda facts: work(left(facts), right(facts))


def prefix(work: Callable[[Any], Any], part: Run) -> Run:
    """A sign or function before one part."""
    return lambda facts: work(part(facts))


def picked(part: Run, name: str) -> Run:
    """A map's value under a name."""
    return lambda facts: part(facts)[name]


def listing(runs: tuple[Run, ...]) -> Run:
    """A list of parts."""
    return lambda facts: tuple([run(facts) for run in runs])


def chosen(test: Run, yes: Run, no: Run) -> Run:
    """The one or the other."""
    return lambda facts: yes(facts) if test(facts) else no(facts)


def either(left: Run, right: Run) -> Run:
    """`||`: true if either side is, whatever the other does."""

    def running(facts: Any) -> bool:
        try:
            if left(facts):
                return True
        except FAULTS:
            if right(facts):
                return True
            raise
        return bool(right(facts))

    return running


def both(left: Run, right: Run) -> Run:
    """`&&`: false if either side is, whatever the other does."""

    def running(facts: Any) -> bool:
        try:
            if not left(facts):
                return False
        except FAULTS:
            if not right(facts):
                return False
            raise
        return bool(right(facts))

    return running


def is_in(item: Any, among: Any) -> bool:
    """`in`, for lists and keys of maps."""
    return item in among


def item(of: Any, key: Any) -> Any:
    """`[]`: a map's value."""
    return of[key]


def bounded(work: Callable[[int, int], int]) -> Callable[[int, int], int]:
    """Arithmetic that faults beyond 64 bits."""
    return lambda left, right: _int64(work(left, right))


def _int64(value: int) -> int:
    if not _LEAST <= value <= _MOST:
        raise OverflowError("beyond 64 bits")
    return value


def negative(value: int) -> int:
    """`-`."""
    return _int64(-value)


def _quotient(left: int, right: int) -> int:
    """Towards zero, as CEL has it; Python rounds down."""
    whole = abs(left) // abs(right)
    return whole if (left < 0) == (right < 0) else -whole


def _remainder(left: int, right: int) -> int:
    return left - right * _quotient(left, right)


COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
WORK: Final[dict[str, Callable[[int, int], int]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _quotient,
    "%": _remainder,
}
METHODS: Final[dict[str, Callable[[str, str], bool]]] = {
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "contains": operator.contains,
}
