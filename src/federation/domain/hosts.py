"""Which addresses a provider's name may lead to: pure, and asked before every connection.

The trap: a check of the *name* proves nothing, because whoever runs the name's DNS can answer
with an inside address. So the resolved addresses are judged, all of them, and the connection
goes to a judged address, never to the name again.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

# Services that hand credentials to whoever can reach them. Each cloud publishes its own.
_METADATA: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "169.254.169.0/24",  # the address that most clouds share, and their DNS beside it
        "169.254.170.0/24",  # container and pod credentials
        "169.254.42.42/32",
        "169.254.0.23/32",
        "100.100.100.200/32",
        "168.63.129.16/32",
        "192.0.0.192/32",
        "fd00:ec2::/32",
        "fd20:ce::254/128",
        "fd00:42::42/128",
        "fe80::a9fe:a9fe/128",
    )
)
_METADATA_NAMES = frozenset(
    {
        "metadata",
        "metadata.goog",
        "metadata.google.internal",
        "metadata.azure.internal",
        "metadata.tencentyun.com",
        "metadata.oraclecloud.com",
        "instance-data",
        "instance-data.ec2.internal",
    }
)

_HISTORIC = re.compile(r"0x0*[0-9a-f]{1,8}|0+[0-7]{0,11}|[1-9][0-9]{0,9}")
"""A number of an IPv4 address, in any form that the C library reads: zeros in front do not end."""

_CARRIER_NAT = ipaddress.ip_network("100.64.0.0/10")
_GLOBAL_V6 = ipaddress.ip_network("2000::/3")
_SIX_TO_FOUR_RELAY = ipaddress.ip_network("192.88.99.0/24")

# IPv6 ranges that carry an IPv4 address, and how many bits follow it: the packet ends at
# that IPv4 address, so it is judged instead.
_CARRIERS: tuple[tuple[ipaddress.IPv6Network, int], ...] = (
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),  # IPv4-mapped
    (ipaddress.IPv6Network("::ffff:0:0:0/96"), 0),  # stateless translation
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),  # NAT64
    (ipaddress.IPv6Network("64:ff9b:1::/48"), 0),  # NAT64, local prefix (RFC 8215)
    (ipaddress.IPv6Network("::/96"), 0),  # IPv4-compatible, deprecated
    (ipaddress.IPv6Network("2002::/16"), 80),  # 6to4
)
_TEREDO = ipaddress.IPv6Network("2001::/32")
_ISATAP = (0x00005EFE, 0x02005EFE)


def forbidden(addresses: Iterable[str], *, private: bool) -> str | None:
    """Say why these addresses may not be connected to, or None where all of them may.

    One bad address condemns all: an answer that mixes good and bad ones is how DNS
    rebinding looks. With `private` (the operator's word) inside addresses are allowed,
    metadata services never.
    """
    for text in addresses:
        reason = _judge(text, private=private)
        if reason is not None:
            return reason
    return None


def forbidden_name(host: str, *, private: bool) -> str | None:
    """Judge a name that somebody else will resolve (a proxy), or before we resolve it ourselves.

    Knows metadata names, `localhost` and address literals, historic forms (`0x7f.1`) and digits of
    other scripts among them, because a resolver reads those too; of any other name nothing can be
    said.
    """
    name = folded(host.strip("[]")).rstrip(".").lower()
    if name in _METADATA_NAMES:
        return "it is a cloud metadata service"
    if not private and (name == "localhost" or name.endswith(".localhost")):
        return "it is a loopback address"
    if literal(name) is not None:
        return _judge(name, private=private)
    historic = _historic(name)
    return None if historic is None else _judge(str(historic), private=private)


def folded(host: str) -> str:
    """A name as a resolver is asked for it (IDNA): of wide letters and dots the plain ones, and of
    other scripts their code. What no resolver takes stays as it is."""
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return host


def _historic(name: str) -> ipaddress.IPv4Address | None:
    """Read an IPv4 address in any form that the C library's `inet_aton` reads: one to four numbers,
    decimal, octal or hexadecimal, of which the last fills all bytes that are left."""
    parts = name.split(".")
    if len(parts) > 4 or not all(map(_HISTORIC.fullmatch, parts)):
        return None
    *first, last = (_number(part) for part in parts)
    if last >= 256 ** (4 - len(first)) or any(number > 255 for number in first):
        return None
    return ipaddress.IPv4Address(int.from_bytes(bytes(first), "big") << 8 * (4 - len(first)) | last)


def _number(part: str) -> int:
    if part.startswith("0x"):
        return int(part, 16)
    return int(part, 8 if part.startswith("0") else 10)


def literal(host: str) -> Address | None:
    """Read `host` as an address in its usual written form, brackets allowed.

    Historic forms (`0x7f.1`, `2130706433`) are names here: where the system resolver reads them,
    its answer is judged like any other.
    """
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def _judge(text: str, *, private: bool) -> str | None:
    address = literal(text)
    if address is None:
        return "its address cannot be read"
    for candidate in (address, *_carried(address)):
        if any(candidate in network for network in _METADATA):
            return "it is a cloud metadata service"
        reason = None if private else _inside(candidate)
        if reason is not None:
            return reason
    return None


def _carried(address: Address) -> tuple[Address, ...]:
    """Find the IPv4 addresses inside an IPv6 one."""
    if address.version == 4:
        return ()
    number = int(address)
    for network, shift in _CARRIERS:
        if address in network:
            return (ipaddress.IPv4Address((number >> shift) & 0xFFFFFFFF),)
    if address in _TEREDO:  # the client's half is stored inverted
        client = ipaddress.IPv4Address(~number & 0xFFFFFFFF)
        return (ipaddress.IPv4Address((number >> 64) & 0xFFFFFFFF), client)
    if (number >> 32) & 0xFFFFFFFF in _ISATAP:
        return (ipaddress.IPv4Address(number & 0xFFFFFFFF),)
    return ()


def _inside(address: Address) -> str | None:
    """Name the kind of an address that does not belong to the public internet."""
    kinds = (
        ("loopback", address.is_loopback),
        ("link-local", address.is_link_local),
        ("unspecified", address.is_unspecified),
        ("multicast", address.is_multicast),
    )
    for kind, holds in kinds:
        if holds:
            return f"it is a {kind} address"
    if isinstance(address, ipaddress.IPv4Address):
        public = (
            address.is_global
            and not address.is_reserved
            and address not in _CARRIER_NAT
            and address not in _SIX_TO_FOUR_RELAY
        )
        return None if public else "it is a private or reserved address"
    if any(address in network for network, _ in _CARRIERS) or address in _TEREDO:
        return None  # decided by what it carries
    public = address in _GLOBAL_V6 and address.is_global
    return None if public else "it is a private or reserved address"
