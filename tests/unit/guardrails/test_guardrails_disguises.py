"""Values that were made hard to see: 19 disguises of a card, an SSN, an e-mail and an IBAN."""

from __future__ import annotations

import base64
import json
import re
import unicodedata
from collections.abc import Callable

import pytest

from federation.guardrails import entities as kind
from federation.guardrails.chat import screen_request, texts_of
from federation.guardrails.entities import Action
from federation.guardrails.guard import Guard, Plan, Screening
from federation.guardrails.scan import Scanner
from federation.schema.chat import USER, ChatRequest, Message
from federation.schema.parts import Text, ToolCall

VALUES = {
    kind.CARD: "4539148803436467",
    kind.SSN: "536-22-8741",
    kind.EMAIL: "marta.kowalska@example.org",
    kind.IBAN: "GB29NWBK60161331926819",
}
LOOK_ALIKE = str.maketrans("aceopxyABCEHIKMOPTX05", "асеорхуАВСЕНІКМОРТХО5")
DEVANAGARI = str.maketrans("0123456789", "०१२३४५६७८९")
WIDE = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)})


def groups(value: str, sign: str) -> str:
    """In fours where it is a number, sign by sign where it is an address."""
    if "@" in value:
        return value.replace("@", f"{sign}@{sign}").replace(".", f"{sign}.{sign}")
    bare = value.replace("-", "")
    return sign.join(re.findall(".{1,4}", bare)) if len(bare) != 9 else value.replace("-", sign)


def dotted(value: str) -> str:
    return (
        value.replace("@", " [at] ").replace(".", " [dot] ") if "@" in value else groups(value, ".")
    )


def percent(value: str) -> str:
    return "".join(f"%{byte:02X}" for byte in value.encode())


def entities(value: str) -> str:
    return "".join(f"&#{ord(sign)};" for sign in value)


def escaped(value: str) -> str:
    return "".join(f"\\u{ord(sign):04x}" for sign in value)


def odd(value: str) -> str:
    return (
        groups(value, "_") if "@" not in value else value.replace("@", "(at)").replace(".", "(dot)")
    )


def other_signs(value: str) -> str:
    """Dashes, points and the at sign of other blocks."""
    if "@" in value:
        return value.replace("@", "\uff20").replace(".", "\u2024")
    return groups(value, "\u2011")


def look_alike(value: str) -> str:
    return value.translate(LOOK_ALIKE)


def other_digits(value: str) -> str:
    if any(sign.isdigit() for sign in value):
        return value.translate(DEVANAGARI)
    return unicodedata.normalize("NFKC", value).translate(WIDE)


PROSE: dict[str, Callable[[str], str]] = {
    "full width": lambda value: f"Here it is: {value.translate(WIDE)} for you",
    "zero width": lambda value: "Note " + "\u200b".join(value) + " please",
    "entities": lambda value: f"Found {entities(value)} here",
    "soft hyphens": lambda value: "Note " + "\u00ad".join(value) + " please",
    "spaced": lambda value: "It is " + " ".join(value) + " as I said",
    "dotted": lambda value: f"Use {dotted(value)} now",
    "percent": lambda value: f"see https://host.test/?q={percent(value)}&x=1",
    "unicode escapes": lambda value: f'x = "{escaped(value)}"',
    "base64": lambda value: (
        "data " + base64.b64encode(f"value: {value}".encode()).decode() + " end"
    ),
    "look-alike letters": lambda value: f"Send it to {look_alike(value)} today",
    "other digits": lambda value: f"Note {other_digits(value)} please",
    "odd separators": lambda value: f"Note {odd(value)} please",
    "glued to words": lambda value: f"value={value};next" if "@" in value else f"nr{value}end",
    "JSON in JSON": lambda value: json.dumps({"a": json.dumps({"b": json.dumps({"c": value})})}),
    "in code": lambda value: f'const x = "{value[:7]}" + "{value[7:]}";',
    "markdown link": lambda value: f"[click]({'mailto:' if '@' in value else 'tel:'}{value})",
    "other signs": lambda value: f"Note {other_signs(value)} please",
}


def guard() -> Guard:
    return Guard(Plan(dict.fromkeys(kind.BUILT_IN, Action.REDACT)), b"key")


def request(*messages: tuple[Text | ToolCall, ...]) -> ChatRequest:
    return ChatRequest("openai", "m", tuple(Message(USER, parts) for parts in messages))


def disguised(how: str, value: str) -> ChatRequest:
    half = len(value) // 2
    if how == "over messages":
        return request((Text(f"it is {value[:half]}"),), (Text(f"{value[half:]} ok?"),))
    if how == "over parts":
        return request((Text(f"it is {value[:half]}"), Text(f"{value[half:]} ok?")))
    text = PROSE[how](value)
    if how == "JSON in JSON":
        return request((ToolCall("c", "f", text),))
    return request((Text(text),))


CASES = [(how, name) for how in (*PROSE, "over messages", "over parts") for name in VALUES]


def readable(value: str) -> set[str]:
    """Pieces of the value that must not be left over in any reading."""
    bare = re.sub(r"\W", "", value)
    return {bare[:8], bare[-8:]}


@pytest.fixture(scope="module")
def shared_guard() -> Guard:
    return guard()


@pytest.mark.parametrize(("how", "name"), CASES)
def test_a_disguised_value_is_found_and_taken_out(how: str, name: str, shared_guard: Guard) -> None:
    call = disguised(how, VALUES[name])
    screening = Screening.begin(b"secret")
    changed = screen_request(shared_guard, call, screening)
    found = {finding.kind for finding in screening.tally.findings()}
    assert name in found
    left = re.sub(r"\W", "", "".join(text for text, _ in texts_of(changed)))
    assert not any(piece in left for piece in readable(VALUES[name]))


def test_the_table_has_nineteen_disguises_of_four_values() -> None:
    assert len(CASES) == 76


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (kind.EMAIL, "jonas[@]werft[.]bremen[.]org"),
        (kind.EMAIL, "jonas[.]berg[@]werft[.]pt"),
        (kind.EMAIL, "jonas.berg(@)werft(.)cz"),
        (kind.EMAIL, "jonas (at) werft (dot) photography"),
        (kind.EMAIL, "jonas [at] sub [dot] werft [dot] email"),
        (kind.EMAIL, "jonas(AT)werft(DOT)com"),
        (kind.EMAIL, "jonas.berg (at) werft (dot) gov (dot) br"),
        (kind.EMAIL, "jonas (dot) berg (at) werft (dot) org"),
        (kind.EMAIL, "jonas at werft dot online"),
        (kind.EMAIL, "jonas dot berg at werft dot com dot au"),
        (kind.EMAIL, '"jonas berg"@werft.org'),
        (kind.EMAIL, r"jonas\_berg\@werft\.org"),
        (kind.SSN, r"536\-22\-8741"),
        (kind.CARD, r"4539\-1488\-0343\-6467"),
        (kind.PHONE, r"\+1\-555\-234\-5678"),
        (kind.SSN, "".join(f"\\U{ord(sign):08x}" for sign in "536-22-8741")),
        (kind.IBAN, "IE29AIBK93ll52l2345678"),
        (kind.IBAN, "DE755l2lO8OO1245l26199"),
    ],
)
def test_brackets_around_signs_and_small_letters_for_digits_hide_nothing(
    type_: str, value: str
) -> None:
    scanner = Scanner(kind.BUILT_IN)
    text = f"Write {value} there"
    assert [(span.kind, text[span.start : span.end]) for span in scanner.find(text)] == [
        (type_, value)
    ]


@pytest.mark.parametrize(
    "text",
    [
        "emails.append(row[@index])",
        "GB29nWBk60161331926819 in cases of both kinds",
        "see a[.]b for the list",
        "look (at) this, and mark (dot) the rest",
        "we met at noon, dot and I",
        r're.compile(r"\d+\.\d+\.\d+\.\d+@\w+\.\w+")',
        r"C:\_tmp\.git\-x\536",
        'he said "hello" @home and "bye" @work.then',
    ],
)
def test_brackets_and_mixed_cases_alone_are_no_values(text: str) -> None:
    assert Scanner(kind.BUILT_IN).find(text) == []


UNSHOWN = (
    0x600, 0x640, 0x6DD, 0x8E2, 0xFFF9, 0xFFFB, 0x110BD, 0x13430, 0x1BCA0, 0x1D173, 0x1D17A
)  # fmt: skip


@pytest.mark.parametrize("code", UNSHOWN, ids=hex)
@pytest.mark.parametrize("name", VALUES)
def test_characters_that_only_steer_what_is_shown_hide_nothing(
    name: str, code: int, shared_guard: Guard
) -> None:
    call = request((Text("Note " + chr(code).join(VALUES[name]) + " please"),))
    screening = Screening.begin(b"secret")
    changed = screen_request(shared_guard, call, screening)
    assert name in {finding.kind for finding in screening.tally.findings()}
    bare = re.sub(r"\W", "", "".join(text for text, _ in texts_of(changed)).replace(chr(code), ""))
    assert not any(piece in bare for piece in readable(VALUES[name]))


def test_digits_of_every_script_are_digits() -> None:
    noughts = [
        chr(code)
        for code in range(0x110000)
        if unicodedata.category(chr(code)) == "Nd" and unicodedata.decimal(chr(code)) == 0
    ]
    assert len(noughts) >= 60
    scanner = Scanner(kind.BUILT_IN)
    for nought in noughts:
        card = "".join(chr(ord(nought) + int(digit)) for digit in VALUES[kind.CARD])
        text = f"Note {card} please"
        places = [(span.kind, text[span.start : span.end]) for span in scanner.find(text)]
        assert places == [(kind.CARD, card)], hex(ord(nought))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("\x1b[31m4539 1488 0343 6467\x1b[0m", "4539 1488 0343 6467"),
        ("\x1b[1;32m4539\x1b[0m 1488 0343 6467", "4539\x1b[0m 1488 0343 6467"),
        ("\\u001b[31m4539148803436467\\u001b[0m", "4539148803436467"),
        ("\\033[1mmarta@example.org\\033[0m", "marta@example.org"),
        ("\\064\\065\\063\\071 1488 0343 6467", "\\064\\065\\063\\071 1488 0343 6467"),
        ("%u0034539 1488 0343 6467", "%u0034539 1488 0343 6467"),
        ("marta%u0040example.org", "marta%u0040example.org"),
        ("marta\\100example.org", "marta\\100example.org"),
        ("in C:\\536-22-8741", "536-22-8741"),
        ("in C:\\123\\4539148803436467", "4539148803436467"),
    ],
)
def test_colors_of_a_terminal_and_older_escapes_are_read(text: str, found: str) -> None:
    (span,) = Scanner(dict.fromkeys(kind.BUILT_IN, Action.REDACT)).find(text)
    assert text[span.start : span.end] == found
