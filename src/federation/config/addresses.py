"""Addresses that come from the environment, in the loose forms that programs use there.

`host`, `host:port`, an address without a path, a name for a placeholder: each is completed
from the catalogue's own address, so that a variable made for another program fits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

from federation.config.quantities import base_url as checked

_PLACEHOLDER = re.compile(r"\{([\w-]+)\}")
# Filled for each call by a dialect, from the model's name.
_OF_THE_CALL = frozenset({"model", "endpoint", "deployment_id"})
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read here, not bound to


def complete(text: str, pattern: str) -> str:
    """`text` as a whole address; what it leaves out is taken from `pattern`.

    A server's "listen everywhere" address becomes the loopback one, since nobody can
    connect to it. Raises `ValueError` with the rest of a sentence.
    """
    known = urlsplit(pattern)
    bare = "://" not in text
    try:
        parts = urlsplit(f"{known.scheme or 'http'}://{text}" if bare else text)
        port = parts.port
    except ValueError:  # its own message would repeat what was written
        raise ValueError("should be an address such as https://host/v1") from None
    host = _ANY_ADDRESS.get(parts.hostname or "", parts.hostname or "")
    if port is None and bare and "{" not in pattern:
        port = known.port
    where = f"[{host}]" if ":" in host else host
    netloc = where if port is None else f"{where}:{port}"
    if "@" in parts.netloc:
        netloc = parts.netloc
    path = parts.path if parts.path.strip("/") else known.path
    return checked(urlunsplit((parts.scheme, netloc, path, parts.query, parts.fragment)))


def with_port(text: str, pattern: str) -> str:
    """`pattern` at another port."""
    known = urlsplit(pattern)
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise ValueError("should be a port from 1 to 65535")
    host = known.hostname or ""
    where = f"[{host}]" if ":" in host else host
    return checked(urlunsplit((known.scheme, f"{where}:{int(text)}", known.path, "", "")))


def placeholders(address: str) -> list[str]:
    """The names still to be filled before any call can be made."""
    return [name for name in _PLACEHOLDER.findall(address) if name not in _OF_THE_CALL]


def at_place(address: str, values: Mapping[str, str], hosts: Mapping[str, str]) -> str:
    """`address` on the host that `hosts` has for the place that names its own, if it has one.

    Only a host of the same domain takes the place of one: what an operator has put in front of a
    provider stays, wherever it leads.
    """
    scheme, _, rest = address.partition("://")
    host, _, path = rest.partition("/")
    for name in placeholders(host):
        found = hosts.get(_plain(values.get(name, "")), "")
        if found.split(".")[-2:] == host.split(".")[-2:]:
            return f"{scheme}://{found}/{path}"
    return address


def fill(address: str, values: Mapping[str, str]) -> str:
    """Put values in the place of their names; a whole address counts as its host.

    Raises `ValueError` with the rest of a sentence where the result is no address.
    """
    for name, value in values.items():
        given = _plain(value)
        if not address.startswith(f"{{{name}}}"):
            given = given.partition("://")[2] or given
            if not re.fullmatch(r"[\w.-]+", given):
                raise ValueError("should be a plain name, without slashes or blanks")
        address = address.replace(f"{{{name}}}", given)
    return address if placeholders(address) else checked(address)


def _plain(value: str) -> str:
    return value.strip().rstrip("/")
