"""The three ways in which requests are signed for a provider. Pure data.

Most providers want the same header with every request (`Signature`). Some sign each request
after its body is known (`PerRequest`), and some want a token that is fetched first and holds
for a while (`ByToken`): fetching and keeping it is the gateway's work, this room only says
how it is asked for and read. Nothing here shows a secret in a `repr`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from federation.errors import ConfigError, Problem
from federation.schema.http import WireRequest

HeaderPairs: TypeAlias = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """The same for every request. `query` is encoded, without a question mark."""

    headers: HeaderPairs = field(default=(), repr=False)
    query: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class PerRequest:
    """A signature over the whole request: `sign` is the last thing that touches it."""

    sign: Callable[[WireRequest, datetime], WireRequest] = field(repr=False)
    """Raises nothing for a request that the transport would take. The moment is aware UTC."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token, and the Unix time after which it is worth nothing."""

    value: str = field(repr=False)
    expires_at: float


@dataclass(frozen=True, slots=True)
class TokenSpec:
    """How a token is asked for and read. Equal keys mean the same token.

    `base` is a token that must be had first: its value is the second argument of `request`,
    which is empty without one. Who fetches keeps each of the two by its own key.
    """

    key: str
    """A digest of everything that decides which token comes."""
    request: Callable[[datetime, str], WireRequest] = field(repr=False)
    read: Callable[[int, bytes, datetime], Token] = field(repr=False)
    """Status, body and the moment of asking to a token. Raises `UpstreamDenied` where the
    credential is refused, `UpstreamRateLimited`, `UpstreamFailed`, or `UpstreamGarbled`; no
    message repeats anything that was sent or received."""
    base: TokenSpec | None = None


@dataclass(frozen=True, slots=True)
class ByToken:
    """A token that is fetched by `spec` and put into a request by `apply`."""

    spec: TokenSpec
    apply: Callable[[str], HeaderPairs] = field(repr=False)


SignPlan: TypeAlias = Signature | PerRequest | ByToken


def unusable(problem: str) -> ConfigError:
    """The refusal of a credential or a row. `problem` must not repeat the secret."""
    return ConfigError([Problem("credential", None, problem)])
