"""How a request proves to a provider who sends it, for schemes that need no body or clock.

A signer is a pure function from a row's sign-in and its resolved secret to headers and
query terms. Nothing here repeats a secret: not in a message, and not in a `repr`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from federation.domain.catalogue import Auth
from federation.errors import ConfigError, Problem

HeaderPairs = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """What signing adds to a request. `query` is encoded, without a question mark."""

    headers: HeaderPairs = field(default=(), repr=False)
    query: str = field(default="", repr=False)


def sign(auth: Auth, secret: str | None) -> Signature:
    """The signature for every request under this sign-in.

    Without a secret nothing is added: whether one is needed was decided when the deployment
    was found usable (local servers often take any key or none). Raises `ConfigError` where
    the scheme is unknown, or the secret holds characters that a header cannot: a line break
    would add a header.
    """
    signer = SIGNERS.get(auth.scheme)
    if signer is None:
        raise _refused(f"the sign-in scheme {auth.scheme!r} is not known")
    return signer(auth, secret) if secret else Signature()


def _sign_nothing(auth: Auth, secret: str) -> Signature:
    return Signature()


def _sign_header(auth: Auth, secret: str) -> Signature:
    value = auth.prefix + secret
    if not _is_visible(auth.name) or " " in auth.name:
        raise _refused("the name of the sign-in header is not a header name")
    if not _is_visible(value):
        raise _refused("the credential holds a line break or a character that is not ASCII")
    return Signature(headers=((auth.name.lower().encode(), value.encode()),))


def _sign_query(auth: Auth, secret: str) -> Signature:
    value = quote(auth.prefix + secret, safe="")
    return Signature(query=f"{quote(auth.name, safe='')}={value}")


SIGNERS: Final[dict[str, Callable[[Auth, str], Signature]]] = {
    "none": _sign_nothing,
    "bearer": _sign_header,
    "header": _sign_header,
    "query": _sign_query,
}


def _is_visible(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable()


def _refused(problem: str) -> ConfigError:
    return ConfigError([Problem("credential", None, problem)])
