"""Words of other scripts that a telephone number or an identity number stands behind.

Folding keeps no letters of these scripts, so the words are looked for before it, and one byte
that stands for any of them takes the place of each of their characters. The trap: that is done
only where digits follow, for most texts in these scripts hold no number.
"""

from __future__ import annotations

import re
from typing import Final

from federation.guardrails.patterns import compiled

NAMES_PHONE, NAMES_ID = b"\x81", b"\x82"
"""What such a word is folded to: signs that nobody types."""
SIGNS: Final = "☎☏✆✇📞📱📲📠🕻🕼🕽🕾🕿"
"""Pictures of telephones, which no letter stands for."""
_LOOK_BACK: Final = 40
_ROW: Final = compiled(rb"[0-9](?:[ ().+/-]{0,3}[0-9]){7}")
_PHONE: Final = (
    r"\bтел(?:\b|еф)|\bмоб(?:\b|ил)|\bсотов|\bфакс|звони|\bдзвон|\bватсап|\bвотсап|\bконтактн"
    r"|\b(?:мой|наш|его|ее|её|мій|новый|личный|рабочий)\s(?:\w{1,12}\s)?номер|\b(?:по|на)\sномеру?\b"
    r"|\bτηλ(?:\b|[εέ]φ)|\bκιν(?:\b|ητ)|\bφαξ|καλ[εέ]σ"
    r"|טל(?:פון|['׳.:])|\bנייד|פלאפון|\bפקס|התקשר"
    r"|هاتف|جوال|موبايل|رقمي|اتصل|تليفون|فاكس|تلفن|همراه"
    r"|موبایل|شماره\s?(?:ی\s)?تماس|فون\b|موبائل"
    r"|फ़?ोन|फोन|मोबाइल|नंबर|संपर्क|दूरभाष|ফোন|মোবাইল|தொலைபேசி|மொபைல்"
    r"|கைபேசி|ఫోన్|ಫೋನ್|ફોન|ਫੋਨ|ഫോൺ|ტელ[.:ე]|მობ[.:ი]|հեռ[.:ա]|ទូរស័ព្ទ|ໂທ|ဖုန်း|ስልክ"
    r"|โทร|เบอร์|มือถือ"
    r"|電話|电话|電洽|手[機机]|携帯|热[线線]|熱線|[ご御]連絡(?:先)?は|ケータイ|スマホ|連絡先|[联聯][系絡繫]|致[电電]|[拨撥请請]打|座[机機]|[传傳]真|ファックス"
    r"|お問い?合わ?せ(?!番号)"
    r"|전화|휴대폰|핸드폰|연락처|연락|팩스|(?:제|내|저희)\s?번호"
)
_ID: Final = r"マイナンバー|個人番号|आधार"
_WORDS: Final = re.compile(f"(?P<phone>{_PHONE})|{_ID}", re.IGNORECASE)


def _loosened(words: str) -> bytes:
    """A pattern over the bytes of UTF-8 that finds in small letters what `words` does, and more."""
    words = re.sub(r"\\b|\(\?![^)]*\)", "", words)
    words = words.replace(r"\w{1,12}", r"\S{1,48}").replace(r"\s", r"(?:[\s\x80-\xff]{1,3})")
    words = re.sub(r"([^\x00-\x7f])\?", r"(?:\1)?", words)
    words = re.sub(
        r"\[([^\]\\]+)\]", lambda signs: f"(?:{'|'.join(map(re.escape, signs[1]))})", words
    )
    return words.encode("utf-8")


_LIKE_PHONE: Final = compiled(_loosened(_PHONE))


def named(text: str, folded: bytes) -> bytes:
    """`folded`, one byte for each character of `text`, with these words marked before rows of
    digits."""
    marked: bytearray | None = None
    looked = 0  # a word before that would have been found before the row that begins there
    for start, end in _ROW.spans(folded):
        for word in _WORDS.finditer(text, max(looked, start - _LOOK_BACK), start):
            low, high = word.span()
            mark = NAMES_PHONE if word["phone"] else NAMES_ID
            marked = marked or bytearray(folded)
            marked[low:high] = mark * (high - low)
        looked = end
    return folded if marked is None else bytes(marked)


def named_run(run: str, folded: bytes) -> bytes:
    """The same for a run of characters that stands among others."""
    word = _WORDS.search(run)
    if word is None:
        return folded
    mark = NAMES_PHONE if word["phone"] else NAMES_ID
    return folded[: word.start()] + mark * (word.end() - word.start()) + folded[word.end() :]


def may_name_phone(text: str) -> bool:
    """Whether one of the words for telephones may stand there: quickly, where most hold none."""
    return _LIKE_PHONE.occurs(text.casefold().encode("utf-8", "surrogatepass"))


def mark_names(text: str, folded: bytearray, start: int, end: int) -> None:
    """The same from `start` to `end`, whatever stands behind the words: the rows below a column's
    name may be to come."""
    for word in _WORDS.finditer(text, start, end):
        low, high = word.span()
        folded[low:high] = (NAMES_PHONE if word["phone"] else NAMES_ID) * (high - low)
