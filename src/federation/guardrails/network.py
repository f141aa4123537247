"""Network addresses, told by their shape: IPv4 and IPv6.

The trap: versions, places in a document, drawings' paths, times and strides of code have the same
shape, so what stands before and behind a candidate is asked.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Final

from federation.guardrails import entities as kind
from federation.guardrails.entities import SHAPED, Span
from federation.guardrails.nearby import Nearby
from federation.guardrails.patterns import compiled

_OCTET: Final = rb"[0-9]{1,3}"
_POINT: Final = rb"(?:\.|\[\.\]|\(\.\))"
IPV4: Final = _OCTET + (_POINT + _OCTET) * 3
_IPV4: Final = compiled(IPV4)
_FROM_POINT: Final = re.compile(rb"\.(?<=[0-9]\.)" + _OCTET + (rb"\." + _OCTET) * 2)
_DISGUISED_POINTS: Final = (b"[.]", b"(.)")
_LONGEST_OCTET: Final = 3
_GROUP: Final = rb"[0-9A-Fa-f]{0,4}"
_IPV6_END: Final = _GROUP + rb"(?:(?:\.[0-9]{1,3}){3})?"
IPV6: Final = (_GROUP + rb":(?:" + _GROUP + rb":){5,7}" + _IPV6_END) + (
    rb"|" + _GROUP + rb":(?:[0-9A-Fa-f]{1,4}:){0,6}:(?:" + _GROUP + rb":){0,6}" + _IPV6_END
)
"""Six colons and more, or two in a row: times and ratios are no candidates."""
SURELY_LIKE_IPV6: Final = re.compile(rb":(?::|(?:[0-9A-Fa-f]{0,4}:){5})")
"""What each of them holds."""
_BYTE: Final = rb"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_NOBODYS: Final = rb"(?:0|127|255)[^0-9]|2\.5\.(?:4|29)\.[0-9]{1,2}(?![0-9])"  # X.520, X.509
_ADDRESS: Final = re.compile(rb"(?!" + _NOBODYS + rb")" + _BYTE + (rb"[^0-9]+" + _BYTE) * 3)
"""Four octets without noughts before them, of an address that is somebody's."""
_APART: Final = frozenset(b"\n\t;|")
_LISTED: Final = re.compile(
    rb"(?:[\n\t;|](?!" + _NOBODYS + rb")" + _BYTE + (rb"\." + _BYTE) * 3 + rb"(?=[\n\t;|]|\Z))+"
)
"""More of them, each behind a sign that nothing goes on over: what stands before and behind them
says nothing of them then."""
_OF_LIST: Final = re.compile(rb"[0-9.]+")
_ENDS_GROUP: Final = frozenset(b" -)")
_DIGITS, _JOINS = frozenset(b"0123456789"), frozenset(b".-")
_PAIRS: Final = re.compile(rb":?(?:[0-9A-Fa-f]{2}:)+(?:[0-9A-Fa-f]{2})?")
"""Octets: a long hardware address, or a piece of a fingerprint."""
_POINT_BEFORE: Final = re.compile(rb"(?:^|[^0-9.])[0-9]*\.[0-9]+[ ,-]\Z")
_POINT_BEHIND: Final = re.compile(rb"[ ,-][0-9]*\.[0-9]+\.[0-9]+(?![0-9.])")
"""A fraction before it and two without a gap behind it: numbers of a drawing's path."""
_PATH_BEHIND: Final = re.compile(rb"[ ,]?-?\.[0-9]|[mlhvcsqtaMLHVCSQTA][0-9.-]|[zZ](?![A-Za-z0-9])")
_BEGIN_PATH: Final = frozenset(b" ,-.mlhvcsqtazMLHVCSQTAZ")
"""What the rest of a drawing's path begins with."""
_BLANK: Final = ord(" ")
_PATH_BEFORE: Final = re.compile(rb"(?:^|[^A-Za-z])[mlhvcsqtaMLHVCSQTA]\Z")
"""Of a drawing's path, which leaves noughts and blanks out: c3.51.98.32-.33"""
_OF_CALLED: Final = re.compile(rb"\+[0-9][0-9 ().-]{1,10}[ )-]\Z")
_BEFORE_CALLED, _SIZE_OF_PAIRS = 14, 11
"""The first groups of a telephone number before its last ones, four pairs with points between."""
_PATH_SIGNS: Final = frozenset(b"mlhvcsqtaMLHVCSQTA")
_STRIDE: Final = re.compile(rb"[0-9]{0,4}::[0-9]{0,4}")
_PORT: Final = re.compile(rb":[0-9]{2,4}\Z")
"""Programs that list connections put it behind an address without brackets, too."""
_PLACES: Final = re.compile(rb"[0-9]{1,2}::[0-9]{1,2}")
_NETWORK: Final = re.compile(rb"ip|addr|host|inet|ping|ssh|serv|node|dst|src", re.IGNORECASE)
"""Two short numbers are a verse or a proportion, unless networks are spoken of."""
_OF_ROW: Final = re.compile(rb"[A-Za-z0-9_)\]\"']\[[^\[\]\n]*\Z|-\Z")
_BEFORE_STRIDE: Final = 24
"""Every second item of a row, as programs write it: names[::2], path[-2::-1]."""
_GROUPS: Final = 7
"""Colons in an address without a shortened stretch."""
_VERSION: Final = compiled(
    rb"(?:\b(?:(?:[a-z0-9_]*_|api|app|assembly|file|product|server)?version|ver|release|build|"
    rb"section|sec|rev|chapter|firmware|oid|driver|kernel|sdk|jdk|bios|(?:boot|down)?loader|runtime|installer)\b[\s.:#=\"'(-]{0,5}"
    rb"|\b(?:up|down)grad(?:e|es|ed|ing) (?:from|to|(?:from )?[0-9.]{7,15} ?(?:to|[-=]>|\?))[ ]?"
    rb"|\bbump(?:ed|s)? (?:from|to)[ ]"
    rb"|\bv|(?:\xa7|[^/:]/)[vV]?|[=<>~!]=[ ]?|[\^~]|\binstall\b[^\n]{0,30}@)$",
    ignore_case=True,
)
_BEHIND_VERSION: Final = b" \t\n\r\f\v.:#=\"'(-"
_ENDS_VERSION: Final = frozenset(bytes((letter,)) for letter in b"nredcvlmoksNREDCVLMOKS>?")
_OUTLINE: Final = compiled(
    rb"\b(?:clause|article|art|item|para(?:graph)?|fig(?:ure)?|table|step|appendix|annex"
    rb"|requirement|kapitel|abschnitt|absatz|artikel|ziffer|chapitre|cap\xedtulo|capitolo|rozdzia\xaa"
    rb"|sec[ct]i\xf3n|se\xe7\xe3o|sezione|hoofdstuk|ec|e\.c|outline|heading|patch|tag|package|image"
    rb"|requires?)\b[\s.:#=\"'(-]{0,5}$"
    rb"|\b(?:up|down)grad(?:e|es|ed|ing) $",
    ignore_case=True,
)
_NOUGHT: Final = ord("0")
_BEFORE_OUTLINE: Final = frozenset(b" \t\n.:#(=")
_FEW: Final = rb"(?:[1-9]|[12][0-9]|3[01])"
_SMALL: Final = re.compile(_FEW + rb"(?:\." + _FEW + rb"){3}")
_TO_VERSION: Final = re.compile(rb" ?(?:[-=]>|to|\?) ?[0-9]")
"""A place in a document has four small numbers and no nought; a machine's address may be an item,
too. And what is upgraded to a version is one where it begins as no machine's address does."""
_VERSION_SIGNS: Final = frozenset(b"/\xa7^~@")
_COMPARED: Final = tuple(b"%c=%s" % (sign, blank) for sign in b"=<>~!" for blank in (b"", b" "))
_BEHIND_COMPARED: Final = frozenset(b"= ")
"""What the words and signs end with that say before an address that it is a version."""
_NEAR: Final = 6
_WINDOW: Final = 48


def ipv4s(near: Nearby) -> list[Span]:
    """All of them. From a point on, which the library finds quickly; not where points are
    disguised."""
    data = near.data
    found: list[Span] = []
    if any(point in data for point in _DISGUISED_POINTS):
        for start, end in _IPV4.spans(data):
            found += ipv4(data, start, end)
        return found
    done = 0
    next_from, padded = _FROM_POINT.search, near.padded
    while (seen := next_from(data, done)) is not None:
        start, end = seen.span()
        least = max(done, start - _LONGEST_OCTET)
        while start > least and data[start - 1] in _DIGITS:
            start -= 1
        spans = ipv4(data, start, end)
        found += spans
        done = end
        if spans and padded[end] in _APART and (listed := _LISTED.match(data, end)) is not None:
            done = listed.end()
            found += [
                Span(each.start(), each.end(), kind.IP, SHAPED)
                for each in _OF_LIST.finditer(data, end, done)
            ]
    return found


def ipv4(data: bytes, start: int, end: int) -> tuple[Span, ...]:
    """Four octets that are no version, no section number and no piece of a longer row."""
    if _ADDRESS.fullmatch(data, start, end) is None:
        return ()
    behind, beyond = data[end] if end < len(data) else 0, data[end + 1 : end + 2]
    if behind in _DIGITS or (behind in _JOINS and beyond.isdigit()):
        return ()
    if (behind in _BEGIN_PATH and not (behind == _BLANK and beyond.isalpha())) and (
        _PATH_BEHIND.match(data, end)
        or (
            _POINT_BEHIND.match(data, end)
            and _POINT_BEFORE.search(data, max(0, start - _NEAR), start)
        )
    ):
        return ()
    before = data[max(0, start - _NEAR) : start]
    sign = before[-1] if before else 0
    if sign in _DIGITS or (sign in _JOINS and before[-2:-1].isalnum()):
        return ()
    if (
        sign in _ENDS_GROUP
        and end - start == _SIZE_OF_PAIRS
        and _OF_CALLED.search(data, max(0, start - _BEFORE_CALLED), start)
    ):
        return ()
    if sign in _PATH_SIGNS and _PATH_BEFORE.search(before):
        return ()
    if (
        sign in _VERSION_SIGNS
        or before.rstrip(_BEHIND_VERSION)[-1:] in _ENDS_VERSION
        or (sign in _BEHIND_COMPARED and before.endswith(_COMPARED))
    ) and _VERSION.occurs(data[max(0, start - _WINDOW) : start]):
        return ()
    if sign in _BEFORE_OUTLINE and _is_of_document(data, start, end):
        return ()
    return (Span(start, end, kind.IP, SHAPED),)


def _is_of_document(data: bytes, start: int, end: int) -> bool:
    """Whether four numbers are the place of something in a text, or a version, by their label."""
    is_small = _SMALL.fullmatch(data, start, end) is not None
    if is_small or (data[start] == _NOUGHT and _TO_VERSION.match(data, end)):
        return _OUTLINE.occurs(data[max(0, start - _WINDOW) : start])
    return False


def ipv6(data: bytes, start: int, end: int) -> Iterator[Span]:
    """RFC 4291 text forms; times and ratios have too few groups."""
    start += data[start : start + 1] == b":" != data[start + 1 : start + 2]  # IP:2001:db8::1
    text = data[start:end]
    if b"::" not in text and (text.count(b":") < _GROUPS - 1 or _PAIRS.fullmatch(text)):
        return
    if data[end : end + 1].isdigit() and not data[end + 1 : end + 2].isalnum():
        text = _PORT.sub(b"", text)
        end = start + len(text)
    if data[max(0, start - 1) : start].isalnum() or data[end : end + 1].isalnum():
        return
    if not any(48 <= byte <= 57 for byte in text):
        return
    if _STRIDE.fullmatch(text) and _OF_ROW.search(data, max(0, start - _BEFORE_STRIDE), start):
        return
    if _PLACES.fullmatch(text) and not _NETWORK.search(data, max(0, start - _WINDOW), start):
        return
    for value in (text, text.rstrip(b":"), _PORT.sub(b"", text)):
        try:
            address = ipaddress.IPv6Address(value.decode("latin-1"))
        except ValueError:
            continue
        if not (address.is_loopback or address.is_unspecified):
            yield Span(start, start + len(value), kind.IP, SHAPED + 1)
        return
