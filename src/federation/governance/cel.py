"""Conditions in CEL: a typed subset, parsed and checked once, then run as closures.

A condition is an expression of type `bool`; anything else is refused when it is compiled,
with its place. There are no loops, no host functions and no regular expressions, so a run
costs at most one step for each node, and nodes are counted. What can still fail in a run (a
missing key, an overflow, an unknown fact) raises one of `cel_runs.FAULTS`: who asks must deny.

The trap: no other engine is asked, so what is accepted here must mean the same everywhere. What
the subset leaves out (macros, doubles, null, timestamps) is refused, never approximated.

Source: the Common Expression Language specification, language definition.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from federation.governance.cel_runs import (
    BOOL,
    COMPARE,
    INT,
    INTS,
    MAP,
    METHODS,
    STRING,
    STRINGS,
    WORK,
    Run,
    Variable,
    both,
    bounded,
    checked,
    chosen,
    constant,
    either,
    infix,
    is_in,
    item,
    listing,
    negative,
    picked,
    prefix,
)
from federation.governance.cel_words import Word, read_words

NODE_LIMIT: Final = 256
DEPTH_LIMIT: Final = 24


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of an expression: what it yields and how."""

    type: str
    run: Run


def compiled(source: str, variables: Mapping[str, Variable]) -> Run:
    """The condition as a function of the facts; `ValueError` says what is wrong, and where."""
    parser = _Parser(read_words(source), variables)
    part = parser.whole()
    if part.type != BOOL:
        raise ValueError(f"is of type {part.type}: a condition should be true or false")
    return part.run


class _Parser:
    def __init__(self, words: list[Word], variables: Mapping[str, Variable]) -> None:
        self._words = words
        self._variables = variables
        self._at = 0
        self._nodes = 0
        self._depth = 0

    def whole(self) -> Part:
        part = self._choice()
        if self._next.kind != "end":
            raise self._fault(f"'{self._next.text}' is not expected here")
        return part

    @property
    def _next(self) -> Word:
        return self._words[self._at]

    def _take(self) -> Word:
        word = self._words[self._at]
        self._at += 1
        return word

    def _accept(self, *texts: str) -> str:
        """The sign or keyword that comes next, if it is one of these; else nothing."""
        word = self._next
        if word.kind == "sign" and word.text in texts:
            self._at += 1
            return word.text
        return ""

    def _expect(self, text: str) -> None:
        if not self._accept(text):
            raise self._fault(f"'{text}' is expected here")

    def _fault(self, message: str, at: int | None = None) -> ValueError:
        return ValueError(f"column {(self._next.at if at is None else at) + 1}: {message}")

    def _made(self, kind: str, run: Run) -> Part:
        self._nodes += 1
        if self._nodes > NODE_LIMIT:
            raise self._fault(f"the condition has more than {NODE_LIMIT} parts")
        return Part(kind, run)

    def _same(self, sign: str, at: int, wanted: tuple[str, ...], *parts: Part) -> str:
        """The one type of all parts, if it is one that the sign takes."""
        kind = parts[0].type
        if kind not in wanted or any(part.type != kind for part in parts):
            given = " and ".join(part.type for part in parts)
            raise self._fault(f"'{sign}' does not take {given}", at)
        return kind

    def _choice(self) -> Part:
        self._depth += 1
        if self._depth > DEPTH_LIMIT:
            raise self._fault(f"the condition is nested more than {DEPTH_LIMIT} deep")
        test = self._either()
        at = self._next.at
        if self._accept("?"):
            self._same("?", at, (BOOL,), test)
            yes = self._either()
            self._expect(":")
            no = self._choice()
            kind = self._same(":", at, (BOOL, INT, STRING), yes, no)
            test = self._made(kind, chosen(test.run, yes.run, no.run))
        self._depth -= 1
        return test

    def _either(self) -> Part:
        left = self._both()
        at = self._next.at
        while self._accept("||"):
            right = self._both()
            self._same("||", at, (BOOL,), left, right)
            left = self._made(BOOL, either(left.run, right.run))
        return left

    def _both(self) -> Part:
        left = self._relation()
        at = self._next.at
        while self._accept("&&"):
            right = self._relation()
            self._same("&&", at, (BOOL,), left, right)
            left = self._made(BOOL, both(left.run, right.run))
        return left

    def _relation(self) -> Part:
        left = self._sum()
        at = self._next.at
        while sign := self._accept(*COMPARE, "in"):
            right = self._sum()
            if sign == "in":
                left = self._member(left, right, at)
            else:
                types = (BOOL, INT, STRING) if sign in ("==", "!=") else (INT, STRING)
                self._same(sign, at, types, left, right)
                left = self._made(BOOL, infix(COMPARE[sign], left.run, right.run))
        return left

    def _member(self, left: Part, right: Part, at: int) -> Part:
        if (left.type, right.type) not in ((STRING, STRINGS), (STRING, MAP), (INT, INTS)):
            raise self._fault(f"'in' does not take {left.type} and {right.type}", at)
        return self._made(BOOL, infix(is_in, left.run, right.run))

    def _sum(self) -> Part:
        left = self._product()
        at = self._next.at
        while sign := self._accept("+", "-"):
            right = self._product()
            kind = self._same(sign, at, (INT, STRING) if sign == "+" else (INT,), left, right)
            work = operator.add if kind == STRING else bounded(WORK[sign])
            left = self._made(kind, infix(work, left.run, right.run))
        return left

    def _product(self) -> Part:
        left = self._unary()
        at = self._next.at
        while sign := self._accept("*", "/", "%"):
            right = self._unary()
            self._same(sign, at, (INT,), left, right)
            left = self._made(INT, infix(bounded(WORK[sign]), left.run, right.run))
        return left

    def _unary(self) -> Part:
        signs = []
        at = self._next.at
        while sign := self._accept("!", "-"):
            signs.append(sign)
        part = self._reach()
        for sign in reversed(signs):
            if sign == "!":
                self._same(sign, at, (BOOL,), part)
                part = self._made(BOOL, prefix(operator.not_, part.run))
            else:
                self._same(sign, at, (INT,), part)
                part = self._made(INT, prefix(negative, part.run))
        return part

    def _reach(self) -> Part:
        """A value with what is picked from it: `.name`, `["key"]`, `.startsWith("x")`."""
        part = self._value()
        while True:
            at = self._next.at
            if self._accept("."):
                name = self._name()
                if self._accept("("):
                    part = self._method(part, name, at)
                    continue
                self._same(".", at, (MAP,), part)
                part = self._made(STRING, picked(part.run, name))
            elif self._accept("["):
                key = self._choice()
                self._expect("]")
                if (part.type, key.type) != (MAP, STRING):
                    raise self._fault(f"'[]' does not take {part.type} and {key.type}", at)
                part = self._made(STRING, infix(item, part.run, key.run))
            else:
                return part

    def _name(self) -> str:
        word = self._take()
        if word.kind != "name":
            raise self._fault("a name is expected here", word.at)
        return word.text

    def _method(self, subject: Part, name: str, at: int) -> Part:
        if name == "size":
            self._expect(")")
            return self._size(subject, at)
        if name not in METHODS:
            known = ", ".join(sorted((*METHODS, "size")))
            raise self._fault(f"there is no function '{name}' (there are {known})", at)
        argument = self._choice()
        self._expect(")")
        self._same(name, at, (STRING,), subject, argument)
        return self._made(BOOL, infix(METHODS[name], subject.run, argument.run))

    def _size(self, subject: Part, at: int) -> Part:
        self._sized(subject.type, at)
        return self._made(INT, prefix(len, subject.run))

    def _sized(self, kind: str, at: int) -> None:
        if kind not in (STRING, STRINGS, INTS, MAP):
            raise self._fault(f"'size' does not take {kind}", at)

    def _value(self) -> Part:
        word = self._take()
        if word.kind == "string":
            return self._made(STRING, constant(word.text))
        if word.kind == "int":
            return self._made(INT, constant(int(word.text)))
        if word.kind == "name":
            return self._named(word)
        if word.text == "(":
            part = self._choice()
            self._expect(")")
            return part
        if word.text == "[":
            return self._list(word)
        if word.kind == "end":
            raise self._fault("the condition ends too early", word.at)
        raise self._fault(f"'{word.text}' is not expected here", word.at)

    def _named(self, word: Word) -> Part:
        if word.text in ("true", "false"):
            return self._made(BOOL, constant(word.text == "true"))
        if self._accept("("):
            return self._function(word)
        name = word.text
        while name not in self._variables and self._is_dotted():
            self._accept(".")
            name += f".{self._name()}"
        variable = self._variables.get(name)
        if variable is None:
            known = ", ".join(sorted(self._variables))
            raise self._fault(f"there is no variable '{name}' (there are {known})", word.at)
        return self._made(variable.type, checked(variable))

    def _is_dotted(self) -> bool:
        following = self._words[self._at : self._at + 2]
        return self._next.text == "." and self._next.kind == "sign" and following[1].kind == "name"

    def _function(self, word: Word) -> Part:
        if word.text == "has":
            subject = self._reach_to_key(word.at)
            self._expect(")")
            return subject
        if word.text != "size":
            raise self._fault(f"there is no function '{word.text}'", word.at)
        subject = self._choice()
        self._expect(")")
        return self._size(subject, word.at)

    def _reach_to_key(self, at: int) -> Part:
        """`has(tags.name)`: whether the map has the key."""
        subject = self._value()
        if subject.type != MAP or not self._accept("."):
            raise self._fault("'has' takes a map's key, as in has(tags.name)", at)
        return self._made(BOOL, infix(is_in, constant(self._name()), subject.run))

    def _list(self, opening: Word) -> Part:
        items = [self._choice()]
        while self._accept(","):
            items.append(self._choice())
        self._expect("]")
        kind = self._same("[]", opening.at, (STRING, INT), *items)
        runs = tuple(item.run for item in items)
        return self._made(STRINGS if kind == STRING else INTS, listing(runs))
