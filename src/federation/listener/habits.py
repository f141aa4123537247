"""How a client begins each of its requests: the same head, with another length of the body.

A program that keeps its connection sends the same line and fields again and again. Bytes that
equal a head that the strict parser has accepted, but for the digits of `content-length`, need
no parser. The trap is whatever gives a head another meaning than its fields have by themselves
(chunks, a coding of the body, an expectation, an offer of another protocol): such a head makes
no habit. A habit belongs to one connection and ends with it, because it holds a secret.
"""

from __future__ import annotations

from typing import NamedTuple

from federation.listener.heads import RequestLine
from federation.schema.http import Headers

_LENGTH = b"content-length"
_SPECIAL = frozenset(
    (b"transfer-encoding", b"content-encoding", b"expect", b"upgrade", b"http2-settings")
)
_END = b"\r\n"
_DIGITS = 10
_MOST = 8192
"""Bytes of a head that are kept for a connection."""


class Habit(NamedTuple):
    """A head that was accepted, without the length that it announced."""

    before: bytes
    after: bytes
    line: RequestLine
    headers: Headers

    def body_at(self, data: bytes) -> int:
        """Where the body begins in bytes that begin with this head and any length; else -1."""
        before, after = self.before, self.after
        if not data.startswith(before):
            return -1
        at = len(before)
        end = data.find(_END, at, at + _DIGITS + 2)
        if end <= at or not data[at:end].isdigit() or not data.startswith(after, end):
            return -1
        return end + len(after)


def habit_of(head: bytes, line: RequestLine, headers: Headers) -> Habit | None:
    """The habit that an accepted head shows, up to and with its empty line; None where its
    meaning depends on more than its fields."""
    if line.old or len(head) > _MOST or not _SPECIAL.isdisjoint(headers):
        return None
    found = head.lower().find(b"\r\n%b:" % _LENGTH)
    if found < 0:
        return None
    at = found + len(_LENGTH) + 3
    while head[at] in b" \t":
        at += 1
    end = head.index(_END, at)
    if not head[at:end].isdigit():
        return None
    return Habit(head[:at], head[end:], line, headers)
