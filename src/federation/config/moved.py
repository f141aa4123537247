"""What is still known of a provider whose row was moved to another host.

Pure. Where data is processed, what is certified and what becomes of it are facts of a host, and
rules rest on them. The trap is a row that keeps them at an address of somebody else: a proxy that
calls itself by a certified provider's name, or "our own machine" in a cloud. So a row keeps what
holds at its new host, and what the operator wrote; the rest is unknown there. The catalogue vouches
for it no more, and somebody put it there on purpose: to `auto` it is the operator's own.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

from federation.config.quantities import is_loopback
from federation.config.region_controls import own_hosts
from federation.domain.catalogue import DataUse, Provider

_UNKNOWN: Final[dict[str, Any]] = {
    "local": False,
    "regions": (),
    "certifications": frozenset(),
    "data_use": DataUse.UNKNOWN,
    "retention": "",
}
_OWN: Final[dict[str, Any]] = {"sources": ()}
_SAID: Final = {
    "local": "that it is local",
    "regions": "its region",
    "certifications": "its certifications",
    "data_use": "its data use",
    "retention": "its retention",
}
_HOLE: Final = re.compile(r"\\\{[\w-]+\\\}")
# Names that nobody outside of a network can have: no domain, or one that is kept for such names.
_AT_HOME: Final = re.compile(
    r"[a-z][a-z0-9_-]*"
    r"|[a-z0-9_.-]+\.(?:local|internal|localhost|localdomain|lan|home\.arpa|svc)"
)


def moved(row: Provider, known: Provider, written: AbstractSet[str]) -> tuple[Provider, str]:
    """`row`, as laid over `known`, with what holds at its host; and what is no longer known, in
    words, empty where nothing was lost. `written` are the fields that the operator wrote."""
    facts = {
        name: fact
        for name, fact in _elsewhere(row, known).items()
        if name not in written and getattr(row, name) != fact
    }
    lost = [word for name, word in _SAID.items() if facts.get(name, ...) == _UNKNOWN[name]]
    return (replace(row, **facts) if facts else row), ", ".join(lost)


def _elsewhere(row: Provider, known: Provider) -> dict[str, Any]:
    """What becomes of the facts of `known` at the host of `row`."""
    host, before = _host(row.base_url), _host(known.base_url)
    if _is_of(before, host):
        return {}
    if known.local:
        return {} if _at_home(host) else _UNKNOWN | _OWN
    places = {_host(address): place for address, place in own_hosts(known).items()}
    if host in places:
        return {"regions": (places[host],) if places[host] else ()} | _OWN
    # Whoever has a domain has all below it, at which places one cannot see.
    below = before and host.endswith(f".{before}")
    return ({"regions": ()} if below else _UNKNOWN) | _OWN


def _host(address: str) -> str:
    return (urlsplit(address).hostname or "").removesuffix(".")


def _is_of(pattern: str, host: str) -> bool:
    """Whether it is that host, or one for which the pattern has placeholders."""
    form = _HOLE.sub("[^.]+", re.escape(pattern))
    return not pattern.strip() or re.fullmatch(form, host) is not None or _whole(pattern)


def _whole(pattern: str) -> bool:
    """Every address is the operator's own word here: there is none in the catalogue."""
    return re.fullmatch(r"\{[\w-]+\}", pattern) is not None


def _at_home(host: str) -> bool:
    """Whether it is this machine, or one that can be reached from its own network alone."""
    if is_loopback(host):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return _AT_HOME.fullmatch(host) is not None
    carried = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return not (carried or address).is_global
