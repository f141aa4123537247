"""Where a request comes from, for counting failures. Pure.

The trap: `X-Forwarded-For` is written by whoever wants to. It is read from its end, and only as
far as the addresses are proxies that the operator trusts: the first that is not one is the source.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from federation.credentials.lockout import source_name

_MOST_HOPS = 20


def source_of(peer: str, forwarded: str, trusted: Iterable[str]) -> str:
    """The name of a request's source. `trusted` are addresses or networks of proxies."""
    networks = [ipaddress.ip_network(each, strict=False) for each in trusted]
    address = peer
    for hop in reversed(forwarded.split(",")[-_MOST_HOPS:]):
        if not _within(address, networks):
            break
        address = hop.strip() or address
    return source_name(address)


def _within(text: str, networks: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    try:
        address = ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return False
    return any(address in network for network in networks)
