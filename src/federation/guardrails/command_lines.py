"""Passwords in command lines: what an option of one program, or one variable, says it is.

The place tells that it is a password, so it may look like any word; what documentation writes in
a password's stead is left alone, as are variables. The trap: the same letter is another option
elsewhere (a port, a path), so each is read behind the names of its own programs alone, and so
near to them that a stream's window sees both.
"""

from __future__ import annotations

import re
from typing import Final

from federation.guardrails import entities as kind
from federation.guardrails.context_rules import is_ours
from federation.guardrails.entities import CERTAIN, Span
from federation.guardrails.nearby import Nearby
from federation.guardrails.patterns import compiled

HINT: Final = b"curl|mysql|mariadb|sshpass|redis-?cli|docker login|pgpassword"
NAME: Final = (
    rb"\b(?:curl|mysql(?:dump|admin|import|sh)?|mariadb(?:-dump|-admin)?|sshpass|redis-cli"
    rb"|docker login)[ \t]|\b(?:PGPASSWORD|MYSQL_PWD|SSHPASS|REDISCLI_AUTH)="
)
"""Of a program with such an option, or a variable that one reads."""
_REACH: Final = 128
"""Signs from a program's name to the end of the password: what a stream's window reads again."""
_NAMES: Final = compiled(NAME)
_LINE: Final = re.compile(
    rb"(?:[^\n\\;|\"']|\\.|\"[^\"\n]{0,128}\"|'[^'\n]{0,128}'|[\"'])*", re.DOTALL
)
"""As far as the command goes: a backslash before its end joins the next line."""
_QUOTED: Final = rb"\"([^\"\n]{4,128})\"|'([^'\n]{4,128})'"
_PLAIN: Final = rb"([^\s\"'`;|&()<>]{4,128})"
_VALUE: Final = rb"(?:" + _QUOTED + rb"|" + _PLAIN + rb")"
_LOGIN: Final = (
    rb"(?:\"[^\":\n]{1,64}:([^\"\n]{4,128})\"|'[^':\n]{1,64}:([^'\n]{4,128})'"
    rb"|[^\s\"':]{1,64}:" + _PLAIN + rb")"
)
_OPTIONS: Final = (
    (b"curl", re.compile(rb"\s(?:-[a-zA-Z]{0,4}[uU][ \t]{0,2}|--(?:proxy-)?user[ =])" + _LOGIN)),
    (b"mysql", re.compile(rb"\s(?:-p|--password=)" + _VALUE)),
    (b"mariadb", re.compile(rb"\s(?:-p|--password=)" + _VALUE)),
    (b"sshpass", re.compile(rb"\s-p[ \t]{0,2}" + _VALUE)),
    (b"redis", re.compile(rb"\s(?:-a|--pass)[ \t]" + _VALUE)),
    (b"docker", re.compile(rb"\s(?:-p[ \t]{0,2}|--password[ =])" + _VALUE)),
)
_VARIABLE: Final = re.compile(rb"[ \t]{0,2}" + _VALUE)
_IN_ITS_STEAD: Final = re.compile(
    rb"[$%{<\[*/-].*|(.)\1{2,}|(?:https?|env|vault|file):.*"
    rb"|(?:(?:your|my|the|some|this|new|old|db|user|root|admin|mysql|redis|postgres|ssh|api|auth"
    rb"|access|client|secret|super|strong|long|example|test)[_-]?){0,4}"
    rb"(?:pass(?:w(?:or)?d|phrase|code)?|pwd|pw|secret|token|key|credentials?|contrase\xf1a"
    rb"|passwort|kennwort|senha|example|here|redacted|changeme)(?:[_-]?here)?[0-9]?",
    re.IGNORECASE,
)
"""What stands for a password that nobody wrote down."""


def passwords(near: Nearby) -> list[Span]:
    """Passwords that a command line or a variable of one tells."""
    data = near.data
    found: list[Span] = []
    for start, at in _NAMES.spans(data):
        if data[at - 1 : at] == b"=":
            value = _VARIABLE.match(data, at)
        else:
            line = _LINE.match(data, at - 1, start + 2 * _REACH)
            end = at if line is None else line.end()
            value = next(
                (
                    option.search(data, at - 1, end)
                    for program, option in _OPTIONS
                    if data.startswith(program, start)
                ),
                None,
            )
        if value is not None:
            low, high = value.span(value.lastindex or 0)
            if high <= start + _REACH and is_typed(data[low:high]):
                found.append(Span(low, high, kind.SECRET, CERTAIN - 1))
    return found


def is_typed(value: bytes) -> bool:
    """Whether it is a password, and not what stands in one's stead."""
    return _IN_ITS_STEAD.fullmatch(value) is None and not is_ours(value)
