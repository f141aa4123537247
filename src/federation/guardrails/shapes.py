"""Values told by their shape: e-mail addresses, hashes, moments, blocks of private keys.

The trap: text glues signs to values (`mailto:`, `?to=`, a closing dot); each check cuts its
candidate down to the value, or refuses it.
"""

from __future__ import annotations

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
_GLUE: Final = (b"=", b"/", b"'", b"`", b"|", b"{", b"?", b"&", b"*")
_GLUE_SIGNS: Final = b"".join(_GLUE)
_LONGEST_LOCAL: Final = 320
_PICTURES: Final = (b".png", b".jpg", b".jpeg", b".gif", b".svg", b".webp", b".avif")
"""No host's name ends so; `logo@2x.png` is a picture for sharp screens."""
_LONGEST_ENDING: Final = 5
_REPOSITORY: Final = b"git"
_PATH_OF_REPOSITORY: Final = re.compile(rb"[:/][A-Za-z0-9_.~-]+/[A-Za-z0-9_.-]")
"""`git@host:team/project.git` is where code is fetched, and nobody's mailbox."""

_NEAR: Final = 6
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
    next_from, moment_at = data.translate(_MOMENT_SHAPES).find, _MOMENT.match
    places: list[Span] = []
    at = next_from(_DAY_SHAPE)
    while at >= 0:
        moment = moment_at(data, at)
        end = at + 1 if moment is None else moment.end()
        if moment is not None:
            places.append(Span(at, end, NOTHING, SHAPED - 1))
        at = next_from(_DAY_SHAPE, end)
    return places


def private_key(data: bytes, start: int, end: int) -> Iterator[Span]:
    """RFC 7468: the head line, what stands below it, and the foot line where it came."""
    stop = _KEY_BODY.end_at(data, end)
    foot = _KEY_FOOT.first(data, stop)
    if foot is not None and foot[0] <= stop + 1:
        stop = foot[1]
    yield Span(start, stop, kind.PRIVATE_KEY, CERTAIN)
