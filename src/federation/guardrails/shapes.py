"""Values told by their shape: e-mail and network addresses, hashes, blocks of private keys.

The trap: text glues signs to values (`mailto:`, `?to=`, a closing dot); each check cuts its
candidate down to the value, or refuses it.
"""

from __future__ import annotations

import ipaddress
import re
import string
from collections.abc import Iterator
from typing import Final

from federation.guardrails import entities as kind
from federation.guardrails import secret_rules
from federation.guardrails.entities import CERTAIN, CHECKED, NOTHING, SHAPED, Span
from federation.guardrails.nearby import Nearby
from federation.guardrails.patterns import compiled

_BEYOND: Final = rb"\xAA\xB5\xBA\xC0-\xFF"
"""Letters that are not ASCII, folded."""
_LETTER: Final = rb"[A-Za-z0-9" + _BEYOND + rb"]"
_HOST: Final = rb"(?:" + _LETTER + rb"(?:[A-Za-z0-9" + _BEYOND + rb"-]*" + _LETTER + rb")?\.)+"
_LOCAL_SIGN: Final = rb"[A-Za-z0-9" + _BEYOND + rb"!#$%&'*+/=?^_`{|}~.-]"
_AT_HOST: Final = rb"@" + _HOST + rb"(?:xn--[A-Za-z0-9-]{2,59}|[A-Za-z" + _BEYOND + rb"]{2,24})"
EMAIL: Final = _LOCAL_SIGN + rb"+" + _AT_HOST
LITERAL_EMAIL: Final = (
    rb"[A-Za-z0-9" + _BEYOND + rb"._%+-]{1,64}@\[(?:[Ii][Pp][Vv]6:)?[0-9A-Fa-f:.]{3,45}\]"
)
"""RFC 5321, section 4.1.3: an address of a host in the place of its name."""
QUOTED_EMAIL: Final = rb"\"[^\"@\r\n]{1,64}\"@" + _HOST + rb"[A-Za-z" + _BEYOND + rb"]{2,24}"
"""RFC 5322, section 3.4.1: a local part in quotation marks."""
_AT_IN_BRACKETS: Final = rb"[ ]?[\[({<] ?(?:at|AT|@|arroba) ?[\])}>][ ]?"
_DOT_IN_BRACKETS: Final = rb"[ ]?[\[({<] ?(?:dot|DOT|punkt|point|punto|\.) ?[\])}>][ ]?"
_DOT_IN_WORDS: Final = rb"[ _-]+(?:dot|DOT)[ _-]+"
_AT: Final = rb"(?: ?@ ?|" + _AT_IN_BRACKETS + rb"|[ _-]+(?:at|AT)[ _-]+)"
_DOT: Final = rb"(?: ?\. ?|" + _DOT_IN_BRACKETS + rb"|" + _DOT_IN_WORDS + rb")"
_KNOWN_ENDS: Final = (
    rb"(?:com|org|net|edu|gov|mil|info|biz|io|dev|ai|app|co|me|de|uk|fr|es|it|nl|be|ch|at|pl"
    rb"|se|no|dk|fi|eu|us|ca|au|in|br|jp|cn|ru|pt|ie|cz|sk|hu|ro|gr|lu|lt|lv|ee|hr|bg|ua|tr|mx|ar"
    rb"|cl|nz|za|kr|example|test|xyz|online|shop|store|site|tech|cloud|tv|pro|name|museum)"
)
_NAME: Final = rb"[A-Za-z0-9-]+"
_LOCAL: Final = rb"[A-Za-z0-9" + _BEYOND + rb"._%+-]+"
_SPELLED_LOCAL: Final = (
    _LOCAL + rb"(?:(?:" + _DOT_IN_BRACKETS + rb"|" + _DOT_IN_WORDS + rb")" + _LOCAL + rb"){0,3}"
)
SPELLED_EMAIL: Final = (
    (_SPELLED_LOCAL + _AT_IN_BRACKETS + _NAME)
    + (rb"(?:" + _DOT_IN_BRACKETS + _NAME + rb"){0,3}" + _DOT_IN_BRACKETS + rb"[A-Za-z]{2,24}\b|")
    + (_SPELLED_LOCAL + _AT + _NAME)
    + (rb"(?:" + _DOT + _NAME + rb"){0,4}?" + _DOT)
    + (_KNOWN_ENDS + rb"\b(?:" + _DOT_IN_WORDS + rb"[A-Za-z]{2}\b)?")
)
"""With both in brackets it ends with any name, and else with a known one, and a country's."""
_SPACED: Final = rb"[A-Za-z0-9](?:[ -]{1,3}[A-Za-z0-9])*"
SPACED_EMAIL: Final = (
    (rb"\b[A-Za-z0-9](?:[ ._-]{1,3}[A-Za-z0-9])*[ ]{1,3}@[ ]{1,3}" + _SPACED)
    + (rb"(?:[ ]{0,3}\.[ ]{0,3}" + _SPACED + rb")*")
    + rb"[ ]{0,3}\.[ ]{0,3}[A-Za-z](?:[ ]{1,3}[A-Za-z]\b){1,9}"
)
_FROM_AT: Final = re.compile(_AT_HOST)
_LOCAL_SIGNS: Final = b"".join(re.findall(_LOCAL_SIGN, bytes(range(256))))
_GLUE: Final = (b"=", b"/", b"'", b"`", b"|", b"{", b"?", b"&")
_GLUE_SIGNS: Final = b"".join(_GLUE)
_LONGEST_LOCAL: Final = 320
_PICTURES: Final = (b".png", b".jpg", b".jpeg", b".gif", b".svg", b".webp", b".avif")
"""No host's name ends so; `logo@2x.png` is a picture for sharp screens."""
_LONGEST_ENDING: Final = 5
_REPOSITORY: Final = b"git"
_PATH_OF_REPOSITORY: Final = re.compile(rb"[:/][A-Za-z0-9_.~-]+/[A-Za-z0-9_.-]")
"""`git@host:team/project.git` is where code is fetched, and nobody's mailbox."""

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
_NOBODYS: Final = rb"(?:0|127|255)[^0-9]|2\.5\.(?:4|29)\.[0-9]{1,2}\Z"  # the latter: X.520, X.509
_ADDRESS: Final = re.compile(rb"(?!" + _NOBODYS + rb")" + _BYTE + (rb"[^0-9]+" + _BYTE) * 3)
"""Four octets without noughts before them, of an address that is somebody's."""
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
    rb"section|sec|rev|chapter|firmware|oid|driver|kernel|sdk|jdk|bios)\b[\s.:#=\"'(-]{0,5}"
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

_HEX: Final = rb"[0-9A-Fa-f]"
UUID: Final = (
    rb"\b" + _HEX + rb"{8}-" + (_HEX + rb"{4}-") * 3 + _HEX + rb"{12}\b"
)  # RFC 9562, section 4
_UUID: Final = re.compile(
    rb"-(?<=\b[0-9A-Fa-f]{8}-)" + rb"[0-9A-Fa-f]{4}-" * 3 + rb"[0-9A-Fa-f]{12}\b"
)
"""Read from its first dash on, which the library finds quickly."""
_BEFORE_DASH: Final = 8
_SHORTEST_HASH, _LONGEST_HASH = 32, 128
HASH: Final = rb"\b(?:[0-9a-f]{32,128}|[0-9A-F]{32,128})\b"
_HEX_SHAPES: Final = bytes(
    ord("a" if chr(sign) in string.hexdigits else " ") for sign in range(256)
)
_HEX_DIGITS: Final = string.hexdigits.encode()
_SHORTEST_HASH_SHAPE: Final = b"a" * _SHORTEST_HASH
_IN_WORD: Final = frozenset((string.ascii_letters + string.digits + "_").encode())
PARCEL: Final = (
    rb"\b1Z(?: ?[0-9A-Z]{3}){2} ?[0-9A-Z]{2} ?[0-9A-Z]{4} ?[0-9A-Z]{3} ?[0-9A-Z]\b|"
    rb"\b9[1-5][0-9]{2}(?: [0-9]{4}){4} [0-9]{2}\b"
)
"""Carriers' tracking numbers: as long as a card with two signs before it, or groups of which four
are like a card's."""
_ACCOUNT_BEFORE: Final = re.compile(rb"[A-Za-z]{2}[0-9]{2} \Z")
_CLOCK: Final = rb"[0-2][0-9][:.]?[0-5][0-9](?:[:.]?[0-5][0-9](?:[.,][0-9]{1,9})?)?"
MOMENT: Final = (
    rb"\b(?:19|20)[0-9]{2}[-/.][01][0-9][-/.][0-3][0-9]"
    + (rb"(?:[T _]" + _CLOCK)
    + rb"(?:Z| ?[+-][0-2][0-9]:?[0-5][0-9])?)?"
)
_MOMENT: Final = re.compile(MOMENT)
_MOMENT_SHAPES: Final = bytes(
    ord("0" if chr(sign) in string.digits else "-" if chr(sign) in "-/." else " ")
    for sign in range(256)
)
_DAY_SHAPE: Final = b"0000-00-00"
_KEY_FOOT: Final = compiled(secret_rules.PRIVATE_KEY_FOOT)
_KEY_BODY: Final = compiled(secret_rules.PRIVATE_KEY_BODY)


def emails(near: Nearby) -> list[Span]:
    """All of them, from their signs on, which the library finds quickly."""
    data = near.data
    found: list[Span] = []
    done, at = 0, data.find(b"@")
    while at >= 0:
        host = _FROM_AT.match(data, at)
        start = at if host is None else done + len(data[done:at].rstrip(_LOCAL_SIGNS))
        if host is not None and start < at:
            done = host.end()
            found += email(data, start, done)
        at = data.find(b"@", at + 1)
    return found


def email(data: bytes, start: int, end: int) -> tuple[Span, ...]:
    """RFC 5321 mailboxes, without what is glued to their front."""
    local = data[start : data.rindex(b"@", start, end)]
    kept = local.lstrip(b".!#$%&'*/=?^`{|}~-")
    if not kept or len(kept) > _LONGEST_LOCAL:
        return ()
    if data[end - _LONGEST_ENDING : end].lower().endswith(_PICTURES):
        return ()
    if kept == _REPOSITORY and _PATH_OF_REPOSITORY.match(data, end):
        return ()
    if len(kept.translate(None, _GLUE_SIGNS)) < len(kept):
        for sign in _GLUE:
            kept = kept[kept.rfind(sign) + 1 :] or kept
    return (Span(start + len(local) - len(kept), end, kind.EMAIL, CHECKED),)


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
    for seen in _FROM_POINT.finditer(data):
        start, end = seen.span()
        least = max(done, start - _LONGEST_OCTET)
        while start > least and data[start - 1] in _DIGITS:
            start -= 1
        found += ipv4(data, start, end)
        done = end
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


def literal_email(data: bytes, start: int, end: int) -> Iterator[Span]:
    """A mailbox at a host's address; with a port behind it somebody logs in there."""
    if data[end : end + 1] != b":":
        yield Span(start, end, kind.EMAIL, CHECKED)


def parcel(data: bytes, start: int, end: int) -> Iterator[Span]:
    """A carrier's number that is no end of an account number in groups."""
    if not _ACCOUNT_BEFORE.search(data, max(0, start - _NEAR), start):
        yield Span(start, end, NOTHING, CHECKED + 1)


def uuids(near: Nearby) -> list[Span]:
    """RFC 9562, which take their places so that nothing is read out of their middles."""
    return [
        Span(seen.start() - _BEFORE_DASH, seen.end(), NOTHING, CHECKED + 1)
        for seen in _UUID.finditer(near.data)
    ]


def digests(near: Nearby) -> list[Span]:
    """The same for digests in hexadecimal: words that are nothing else."""
    data = near.data
    found: list[Span] = []
    if not near.may_hold_digests:
        return found
    for start, end in near.runs:
        if end - start < _SHORTEST_HASH:
            continue
        run = data[start:end]
        if not run.isalnum():
            # Of so few signs the middle ones are in each digest.
            if end - start >= 2 * _SHORTEST_HASH or run[-_SHORTEST_HASH:_SHORTEST_HASH].isalnum():
                found += _digests_within(data, start, end)
        elif (
            end - start <= _LONGEST_HASH
            and (run.islower() or run.isupper())
            and not (run.strip(_HEX_DIGITS) or run.isalpha())
        ):
            found.append(Span(start, end, NOTHING, CHECKED + 1))
    return found


def _digests_within(data: bytes, low: int, high: int) -> Iterator[Span]:
    """The same in a long run with signs in it."""
    shape = data[low:high].translate(_HEX_SHAPES)
    start = shape.find(_SHORTEST_HASH_SHAPE)
    while start >= 0:
        end = shape.find(b" ", start + _SHORTEST_HASH)
        end = len(shape) if end < 0 else end
        word = data[low + start : low + end]
        if (
            end - start <= _LONGEST_HASH
            and (word.islower() or word.isupper())
            and not word.isalpha()
            and (start == 0 or data[low + start - 1] not in _IN_WORD)
            and (low + end == len(data) or data[low + end] not in _IN_WORD)
        ):
            yield Span(low + start, low + end, NOTHING, CHECKED + 1)
        start = shape.find(_SHORTEST_HASH_SHAPE, end)


def moments(near: Nearby) -> list[Span]:
    """Days, and times of the day behind them, which take their places where nothing else does."""
    data = near.data
    shape = data.translate(_MOMENT_SHAPES)
    places: list[Span] = []
    at = 0
    while (at := shape.find(_DAY_SHAPE, at)) >= 0:
        moment = _MOMENT.match(data, at)
        at = at + 1 if moment is None else moment.end()
        if moment is not None:
            places.append(Span(moment.start(), at, NOTHING, SHAPED - 1))
    return places


def private_key(data: bytes, start: int, end: int) -> Iterator[Span]:
    """RFC 7468: the head line, what stands below it, and the foot line where it came."""
    stop = _KEY_BODY.end_at(data, end)
    foot = _KEY_FOOT.first(data, stop)
    if foot is not None and foot[0] <= stop + 1:
        stop = foot[1]
    yield Span(start, stop, kind.PRIVATE_KEY, CERTAIN)
