"""The readings of a text in which an attack on a model is looked for: as it is, and as a model
reads through a disguise. Offsets do not matter here, so a reading may drop and join what it likes.

The trap: each reading is searched once more, so all but the first are made only where a cheap look
at the text shows cause.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import islice
from typing import Final

from federation.guardrails.encoded import encoded, long_runs
from federation.guardrails.layers import decode, fold
from federation.guardrails.patterns import compiled

_UNSEEN: Final = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff\U000e0000-\U000e007f]")
_ACCENTED: Final = bytes(
    ord(bare) if (bare := unicodedata.normalize("NFKD", chr(code))[0]).isascii() else code
    for code in range(256)
)
"""Letters of Latin-1 without what stands above and below them."""
_SPELLED_BYTES: Final = rb"(?:^|[^a-z])(?:[a-z][ ._*|/-]{1,3}){5}"
_SPELLED: Final = compiled(_SPELLED_BYTES)
_SPELLED_RUN: Final = re.compile(r"(?<![^\W_])(?:[^\W\d_][ ._*|/-]{1,3}){5,}[^\W\d_](?![^\W_])")
_SINGLE: Final = re.compile(r"(?<=\w)[^\w\n](?=\w)|_")
_WORD_A_LINE_BYTES: Final = rb"(?:^|\n)(?:[a-z]{1,16}[ \r]{0,2}\n){2}"
_WORD_A_LINE: Final = compiled(_WORD_A_LINE_BYTES)
_MIXED_BYTES: Final = rb"[a-z][013457]{1,3}[a-z]"
_MIXED: Final = compiled(_MIXED_BYTES)
_JOINED_BYTES: Final = (
    rb"(?:ignore|disregard|forget|override|bypass|reveal|drop|cancel)(?:[_+-][a-z]{2,16}){2}"
)
_JOINED: Final = compiled(_JOINED_BYTES)
_JOINTS: Final = bytes.maketrans(b"_+-", b"   ")
_ANY_CAUSE: Final = compiled(
    b"|".join((_SPELLED_BYTES, _WORD_A_LINE_BYTES, _MIXED_BYTES, _JOINED_BYTES))
)
_FEWEST_MIXED: Final = 3
_LETTERS: Final = bytes.maketrans(b"013457", b"oieast")


def readings(text: str) -> list[bytes]:
    """`text` in lower case: as it is, look-alikes folded, escapes and base64 read, letters that are
    set apart put together, digits in words as the letters that they look like."""
    ascii_only = text.isascii()
    plain = text if ascii_only else unicodedata.normalize("NFKC", _UNSEEN.sub("", text))
    plain = plain.lower()
    views = [plain.encode("utf-8", "replace")]
    folded = fold(text)
    decoded = decode(folded)
    if decoded is not None or not ascii_only:
        views.append((decoded or folded).data.translate(_ACCENTED).lower())
    if not ascii_only and _UNSEEN.search(text):
        views.append(_UNSEEN.sub(" ", text).lower().encode("utf-8", "replace"))
    if _ANY_CAUSE.occurs(views[0]):
        views += _undone(plain, views[0])
    views += [
        each.text.lower().encode("utf-8", "replace")
        for each in encoded(folded.data, long_runs(folded.data))
    ]
    return views


def _undone(plain: str, data: bytes) -> list[bytes]:
    """Readings without what sets letters and words apart, or stands for letters."""
    views: list[bytes] = []
    if _SPELLED.occurs(data):
        views.append(_SPELLED_RUN.sub(_together, plain).encode("utf-8", "replace"))
    if _WORD_A_LINE.occurs(data):
        views.append(b" ".join(data.split()))
    if _JOINED.occurs(data):
        views.append(data.translate(_JOINTS))
    if len(list(islice(_MIXED.spans(data), _FEWEST_MIXED))) == _FEWEST_MIXED:
        views.append(data.translate(_LETTERS))
    return views


def _together(run: re.Match[str]) -> str:
    """Letters by themselves as words; more than one sign between them parts two words."""
    return " ".join(_SINGLE.sub("", run[0]).split())
