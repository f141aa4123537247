"""Values that stand encoded in lines or in pairs, between unseen signs, and in JSON's numbers."""

from __future__ import annotations

import base64
import json
import re

import pytest

from federation.errors import Forbidden
from federation.guardrails import encoded, visitor
from federation.guardrails import entities as kind
from federation.guardrails.chat import screen_beside, screen_request
from federation.guardrails.encoded import long_runs
from federation.guardrails.entities import Action
from federation.guardrails.folding import without_tags
from federation.guardrails.guard import Guard, Plan, Screening
from federation.guardrails.json_texts import words_of
from federation.schema.chat import USER, ChatRequest, Message, Sampling
from federation.schema.parts import Text, ToolCall

GUARD = Guard(Plan(dict.fromkeys(kind.BUILT_IN, Action.REDACT)), b"key")
CARD, MAIL = "4111 1111 1111 1111", "jane.doe@example.com"
LETTER = (
    f"Dear all, please charge {CARD} and write to {MAIL} about it, "
    "would you kindly do this soon, for I am told that it cannot wait. Thanks!"
)
TAGS = "".join(chr(0xE0000 + ord(sign)) for sign in CARD)


def redacted(text: str) -> str:
    return GUARD.text(text, "x", Screening.begin(b"s"))


def wrapped(packed: str, width: int, gap: str = "\n") -> str:
    return gap.join(packed[at : at + width] for at in range(0, len(packed), width))


def left_of(text: str) -> str:
    """What can still be read in lines of base64 or hexadecimal, each by itself."""
    said = ""
    for line in re.findall(r"[A-Za-z0-9+/=]{4,}", text):
        if re.fullmatch(r"(?:[0-9a-f]{2})+", line):
            said += bytes.fromhex(line).decode("latin-1")
        else:
            body = line.rstrip("=")
            body = body[: len(body) - (len(body) % 4 == 1)]
            said += base64.b64decode(body + "=" * (-len(body) % 4)).decode("latin-1")
    return said


@pytest.mark.parametrize("width", [40, 57, 60, 64, 70, 76])
@pytest.mark.parametrize("gap", ["\n", "\r\n", "\n> ", "\n    ", " \n>> "])
@pytest.mark.parametrize("shift", range(0, 60, 7))
def test_a_value_over_a_break_of_lines_is_taken_out_of_base64(
    width: int, gap: str, shift: int
) -> None:
    packed = base64.b64encode(b"x" * shift + b" " + LETTER.encode()).decode()
    left = left_of(redacted(wrapped(packed, width, gap)))
    assert "1111" not in left
    assert "jane" not in left
    assert "example" not in left


def test_what_the_standard_library_wraps_is_read() -> None:
    packed = base64.encodebytes(b"x" * 35 + f" card {CARD} end of the text ".encode() * 2).decode()
    assert "1111" not in left_of(redacted(packed))
    inner = json.dumps({"a": json.dumps({"b": packed})})
    changed = GUARD.json_text(inner, "x", Screening.begin(b"s"))
    assert "1111" not in left_of(json.loads(json.loads(changed)["a"])["b"])


def test_lines_without_a_value_stay() -> None:
    packed = base64.encodebytes(b"nothing to be seen here, go on. " * 9 + MAIL.encode()).decode()
    lines = packed.splitlines()
    changed = redacted(packed).splitlines()
    assert changed[:-1] == lines[: len(changed) - 1]
    assert "[EMAIL]" in changed[-1]


def test_lines_that_are_no_text_together_are_read_one_by_one() -> None:
    readable = base64.b64encode(f"write to {MAIL}, please".encode() + b"." * 16).decode()
    noise = base64.b64encode(b"abcdefgh" + bytes(range(128, 128 + len(readable) * 3 // 4 - 8)))
    text = "\n".join((noise.decode()[: len(readable)], noise.decode()[: len(readable)], readable))
    assert "jane" not in left_of(redacted(text).splitlines()[-1])


@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("value", [MAIL, CARD])
def test_hexadecimal_is_no_digest_where_it_reads_as_a_value(value: str, *, upper: bool) -> None:
    packed = value.encode().hex()
    packed = packed.upper() if upper else packed
    for text in (packed, f"0x{packed}", f"here: {packed}, ok", f'"{packed}"'):
        assert re.search(r"\[(EMAIL|CARD)\]", redacted(text)), text
        assert packed[8:] not in redacted(text)
    assert re.search(r"\[(EMAIL|CARD)\]", redacted(wrapped(LETTER.encode().hex(), 60)))


@pytest.mark.parametrize("value", [MAIL, CARD, f"card {CARD} and more"])
@pytest.mark.parametrize("sign", [" ", ":"])
def test_hexadecimal_in_pairs_is_read(value: str, sign: str) -> None:
    for text in (value.encode().hex(sign), value.encode().hex(sign).upper()):
        assert re.fullmatch(r"\[(EMAIL|CARD)\]", redacted(text))
    assert "[" in redacted("".join(f"\\x{byte:02x}" for byte in value.encode()))


def test_digests_stay_digests() -> None:
    for text in ("d41d8cd98f00b204e9800998ecf8427e", "3132333435363738" * 2 + "ab" * 8, "6a:" * 20):
        assert redacted(text) == text


@pytest.mark.parametrize(
    "sign",
    ["\u0301", "\u0489", "\u1ab0", "\u1dc4", "\u20e3", "\ufe0f", "\ufe20", "\U000e0031",
     "\U000e0041", "\U000e0001", "\U000e0141", "\U000e01ef", "\U000e0061\u0301\ufe00"],
)  # fmt: skip
def test_unseen_signs_in_a_card_number_do_not_hide_it(sign: str) -> None:
    for text in (sign.join(CARD), f"4{sign}{CARD[1:]}", f"4111{sign}{CARD[4:]}"):
        assert redacted(f"my card {text}, thanks") == "my card [CARD], thanks"


def test_a_number_in_tags_is_read_as_what_it_stands_for() -> None:
    assert redacted(f"see{TAGS} this") == "see[CARD] this"
    assert "[CARD]" in redacted(f"4111 1111 1111 1{TAGS[-3:]} this")
    assert without_tags(f"a{TAGS}b").strip("ab") == "\u200b" * len(TAGS)
    plain = "\U0001f600 no tag \U000e0100"
    assert without_tags(plain) == plain


@pytest.mark.parametrize(
    "number",
    ["4111111111111111", "4111111111111111.0", "4.111111111111111e15", "4.111111111111111E+15",
     "411111111111111100e-2", "411111111110008e1", "41111111111000800e-1",
     "0.4111111111111111e16", "411111.1111111111e10",
     "-4.111111111111111e15"],
)  # fmt: skip
def test_a_number_of_json_is_read_like_its_digits(number: str) -> None:
    for form in ('{"card": %s}', "[1, %s,2]", '{"a":{"b":[%s]}}'):
        call = ToolCall("c", "f", form % number)
        request = ChatRequest("openai", "m", (Message(USER, (call,)),))
        changed = screen_request(GUARD, request, Screening.begin(b"s")).messages[0].parts[0]
        assert isinstance(changed, ToolCall)
        assert changed.arguments == form % '"[CARD]"'
    with pytest.raises(Forbidden):
        screen_beside(GUARD, f'{{"x": {number}}}', said(), Screening.begin(b"s"))


@pytest.mark.parametrize(
    "number", ["1.5e15", "4.111111111111112e15", "4.1111111111111111e15", "4.1e400", "1e10", "2.5"]
)
def test_other_numbers_of_json_stay(number: str) -> None:
    text = f'{{"a": {number}, "b": "see x.1e5"}}'
    assert GUARD.json_text(text, "x", Screening.begin(b"s")) == text


def test_only_whole_numbers_are_spelled_out() -> None:
    assert list(words_of('[4.111111111111111e15, 1.5e3, "4.1e15", 1.23456789012e11]')) == [
        "4111111111111111", "1.5e3", "4.1e15", "123456789012",
    ]  # fmt: skip


def said(seed: int | None = None, temperature: float | None = None) -> ChatRequest:
    sampling = Sampling(seed=seed, temperature=temperature)
    return ChatRequest("openai", "m", (Message(USER, (Text("hello"),)),), sampling=sampling)


def test_a_number_that_has_a_form_is_refused() -> None:
    for call in (said(4111111111111111), said(-4111111111111111), said(0, 4.111111111111111e15)):
        with pytest.raises(Forbidden, match=r"sampling\.(seed|temperature): card"):
            screen_request(GUARD, call, Screening.begin(b"s"))
    for seed in (7, 4111111111111112, 2**31 - 1):
        call = said(seed, 0.7)
        assert screen_request(GUARD, call, Screening.begin(b"s")) == call


def test_numbers_that_are_none_have_no_digits() -> None:
    for number in (float("inf"), float("nan"), True, 10**19, 10**9999, 10**11 - 1, 10**11 + 0.5):
        assert visitor.digits_of(number) == ""


def test_runs_in_lines_are_joined_only_where_they_are_of_one_length() -> None:
    text = base64.b64encode(b"words and words. " * 12)
    lines = b"\n".join((text[:64], text[64:128], text[128:150], text[150:214]))
    found = list(encoded.encoded(lines, long_runs(lines)))
    assert len(found[0].lines) == 3


@pytest.mark.parametrize("times", [2, 3, 4])
@pytest.mark.parametrize("value", [CARD, MAIL])
def test_what_is_encoded_over_and_over_is_read(value: str, times: int) -> None:
    packed = f"it is {value}, as told"
    for _ in range(times):
        packed = base64.b64encode(packed.encode()).decode()
    assert packed not in redacted(f"see {packed} there")
    in_hexadecimal = packed.encode().hex()
    changed = redacted(f"see {in_hexadecimal} there")
    assert (in_hexadecimal in changed) is (times == 4)
    calm = base64.b64encode(base64.b64encode(b"nothing to be seen here, go on.")).decode()
    assert calm in redacted(f"see {calm} there")
