"""Where a deployment is reached, and with which headers: prepared once, before any call.

A base address is what an operator or a row's author typed. Nothing is guessed at: a
placeholder that nobody filled in, or a secret in the address, is refused and not sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

from federation import __version__
from federation.dialects.faces import HeaderPairs
from federation.dialects.quirks import Quirks, words
from federation.schema.http import Origin

_PORTS: Final = {"http": 80, "https": 443}
_LEAST_SECRET: Final = 8
"""A shorter text is no secret, and would be found in innocent words."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What a deployment's signer made ahead of its calls, and what the operator allows."""

    headers: HeaderPairs = field(default=(), repr=False)
    query: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    """What error bodies are searched for."""
    private: bool = False
    """Leave to connect to loopback and private addresses."""


NOWHERE: Final = Reach()
"""No sign-in, and public addresses only."""


def split_address(base_url: str, *, private: bool) -> tuple[Origin, str]:
    """Where to connect to, and the path without a slash at its end.

    `private` as in `Reach`. Raises `ValueError` for
    what is not an absolute http(s) URL, and for user information, a query, a fragment or a
    placeholder in it.
    """
    url = urlsplit(base_url)
    odd = "{" in base_url or url.username is not None or url.query or url.fragment
    if url.scheme not in _PORTS or not url.hostname or odd:
        raise ValueError(f"not a usable base address: {url.scheme}://{url.hostname or ''}")
    port = url.port or _PORTS[url.scheme]
    path = quote(url.path.rstrip("/"), safe="/:@!$&'()*+,;=~%")
    return Origin(url.scheme, url.hostname, port, private=private), path


def query_terms(quirks: Quirks, query: str) -> list[str]:
    """The terms of a request's query: what its signer made, then the row's own."""
    terms = [query] if query else []
    if further := words(quirks, "query"):
        terms.append(urlencode(further))
    return terms


def with_query(path: str, terms: list[str]) -> str:
    """A request-target."""
    return path + ("?" + "&".join(terms) if terms else "")


def shared_headers(extra: Mapping[str, str], headers: HeaderPairs) -> HeaderPairs:
    """The headers of every request with a JSON body: ours, the row's `extra`, and the signer's
    `headers`. Raises `ValueError` for a constant header that no request can carry."""
    return (
        (b"content-type", b"application/json"),
        (b"accept-encoding", b"identity"),
        (b"user-agent", f"federation/{__version__}".encode()),
        *_constant(extra),
        *headers,
    )


def accepting(kind: bytes, shared: HeaderPairs) -> HeaderPairs:
    """The headers of a request for an answer of this media type."""
    return ((b"accept", kind), *shared)


def _constant(extra: Mapping[str, str]) -> HeaderPairs:
    for name, value in extra.items():
        if not (name + value).isprintable() or not name.isascii():
            raise ValueError(f"not a usable constant header: {name!r}")
    return tuple((name.lower().encode(), value.encode()) for name, value in extra.items())


def secrets_of(secret: str) -> tuple[bytes, ...]:
    """What error bodies are searched for, where a credential is one text."""
    return (secret.encode(),) if len(secret) >= _LEAST_SECRET else ()
