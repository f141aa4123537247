"""Refresh tokens: which session, how many times it was refreshed, and a proof of both. Pure.

Nothing of a token is kept: the proof is a keyed hash over the session's own salt and the count,
so it takes the store and the master key together to make one. The trap is a token with a wrong
proof, which anybody can write who has seen a session's name: only one whose proof is right and
whose count is old shows that a token was stolen.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

PREFIX: Final = "fedr_"
GRACE_S: Final = 10.0
"""How long the token before the present one is taken for a lost answer, not for a theft."""
_FORM: Final = re.compile(r"fedr_(ses_[0-9a-f]{32})\.([0-9]{1,9})\.([A-Za-z0-9_-]{43})\Z")


@dataclass(frozen=True, slots=True)
class Refresh:
    """What a refresh token says, not believed yet."""

    session: str
    n: int
    proof: str = field(repr=False)


class Turn(Enum):
    """What becomes of a refresh token whose proof is right."""

    NEW = "new"
    """It is the present one: the next takes its place."""
    AGAIN = "again"
    """The next was given out a moment ago: it is given out again."""
    REUSED = "reused"
    """It was replaced long ago: two have it, and the session ends for both."""


def refresh_token(key: bytes, salt: bytes, session: str, n: int) -> str:
    """The token of a session that was refreshed `n` times; always the same one."""
    return f"{PREFIX}{session}.{n}.{_proof(key, salt, session, n)}"


def read_refresh(text: str) -> Refresh | None:
    """What a text says, None where it is no refresh token."""
    found = _FORM.match(text)
    return None if found is None else Refresh(found[1], int(found[2]), found[3])


def proven(said: Refresh, key: bytes, salt: bytes) -> bool:
    """Whether we made this token; the time that it takes says nothing."""
    return hmac.compare_digest(_proof(key, salt, said.session, said.n), said.proof)


def turn_of(said: Refresh, n: int, turned_s: float, now_s: float) -> Turn:
    """What becomes of a proven token where the session stands at `n` since `turned_s`."""
    if said.n == n:
        return Turn.NEW
    if said.n == n - 1 and abs(now_s - turned_s) <= GRACE_S:
        return Turn.AGAIN
    return Turn.REUSED


def _proof(key: bytes, salt: bytes, session: str, n: int) -> str:
    message = b"refresh/%b/%b/%d" % (salt, session.encode(), n)
    return urlsafe_b64encode(hmac.digest(key, message, "sha256")).rstrip(b"=").decode()
