"""Telephone numbers: E.164 calling codes, the North American plan, national groupings.

The trap: a telephone number has no check digit. Its form alone decides only where the form is
telling (a calling code, brackets, 3-3-4, a trunk zero); anything else needs a word beside it.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from typing import Final

from federation.guardrails.days import is_date, may_be_date
from federation.guardrails.nearby import Nearby
from federation.guardrails.patterns import compiled
from federation.guardrails.phone_words import (
    BEFORE,
    INITIAL,
    LABEL,
    VERB,
    VERB_ABROAD,
    VERB_AND_NAME,
)
from federation.guardrails.row_shapes import loosened

_CODES: Final = (
    "1 7 20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 "
    "62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 98 211 212 213 216 218 220 221 222 223 224 "
    "225 226 227 228 229 230 231 232 233 234 235 236 237 238 239 240 241 242 243 244 245 246 "
    "248 249 250 251 252 253 254 255 256 257 258 260 261 262 263 264 265 266 267 268 269 290 "
    "291 297 298 299 350 351 352 353 354 355 356 357 358 359 370 371 372 373 374 375 376 377 "
    "378 380 381 382 383 385 386 387 389 420 421 423 500 501 502 503 504 505 506 507 508 509 "
    "590 591 592 593 594 595 596 597 598 599 670 672 673 674 675 676 677 678 679 680 681 682 "
    "683 685 686 687 688 689 690 691 692 800 850 852 853 855 856 870 880 881 882 883 886 888 "
    "960 961 962 963 964 965 966 967 968 970 971 972 973 974 975 976 977 979 992 993 994 995 "
    "996 998"
)
_CALLED: Final = frozenset(
    (code + f"{rest:03}"[len(code) :]).encode()
    for code in _CODES.split()
    for rest in range(10 ** (3 - len(code)))
)
"""The first three digits of what begins with a calling code."""

GAP: Final = rb"(?: {0,2}[().\-/]{1,2} {0,2}| {0,2})"
"""No tab, nor three blanks: behind those stands the next column of a table."""
DIGITS_OF_RUN: Final = rb"(?:\+|\(\+?)?[0-9](?:" + GAP + rb"[0-9]){5,19}"
EXTENSION_OF_RUN: Final = rb" ?(?:[xX#]|(?:[eE]xt|EXT)[.:]?|extension) ?[0-9]{1,6}"
RUN: Final = DIGITS_OF_RUN + rb"(?:" + EXTENSION_OF_RUN + rb"\b)?"
_WITHOUT_PREFIX: Final = (
    rb"(?:\([0-9]{3}\)[-. ]?[0-9]{3}[-. ]|[0-9]{3}[- ][0-9]{3}[- ]|[0-9]{3}\.[0-9]{3}\.|"
    rb"[0-9]{3}/[0-9]{3}-)[0-9]{4}"
)
"""Points throughout or nowhere: 252.227-7013 is a clause, 277.764 1035 a place in a drawing."""
NORTH_AMERICAN: Final = re.compile(rb"(?:(?:\+?1|001)[-. ]{1,2}|\+1)?" + _WITHOUT_PREFIX)
_BRACKETS: Final = re.compile(
    rb"\([0-9]{1,5}\)[ \-]?[0-9]{2,5}(?:[ \-][0-9]{2,5}){1,3}"
    rb"|\([0-9]{2,3}\)[./][ ]?[0-9]{2,5}(?:[. \-][0-9]{2,5}){1,3}"
    rb"|\(0[0-9]{1,4}\)[ .\-/]{0,2}(?:[0-9]{5,9}|[0-9]{2,4}/[0-9]{3}(?:-[0-9]{3,4})"
    rb"|[0-9]{2,7}-[0-9]{1,4})"
    rb"|\([1-9][0-9]\)[ ]?9[. ][0-9]{4}[. \-][0-9]{4}"
    rb"|\([0-9]{2,3}\)[ \-/]{0,2}[0-9]{7,9}"
    rb"|1[3-9][0-9]-[0-9]{4}-[0-9]{4}"
    rb"|[078][ \-]?\([0-9]{3,4}\)[ \-]?[0-9]{2,3}[ \-](?:[0-9]{2}[ \-][0-9]{2}|[0-9]{4})"
    rb"|8([ \-])[0-9]{3}\1[0-9]{3}\1[0-9]{2}\1[0-9]{2}"
)
"""Behind brackets several groups, or one that is long, or an extension of one digit; before them
the trunk digit, of Russia also without brackets, behind them the nine of Brazil's mobiles; and
China's mobiles."""
_EXTENSION: Final = re.compile(rb"[ \t]?(?:x|ext[.:]?|extension|#)[ \t]?[0-9]{1,6}$", re.IGNORECASE)
_COUNTS: Final = re.compile(
    rb"[ ](?:[a-z]{3,10}[ ])?(?:users|people|customers|clients|characters|times|items|rows|records"
    rb"|requests|bytes|views|viewers|visitors|subscribers|followers|listeners|readers|voters|students"
    rb"|members|employees|households|tokens|words|lines|iterations|samples|steps|points|units|pieces|copies"
    rb"|miles|dollars|euros)\b",
    re.IGNORECASE,
)
"""Behind a number of things: `reach 17000000 users`."""
_DIGITS: Final = re.compile(rb"[0-9]+")
_SIGNS: Final = bytes(sign for sign in range(256) if chr(sign) not in "0123456789")
_LIKE_NORTH_AMERICAN: Final = re.compile(loosened(NORTH_AMERICAN.pattern))
_SURELY_NORTH_AMERICAN: Final = re.compile(_WITHOUT_PREFIX)
_LIKE_BRACKETS: Final = re.compile(loosened(_BRACKETS.pattern))

_BESIDE: Final = compiled(
    rb"(?:" + BEFORE + rb"|" + VERB + rb"|" + VERB_ABROAD + rb"|" + VERB_AND_NAME + rb")$",
    ignore_case=True,
)
_OWN: Final = compiled(rb"\bmy (?:\w+ )?number\b[^\n0-9]{0,24}$", ignore_case=True)
_OF_PEOPLE: Final = (
    rb"\b(?:customer|client|member(?:ship)?|policy|employee|student|patient|contract|claim|room|"
    rb"flight|meter|registration) (?:number|no|nr|id)\b"
)
_OTHERS: Final = compiled(_OF_PEOPLE + rb"[^\n0-9]{0,24}$", ignore_case=True)
"""Numbers that people have beside those that they are called at."""
_LABELED: Final = (
    (11, compiled(LABEL, ignore_case=True)),
    (13, compiled(INITIAL, ignore_case=True)),
)
"""What stands at once before a number, by how much a number must look like one beside it: its
digits, and twice its groups."""
_AFTER: Final = re.compile(
    rb"[ \t\-,:(\[]{0,3}(?:office|fax|mobile|mob|cell|home|work|phone|tel|landline|direct"
    rb"|num[ae]ra\w{0,10})\b",
    re.IGNORECASE,
)
_NOT_A_PHONE: Final = compiled(
    rb"(?:\b(?:order|invoice|ticket|tracking|case|ref(?:erence)?|version|ver|build|serial|sku|part|"
    rb"isbn|issn|doi|rfc|arxiv|expediente|s/n|pid|uid|commit|account|acct|routing|license|licence|passport|zip|"
    rb"postcode|batch|transaction|confirmation|booking|item|model|po|id|factur[ae]|fattura|pedido|"
    rb"ordine|commande|encomenda|faktur[ay]|siparis|bestelling|mpn|mat|zam[o\xf3]wieni[ae]|seryjny|przesy\xaaki|klienta|umowy|"
    rb"lot|waybill|awb|ndc|nsn|p/n|parcel|shipment|seq|article|drawing|catalog(?:ue)?|aktenzeichen|az|(?:rechnung|auftrag|bestell|vertrag|"
    rb"artikel|kunden|matrikel|mitglied|personal|serien|akten|beleg|vorgang|zeichnung|teile)"
    rb"(?:s|ung)?(?:nummer|nr)?)\b[\s.:#=\"'-]{0,4}"
    rb"(?:(?:number|no|nr|num|n|id|is|code|date)\b[\s.:#=\"'-]{0,4}){0,2}|[#=$\xa3v]|[a-z]-"
    rb"|" + _OF_PEOPLE + rb"[\s.:#=\"'-]{0,4})$",
    ignore_case=True,
)
_OTHER_NAME: Final = compiled(
    rb"\b(?:order|invoice|ticket|tracking|ref(?:erence)?|version|build|serial|sku|part|account|acct|"
    rb"batch|transaction|confirmation|booking|item|model|(?:rechnung|auftrag|bestell|vertrag|kunden|"
    rb"serien)(?:s|ung)?(?:nummer|nr))(?: (?:number|no|nr|code|id))?\b[\s.:#=\"'-]{0,4}$"
    rb"|\bvalues[ ]?\($",
    ignore_case=True,
)
"""What names a number at once is nearer than the word for telephones before it."""
_PLAIN: Final = b"0123456789 ()+-./\t"
"""What a number without an extension is written with."""
_NUMBERS_GO_ON: Final = frozenset(b"0123456789")
_NAMES_GO_ON: Final = _NUMBERS_GO_ON | frozenset(string.ascii_letters.encode())
GOES_ON: Final = _NAMES_GO_ON | frozenset(b"_%@")
"""Signs behind digits that are no telephone number."""
_JOINS: Final = frozenset(b".,-/:")
_JOINS_TOLD: Final = _JOINS - frozenset(b",")
"""A comma stands between the fields of a line, too, and a number that is told is no amount."""
CALM: Final = frozenset(range(256)) - GOES_ON - _JOINS - frozenset(b"#$")
"""Signs that are no part of what stands beside them."""
_BEFORE_NO_PLUS: Final = frozenset(b"0123456789+")  # a bank's reference: +++090/9337/55493+++
_SETS_OFF: Final = frozenset(b"+(")
_LINE_BREAKS: Final = (b"\\n", b"\\N")
_BETWEEN_WORDS: Final = b" \t\n\r\f.:#=\"'-"
_NAMES_AT_ONCE: Final = frozenset((b"#", b"=", b"$", b"\xa3", b"v", b"V", b"/"))
"""Signs before what is no telephone number."""
_ASSIGNED: Final = re.compile(
    rb"(?:\+|001-)[0-9](?:[ ().-]{0,2}[0-9]){9,13}(?![0-9])|\([2-9][0-9]{2}\)"
    rb"|(?:1-)?[2-9][0-9]{2}[-.][2-9][0-9]{2}[-.][0-9]{4}"
    rb"(?![0-9])"
)
"""What is a telephone number behind an equals sign, too: a field of a log."""
_BEFORE_AFTER, _AFTER_SIGNS = b" \t-,:([", 3
_BEGIN_AFTER: Final = frozenset(bytes((letter,)) for letter in b"oOfFmMcChHwWpPtTlLdDnN")
"""Signs between a telephone number and the words behind it, and what those begin with."""
BEFORE_WORD: Final = frozenset(_BEFORE_AFTER).union(*_BEGIN_AFTER)
"""What one of these words, or what stands before it, begins with."""
LOOK_BACK: Final = 56
"""How far back a word is looked for that says that it is one."""
_PAIRS: Final = 5
_PAIR: Final = rb"(?!(?i:ab|ad|be|ce|da|de|fa)\b)[0-9A-Fa-f]{2}"
"""No word: a number that can be called `de 10 h` is none of bytes."""
_PAIRS_BEFORE: Final = re.compile(rb"(?:^|[ \t])" + _PAIR + rb" " + _PAIR + rb" \Z")
_PAIRS_BEHIND: Final = re.compile(rb" " + _PAIR + rb" " + _PAIR + rb"(?![0-9A-Za-z])")
_SIZE_OF_PAIRS: Final = 7
"""Bytes as programs print them, of which five happen to hold no letter."""
_AREA: Final = 6
"""Signs up to a slash behind an area's code: behind another slash it is a step of a path."""
_LIKE_A_PARCEL: Final = [4, 4, 4]
_LIKE_A_ZIP: Final = [5, 4]  # an American postcode with a dash: 02110-1301
_LEAST_TELLING, _WITH_EXIT_CODE = 7, 11
"""Digits of what its form tells, and of a number behind 00, at least."""
_LEAST, MOST = 6, 15
"""Digits: the shortest local numbers, and the longest that E.164 allows."""


@dataclass(frozen=True, slots=True)
class Form:
    """What the shape of a number tells of it. Places are counted from the number's begin."""

    low: int
    high: int
    """Without the brackets that belong to the sentence."""
    end: int
    """Where an extension begins; `high` where there is none."""
    count: int
    """Digits, without those of an extension."""
    groups: int
    plus: bool
    bracketed: bool
    may_be_american: bool
    may_have_trunk_zero: bool
    may_be_date: bool
    surely_american: bool
    may_tell: bool
    """Whether some number of this form is told by it, without a word beside it."""


def form_of(shape: bytes, start: int, end: int) -> Form | None:
    """What the shape from `start` to `end`, which RUN matches, tells of the number there."""
    start, end = _trimmed(shape, start, end)
    run = shape[start:end]
    number = _EXTENSION.sub(b"", run) if run.translate(None, _PLAIN) else run
    groups = _DIGITS.findall(number)
    count = sum(map(len, groups))
    if not _LEAST <= count <= MOST:
        return None
    plus = number.lstrip(b"(").startswith(b"+")
    bracketed = count >= _LEAST_TELLING and _LIKE_BRACKETS.fullmatch(number) is not None
    may_be_american = _LIKE_NORTH_AMERICAN.fullmatch(number) is not None
    may_have_trunk_zero = _may_have_trunk_zero(number, groups, count)
    return Form(
        start,
        end,
        start + len(number),
        count,
        len(groups),
        plus,
        bracketed,
        may_be_american,
        may_have_trunk_zero,
        may_be_date(number),
        _SURELY_NORTH_AMERICAN.fullmatch(number) is not None,
        count >= _LEAST_TELLING
        and (
            len(number) < len(run)
            or plus
            or bracketed
            or may_be_american
            or may_have_trunk_zero
            or (len(groups) > 1 and count >= _WITH_EXIT_CODE)
        ),
    )


def is_told(data: bytes, start: int, form: Form) -> bool:
    """Whether its form alone tells a number in the middle of a row."""
    low, high = start + form.low, start + form.high
    if data[low - 1 : low] in (b"#", b"$"):
        return False
    if _borders_badly(data, low, high):
        return _told_in_fields(data, start, form) is not None
    return tells(data[low : start + form.end], form)


def tells(number: bytes, form: Form) -> bool:
    """The same of one that borders on nothing: `CALM` signs stand before and behind it."""
    return (form.end < form.high or _telling(number, form)) and not (
        form.may_be_date and is_date(number)
    )


def place(
    near: Nearby, start: int, form: Form, *, may_be: bool = False
) -> tuple[int, int, bool] | None:
    """The telephone number in a row of digits that begins at `start`: where, and whether its form
    alone told. None where it is none. `may_be`: its form or a word may say that it is one."""
    data, low, high = near.data, start + form.low, start + form.high
    if high < len(data) and data[high] in GOES_ON:
        return None
    if _borders_badly(data, low, high):
        return _told_in_fields(data, start, form)
    if not (may_be or form.may_tell or may_be_called_so(near, low, high)):
        return None
    number = data[low : start + form.end]
    if form.may_be_date and is_date(number):
        return None
    if form.may_tell and (form.end < form.high or _telling(number, form)):
        if form.groups == _PAIRS and _is_of_dump(data, low, high):
            return None
        if not _is_called_otherwise(data, low) or _is_called_so(near, low, form):
            return low, high, True
    elif (_is_called_so(near, low, form) and not _COUNTS.match(data, high)) or (
        form.groups + form.count // _LEAST_TELLING > 1
        and _AFTER.match(data, high) is not None
        and not _is_called_otherwise(data, low)
    ):
        return low, high, False
    return None


def _told_in_fields(data: bytes, start: int, form: Form) -> tuple[int, int, bool] | None:
    """The same where it stands between the fields of a line, with commas alone between them."""
    low, high = start + form.low, start + form.high
    if not form.may_tell or _borders_badly(data, low, high, _JOINS_TOLD):
        return None
    number = data[low : start + form.end]
    if data[low - 1 : low] == b"," and number[:1] == b"0" and data[low - 2 : low - 1].isdigit():
        return None
    if not (form.end < form.high or _telling(number, form)) or _is_called_otherwise(data, low):
        return None
    return None if form.may_be_date and is_date(number) else (low, high, True)


def may_be_called_so(near: Nearby, low: int, high: int) -> bool:
    """False where no word before or behind can say that it is a telephone number."""
    return is_before_word(near.data, high) or near.may_name_phone(max(0, low - LOOK_BACK), low)


def is_before_word(data: bytes, high: int) -> bool:
    """Whether one of the words that stand behind telephone numbers may begin there."""
    return data[high : high + _AFTER_SIGNS + 1].lstrip(_BEFORE_AFTER)[:1] in _BEGIN_AFTER


def _is_called_so(near: Nearby, low: int, form: Form) -> bool:
    """Whether a word says that a telephone number follows at `low`."""
    data, from_here = near.data, max(0, low - LOOK_BACK)
    if not near.may_name_phone(from_here, low):
        return False
    before = data[from_here:low]
    looks = form.count + 2 * form.groups
    if _BESIDE.occurs(before):
        return form.may_tell or not _OTHER_NAME.occurs(before)
    if _OWN.occurs(before):
        return not (_is_called_otherwise(data, low) or _OTHERS.occurs(before))
    return any(looks >= least and label.occurs(before) for least, label in _LABELED)


def _is_called_otherwise(data: bytes, low: int) -> bool:
    """Whether a word or a sign says that what follows at `low` is something else."""
    before = data[max(0, low - LOOK_BACK) : low]
    if (sign := before[-1:]) in _NAMES_AT_ONCE:
        if sign == b"/":
            return before[-2:-1].isalnum() and data.find(b"/", low, low + _AREA) > 0
        return sign != b"=" or not _ASSIGNED.match(data, low)
    return before.rstrip(_BETWEEN_WORDS)[-1:].isalpha() and _NOT_A_PHONE.occurs(before)


def _trimmed(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Brackets that are not both inside belong to the sentence."""
    if data.find(b"(", start, end) < 0 and data.find(b")", start, end) < 0:
        return start, end
    while start < end:
        run = data[start:end]
        if run[:1] == b"(" and b")" not in run:
            start += 1
        elif run[:1] != b"(" and run.find(b")") != -1 and b"(" not in run:
            end = start + run.find(b")")
        else:
            break
    return start, end


def _borders_badly(data: bytes, start: int, end: int, joins: frozenset[int] = _JOINS) -> bool:
    """Whether the row of digits goes on, or is a piece of a name, a price or an address."""
    if start:
        before = data[start - 1]
        if before in _BEFORE_NO_PLUS and data[start : start + 1] == b"+":
            return True
        if before in _NAMES_GO_ON:  # an escaped line break is no name
            if data[start] not in _SETS_OFF and data[max(0, start - 2) : start] not in _LINE_BREAKS:
                return True
        elif before in joins and start > 1 and data[start - 2] in _NUMBERS_GO_ON:
            return True
    if end == len(data):
        return False
    after = data[end]
    return after in GOES_ON or (after in joins and data[end + 1 : end + 2].isdigit())


def _telling(number: bytes, form: Form) -> bool:
    """Whether the form alone says that it is a telephone number."""
    if form.plus:
        return form.count >= 8 and _digits(number)[:3] in _CALLED
    if form.groups > 1 and form.count >= _WITH_EXIT_CODE and number.startswith(b"00"):
        return _digits(number)[2:5] in _CALLED
    if form.surely_american or (form.bracketed and _BRACKETS.fullmatch(number)):
        return True
    if form.may_be_american and NORTH_AMERICAN.fullmatch(number):
        return True
    if not form.may_have_trunk_zero or b"0" not in number[:2]:
        return False
    digits = _digits(number)
    return digits[:1] == b"0" != digits[1:2]


def _is_of_dump(data: bytes, low: int, high: int) -> bool:
    """Whether pairs of hexadecimal stand at once before or behind pairs of digits."""
    before = _PAIRS_BEFORE.search(data, max(0, low - _SIZE_OF_PAIRS), low)
    return before is not None or _PAIRS_BEHIND.match(data, high) is not None


def _may_have_trunk_zero(number: bytes, groups: list[bytes], count: int) -> bool:
    """A national number as it is written in much of Europe and Asia: 0431 35 06 90."""
    sizes = [len(group) for group in groups]
    if len(sizes) < 2 or (len(sizes) == 2 and (sizes[0] > 6 or sizes[1] < 3)):
        return False
    return (
        9 <= count <= (11 if len(sizes) > 3 or sizes == _LIKE_A_PARCEL else 13)
        and len(groups) <= 5
        and len(groups[0]) >= 2
        and number.count(b"/") <= 1
        and b"/" not in number[6:]
        and not (sizes == _LIKE_A_ZIP and b"-" in number)
    )


def _digits(number: bytes) -> bytes:
    return number.translate(None, _SIGNS)
