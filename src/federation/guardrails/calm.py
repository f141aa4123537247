"""Which words of a text are nothing, and which may be a value, a part of one or the name of one.

The trap: what a single word tells is told of the word alone; single letters, brackets and months
are no values, and stand in the middle of them.
"""

from __future__ import annotations

import re
from typing import Final

from federation.guardrails import columns
from federation.guardrails.patterns import compiled

LONGEST_CALM: Final = 30
_SPELLED: Final = rb"[(\[{<](?i:at|@|arroba|dot|punkt|point|punto|\.)|[_-](?:at|AT|dot|DOT)[_-]"
_KEY: Final = rb"[._-][A-Za-z0-9_-]{20}|[a-z]_(?:live|test|prod)_|xox[a-z]-"
"""What a key has that may be made of letters alone."""
HOT: Final = compiled(
    rb"[0-9@%&\\\x1a\x1c]|-----|[A-Z]{2}|^[_-]*(?:[Aa]t|[Dd]ot|AT|DOT)[\W_]*$|"
    + _SPELLED
    + b"|"
    + _KEY
)
_MONTHS: Final = (
    "january february march april june july august september october november december "
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre "
    "janeiro fevereiro mar\xe7o maio junho julho setembro outubro novembro dezembro"
)
_MONTH: Final = b"(?i:%b)|May|MAY|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec" % (
    _MONTHS.replace(" ", "|").encode("latin-1")
)
"""Of the languages that put a word between a day and its month."""
_LONE: Final = rb"[b-zB-HJ-Z._+&\[\](){}<>-]"
_COMMENT: Final = rb"<!--|-->"
GOES_ON: Final = compiled(rb"^(?:" + _LONE + rb"|(?:" + _MONTH + rb")\W*)$|" + _COMMENT)
"""Words that are nothing by themselves, and may stand in the middle of a value; also those at a
comment of HTML, which a value goes on over: a word in it must not make two calm ones in a row."""
OF_A_MONTH: Final = (b"of", b"de")
"""Behind a day: the month behind it may be any language's, or a word like `may`."""
SAYS_WHOSE: Final = frozenset(b"is was as for my his her their the".split())
BEFORE_LABEL: Final = re.compile(
    rb"(?:(?<![0-9])|(?<=%[2-7][0-9A-Fa-f])|(?<=\\x[2-7][0-9A-Fa-f])"
    rb"|(?<=\\u00[2-7][0-9A-Fa-f]))[0-9]{3}[ -]?[0-9]{2}[ -]?[0-9]{4} "
    rb"(?:(?:is|was|as|for) )?\Z",
    re.IGNORECASE,
)
"""Nine digits, behind which such words say that it is somebody's American number."""
_BEGINS_MIDDLE: Final = frozenset(
    word[:size]
    for word in (*_MONTHS.split(), "may", "sept", "at", "dot")
    for size in range(1, len(word) + 1)
)
"""What such a word begins with, if it has more than one letter."""
_LETTERS: Final = re.compile(r"\A[^\W\d_]+")
_NAMES: Final = (
    rb"key|secret|token|pass|pwd|bearer|basic|credential|licen|swift|\bbic\b|connection"
    rb"|contras|senha|wachtw|curl|mysql|mariadb|redis-?cli|docker login|has\xaao"
)
NAMES_A_VALUE: Final = compiled(_NAMES, ignore_case=True)
_ALL_NAMES: Final = _NAMES + b"|" + columns.NAME
NAMES_ANY: Final = compiled(_ALL_NAMES, ignore_case=True)
"""The same, or the name of a column: what stands below it may be behind any words."""
OPENED: Final = re.compile(
    rb"(?i:curl|mysql|mariadb|sshpass|redis-?cli|docker login|pgpassword)[^\n]{0,128}"
    rb"[\s=pPuU](?:\"[^\"\n]{0,128}|'[^'\n]{0,128})\Z"
)
"""A command line with an open quotation: a password in it may be of calm words."""
_NOT_CALM: Final = (
    rb"[0-9@%&\\\x1a\x1c]|-----|[A-Z]{2}|(?:\b|_)(?:[Aa]t|[Dd]ot)(?:\b|_)|[^\s?]{31}|"
    + _SPELLED
    + b"|"
    + _KEY
    + rb"|\b(?:"
    + _MONTH
    + rb")|(?:^|[\s?,;:])"
    + _LONE
    + rb"(?:[\s?]|$)|"
    + _COMMENT
)
NOT_CALM: Final = compiled(_NOT_CALM)
"""Whatever makes a word hot, or too long to be calm; and some more."""
NOT_PLAIN: Final = compiled(_NOT_CALM + b"|(?i:" + _ALL_NAMES + b")")
"""The same, or a name."""
FARTHEST: Final = 48
"""Characters, more than any of that has: whatever ends in what is new begins no farther back."""
_SET_OFF: Final = re.compile(
    rb"(?=[A-Za-z]*[AC-HJ-NPRT-Ya-km-np-z])"
    rb"(?:[A-Za-z]{2,30}[,;?]|(?=[A-Fa-f]*[G-Zg-z])[A-Za-z]{2,30}:)"
)
"""A word and a sign that no value goes on over behind letters, whatever follows: not where all of
them may stand for digits, nor for a group of an address before a colon."""
_GREETING: Final = re.compile(
    rb"(?i:hello|hi|hey|hiya|greetings|welcome|thanks|sure|yes|yeah|yep|no|nope|okay|great|good|nice"
    rb"|right|correct|exactly|indeed|absolutely|certainly|definitely|perfect|excellent|awesome"
    rb"|fantastic|wonderful|amazing|wow|congratulations|congrats|gladly|understood|done"
    rb"|hola|claro|gracias|perfecto|bonjour|salut|merci|parfait|absolument|hallo|gerne|danke|klar"
    rb"|ciao|certo|grazie|ol\xe1|oi|obrigad[oa])!"
)
"""What answers begin with and nobody is called. An exclamation mark may stand in a mailbox, and a
full stop does, so no other word is told for one; of `Hello!jane@example.org` this is no loss."""
_BLANK: Final = b" \t\n\r\f\v"


def begins_anew(word: bytes) -> bool:
    """Whether no value reaches over the border before a word that begins like this, if the one
    before it is calm. What is true of a beginning is true of the whole word."""
    head = word.decode("latin-1")
    if not head.isalpha():
        head = "".join(_LETTERS.findall(head))
    return (len(head) > 1 or head == "I") and head.lower() not in _BEGINS_MIDDLE


def set_off(read: bytes, at: int, *, first: bool) -> int:
    """How long the word and the sign are that stand there behind a blank, if the sign sets it off
    from what follows; else 0. What is said `first` of all may be a greeting."""
    match = None if at and read[at - 1] not in _BLANK else _SET_OFF.match(read, at)
    if first and not at and match is None:
        match = _GREETING.match(read)
    return 0 if match is None else match.end() - at
