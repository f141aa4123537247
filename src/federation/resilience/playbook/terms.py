"""The playbook's small language: comparisons for guards, invariants and budgets, and effects.

Conjunctions only, each of one variable with one constant: that is what lets `checking`
prove that guards neither overlap nor leave a gap, by looking at finitely many points.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

Value: TypeAlias = float | bool
"""A count and a timer are floats: they are compared, and never looked at digit by digit."""
Values: TypeAlias = Mapping[str, Value]

COMPARE: Final[dict[str, Callable[[Value, Value], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_NAME = r"[a-z][a-z0-9_]{0,63}"
_OPERAND = rf"({_NAME}|\d{{1,9}}(?:\.\d{{1,9}})?)"
_COMPARISON: Final = re.compile(rf"({_NAME}) (==|!=|<=|>=|<|>) {_OPERAND}", re.ASCII)
_EFFECT: Final = re.compile(rf"({_NAME}) (=|\+=|-=) {_OPERAND}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`left` is a variable, `right` a value or the name of a limit or budget."""

    left: str
    op: str
    right: str | Value

    def holds(self, values: Values, constants: Values) -> bool:
        """Whether it is true of these values."""
        return COMPARE[self.op](values[self.left], constant(self.right, constants))

    def __str__(self) -> str:
        return f"{self.left} {self.op} {_shown(self.right)}"


@dataclass(frozen=True, slots=True)
class Effect:
    """`name` becomes `value`, or grows or shrinks by it."""

    name: str
    op: str
    value: str | Value

    def __str__(self) -> str:
        return f"{self.name} {self.op} {_shown(self.value)}"


def constant(written: str | Value, constants: Values) -> Value:
    """What stands on the right of a comparison or effect."""
    return constants[written] if isinstance(written, str) else written


def comparison(text: str) -> Comparison | None:
    """Read `name op value`; None where it is none."""
    found = _COMPARISON.fullmatch(text)
    return None if found is None else Comparison(found[1], found[2], _operand(found[3]))


def effect(text: str) -> Effect | None:
    """Read `name = value`, `name += value`, `name -= value`; None where it is none."""
    found = _EFFECT.fullmatch(text)
    return None if found is None else Effect(found[1], found[2], _operand(found[3]))


def value(text: str) -> Value | None:
    """A number or flag as written; None where it is neither."""
    read = _operand(text)
    return None if isinstance(read, str) else read


def _operand(text: str) -> str | Value:
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text)
    except ValueError:
        return text


def _shown(written: str | Value) -> str:
    if isinstance(written, bool):
        return "true" if written else "false"
    return written if isinstance(written, str) else f"{written:g}"
