"""Which addresses the pictures and files of a call may name: pure.

The gateway fetches none of them, the provider does, and a provider may stand in a network of
ours: a model server on our own premises would fetch for a stranger what only it can reach. So
what names the inside is refused, before anybody is asked. The trap: an address can be written in
ways that two readers understand differently; one that is not plain is refused, not interpreted.
Where a name leads that looks public is for `stages.addresses` to ask; it is handed back.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import msgspec

from federation.domain.hosts import forbidden_name, literal
from federation.errors import InvalidRequest
from federation.schema.chat import ChatRequest
from federation.schema.parts import Foreign, Media, Part, ToolResult

_LIKELY: Final = re.compile(
    rb'"[\x00-\x20\x7f-\xbf\xc2\xe1-\xe3\xef<]*+(?:[^"\\]{0,20}://|[^"\\]{0,8}\\)'
)
"""A text that begins as an address does, or whose escapes may hide that it does, however much of
`_SKIPPED` stands before that: its bytes, and those of some letters."""
_SKIPPED: Final = r"\s<\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff"
"""What some reader of addresses passes over, before them or within: spaces, controls and line
breaks (WHATWG URL, section 4.4), marks without a width, the bracket of `<URL:...>` (Python)."""
_SCHEME: Final = re.compile(
    rf"[{_SKIPPED}]*([A-Za-z](?:[{_SKIPPED}]*[A-Za-z0-9+.-]){{0,19}})[{_SKIPPED}]*:"
)
_SKIP: Final = re.compile(rf"[{_SKIPPED}]")
_PLAIN: Final = re.compile(r"https?:[^\\\s\x00-\x1f\x7f]*\Z", re.IGNORECASE)
_WEB: Final = frozenset(("http", "https"))
_NEVER: Final = frozenset(
    ("file", "ftp", "ftps", "sftp", "tftp", "gopher", "dict", "ldap", "ldaps", "jar", "netdoc",
     "unix", "smb", "nfs", "url", "ws", "wss")
)  # fmt: skip
"""Schemes that libraries open and no provider documents for content."""
_INSIDE: Final = (
    ".local", ".internal", ".intranet", ".lan", ".home", ".home.arpa", ".corp", ".private", ".svc",
)  # fmt: skip
"""Ends of names that are never public: RFC 6762 with its appendix G, RFC 8375, and Kubernetes'."""
_NAMES: Final = re.compile(r".*(?:ur[il]s?|images?|videos?|audios?|documents?)\Z", re.IGNORECASE)
"""Members of a body that hold addresses of content, in every language that we know."""


def may_name_any(body: bytes) -> bool:
    """Whether a JSON body may hold an address at all: a quick look that errs towards yes."""
    return _LIKELY.search(body) is not None


def check_chat(request: ChatRequest, allowed: tuple[str, ...]) -> dict[str, str]:
    """Raise `InvalidRequest` for a chat whose content names an inside address. Words, and the
    arguments and answers of tools, may name what they like. Returns the names that look public,
    each with the field that it stands in."""
    names: dict[str, str] = {}
    for index, message in enumerate(request.messages):
        where = f"messages[{index}]"
        for address in _of_parts(message.parts):
            if name := check_address(address, where, allowed):
                names[name] = where
    return names


def check_body(body: bytes, allowed: tuple[str, ...]) -> dict[str, str]:
    """The same for an operation's JSON body, by the names of its members. A body that is no JSON
    (a form) has no addresses that a provider would fetch."""
    try:
        whole = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return {}
    members = _of_members(whole)
    found = ((check_address(address, where, allowed), where) for where, address in members)
    return {name: where for name, where in found if name}


def check_found(addresses: Iterable[str], where: str, allowed: tuple[str, ...]) -> None:
    """Raise `InvalidRequest` where a name that looked public leads to one of these."""
    for address in addresses:
        reason = forbidden_name(address, private=_listed(address, allowed))
        if reason is not None:
            raise refused(f"its name leads inside ({reason})", where)


def check_address(address: str, where: str, allowed: tuple[str, ...]) -> str:
    """Raise `InvalidRequest` for an address that leads inside, or might; `where` is the field at
    fault. `allowed`: hosts and networks that the operator lets content name. Returns its name
    where it has one that looks public, else nothing."""
    found = _SCHEME.match(address)
    scheme = _SKIP.sub("", found[1]).lower() if found else ""
    if scheme in _NEVER:
        raise refused(f"addresses of the kind '{scheme}:' are not taken", where)
    if scheme not in _WEB:
        return ""  # data, or a provider's own storage, which is a governed field
    host = _host(address)
    if host is None:
        raise refused("it cannot be read in one way only", where)
    listed = _listed(host, allowed)
    reason = forbidden_name(host, private=listed)
    if reason is None and _is_inside(host) and not listed:
        reason = "it is a name of an inside network"
    if reason is not None:
        raise refused(reason, where)
    return "" if listed or literal(host) is not None else host


def _of_parts(parts: tuple[Part, ...]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, Media):
            yield part.url
        elif isinstance(part, ToolResult):
            yield from _of_parts(part.parts)
        elif isinstance(part, Foreign):
            yield from (address for _, address in _of_members(msgspec.json.decode(part.raw)))


def _of_members(whole: Any) -> Iterator[tuple[str, str]]:
    """Texts that stand under a name of addresses, and the name. A loop: a body may be deep."""
    waiting = [("", whole)]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.items())
        elif isinstance(value, list):
            waiting.extend((name, each) for each in value)
        elif isinstance(value, str) and _NAMES.match(name):
            yield name, value


def _host(address: str) -> str | None:
    """The host of an address, folded as a resolver would; None where readers may differ."""
    plain = address.strip(" ")
    if _PLAIN.match(plain) is None:
        return None
    try:
        parts = urlsplit(plain)
        host = unquote(parts.hostname or "")
        _ = parts.port
    except ValueError:
        return None
    if "@" in parts.netloc or not host:
        return None
    host = unicodedata.normalize("NFKC", host).replace("\N{IDEOGRAPHIC FULL STOP}", ".").lower()
    return None if re.search(r"[/@?#%\s]", host) else host.rstrip(".")


def _is_inside(host: str) -> bool:
    return literal(host) is None and ("." not in host or host.endswith(_INSIDE))


def _listed(host: str, allowed: tuple[str, ...]) -> bool:
    address = literal(host)
    if address is None:
        return host in allowed
    return any(address in network for network in _networks(allowed))


def _networks(
    allowed: tuple[str, ...],
) -> Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    for each in allowed:
        try:
            yield ipaddress.ip_network(each, strict=False)
        except ValueError:
            continue


def refused(reason: str, where: str) -> InvalidRequest:
    """The refusal of a call that names an address which it may not."""
    return InvalidRequest(
        f"An address in the content is refused: {reason}. Send the content itself, or a public "
        "address; the operator may list a host under 'upstream: {content_hosts: [...]}'.",
        code="content_address",
        param=where,
    )
