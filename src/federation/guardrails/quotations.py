"""Quotations that a person asks about: to translate an attack, or to ask what it means, is none.

The trap: an attacker writes quotation marks, too, and words of a question near them ("You know
what is next: '...'"). So a question or a request must begin a clause, must not be denied, and must
lead to the quotation: straight on, or by pointing at it.
"""

from __future__ import annotations

import re
from typing import Final

from federation.guardrails.patterns import compiled

LONGEST: Final = 600
"""Characters: longer texts are no question about a quotation."""
_QUOTED: Final = re.compile(
    "(?:^|(?<=[\\s(]))(?:\"[^\"\n]{8,100}\"|'[^'\n]{8,100}'(?![^\\W_])|`[^`\n]{8,100}`"
    "|[\u201c\u201e][^\u201c\u201d\u201e\n]{8,100}[\u201c\u201d]"
    "|\u00ab[^\u00ab\u00bb\n]{8,100}\u00bb)"
)
"""No longer: what is handed over in quotation marks to be worked on may hold an attack."""
_QUOTATION_MARK: Final = re.compile("[\"'`\u201c\u201e\u00ab]")
"""What each of them begins with."""
_BEGINS: Final = (
    rb"(?:^|[,:;(\n]|\b(?:please|pls|kindly|and|or|then|to|now|first|also|next|so|but|ok|okay|hi"
    rb"|hey|hello|me|us|wonder|wondering|(?:can|could|would|will) (?:you|we)|bitte|favor"
    rb"|prosz\xc4\x99)\b)"
    rb"[\s\d).>*#\"-]{0,8}"
)
"""What a clause begins with."""
_ASKED: Final = compiled(
    _BEGINS + rb"(?:what (?:does|do|is|are|was)|why (?:does|do|is|are|did|was)"
    rb"|is (?:this|the following)(?: (?:an?|the|one|text|message|prompt|sentence|phrase|string"
    rb"|comment"
    rb"|post|request|line|safe|harmful|malicious|dangerous|toxic|spam|okay|ok|fine|right|correct"
    rb"|really|also|considered)\b|[ \t]*(?:[?:,\"'`]|\xe2\x80|$))|are these|how (?:does|do"
    rb"|would)|which (?:rule|filter))\b",
    ignore_case=True,
)
_WANTED: Final = compiled(
    _BEGINS + rb"(?:(?:translate|classify|explain|label|categori[sz]e|rate|grade"
    rb"|mark (?:each|this|the)|moderate|detect|analy[sz]e|paraphrase|spell[- ]?check|proofread"
    rb"|\xc3\xbcbersetze|erkl\xc3\xa4re|traduis|traduce|traduci|vertaal|traduza"
    rb"|przet\xc5\x82umacz)\b"
    rb"|(?:in )?my novel\b|(?:this|the) log line\b)"
    rb"|\b(?:filter|guard(?:rail)?|rule|scanner|detector|classifier|firewall|check|we|it)s? "
    rb"(?:\w+ly )?(?:caught|blocked|flagged|detect(?:s|ed))\b",
    ignore_case=True,
)
"""What is asked for, or told of a text."""
_DENIED: Final = compiled(
    rb"\b(?:not|never|nothing|no|nobody|cannot|without|instead|rather)\b|n(?:'|\xe2\x80\x99)t\b",
    ignore_case=True,
)
_POINTS: Final = compiled(rb"\b(?:this|that|these|those|following|below)\b", ignore_case=True)
_ORDERED: Final = compiled(
    rb"\b(?:obey|follow|comply|execute|carry out|accordingly|just do|act (?:on|upon)"
    rb"|(?:do|perform|apply) (?:it|so|that|this|these|those|as|what|exactly|everything|all)"
    rb"|(?:says?|said|tells?|told) (?:to )?you"
    rb"|(?:befolge|gehorche|ob\xc3\xa9is|obedece|obbedisci|gehoorzaam|wykonaj))\b",
    ignore_case=True,
)
"""Whoever has a quotation followed does not ask about it."""
_SENTENCE_ENDS: Final = re.compile(r"[.!]\s|[.!]\Z")
_LIST_ENDS: Final = re.compile(r"[.!?]")
_LEADS: Final = re.compile(r"[,:;\-\u2013\u2014]\s*\Z")
_QUESTION_GOES_ON: Final = re.compile(r"[^.!?\n]*\?")


def without_what_is_spoken_of(text: str) -> str:
    """A question about quotations, without those that follow what it asks, in its sentence or as
    further ones of a list. One that is to be followed is left, with all others."""
    if _QUOTATION_MARK.search(text) is None:
        return text
    bare, end, asked = "", 0, False
    for match in _QUOTED.finditer(text):
        between = text[end : match.start()]
        if not asked or _LIST_ENDS.search(between):
            asked = _leads_to_it(_SENTENCE_ENDS.split(between)[-1], text[match.end() :])
        bare += between + (" " if asked else match[0])
        end = match.end()
    if not end:
        return text
    bare += text[end:]
    return text if _ORDERED.occurs(bare.encode("utf-8", "replace")) else bare


def _leads_to_it(sentence: str, behind: str) -> bool:
    """Whether a sentence, up to a quotation, asks about it. `behind`: what comes after it."""
    said = sentence.encode("utf-8", "replace")
    question, mark, rest = sentence.rpartition("?")
    if mark:
        asks = question.encode("utf-8", "replace")
        return not rest.strip(" \t\r\n:") and _POINTS.occurs(asks) and _asks(asks)
    if _WANTED.occurs(said):
        return not _DENIED.occurs(said)
    if not _ASKED.occurs(said):
        return False
    leads = _LEADS.search(sentence) is not None
    return not leads or _POINTS.occurs(said) or _QUESTION_GOES_ON.match(behind) is not None


def _asks(said: bytes) -> bool:
    return _ASKED.occurs(said) or (_WANTED.occurs(said) and not _DENIED.occurs(said))
