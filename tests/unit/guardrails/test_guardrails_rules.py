"""What is found in a text, and what only looks like it."""

from __future__ import annotations

import time

import pytest

from federation.guardrails import entities as kind
from federation.guardrails.custom_rules import custom
from federation.guardrails.scan import Scanner

SCANNER = Scanner(kind.BUILT_IN)
FOUND = [
    (kind.PHONE, "030 1234567"),
    (kind.PHONE, "+44 (0)20 7946 0958"),
    (kind.PHONE, "06 12 34 56 78"),
    (kind.PHONE, "0171/1234567"),
    (kind.PHONE, "(555) 123-4567 ext 12"),
    (kind.PHONE, "0044 20 7946 0958"),
    (kind.PHONE, "+81 3-1234-5678"),
    (kind.SSN, "536-22-8741"),
    (kind.SSN, "536 22 8741"),
    (kind.IP, "2001:0db8:85a3::8a2e:0370:7334"),
    (kind.IP, "192.0.2.17"),
    (kind.IBAN, "DE89 3704 0044 0532 0130 00"),
    (kind.IBAN, "de89370400440532013000"),
    (kind.IBAN, "MT84MALT011000012345MTLCAST001S"),
    (kind.CARD, "4111-1111-1111-1111"),
    (kind.CARD, "4111111111111111"),
    (kind.CARD, "3782 822463 10005"),
    (kind.CARD, "5555555555554444"),
    (kind.EMAIL, "user.name+tag@sub.example.co.uk"),
    (kind.EMAIL, "müller@straße.de"),
    (kind.NATIONAL_ID, "529.982.247-25"),
    (kind.NATIONAL_ID, "12345678Z"),
    (kind.NATIONAL_ID, "S1234567D"),
    (kind.API_KEY, "sk-proj-abcdefghijklmnopqrstuvwx1234"),
    (kind.API_KEY, "AKIAIOSFODNN7EXAMPLE"),
    (kind.API_KEY, "ghp_abcdefghijklmnopqrstuvwxyzABCDEF1234"),
    (kind.TOKEN, "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcDEFghiJKL"),
    (
        kind.PRIVATE_KEY,
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEabc\n-----END RSA PRIVATE KEY-----",
    ),
]
BESIDE_A_WORD = [
    (kind.PHONE, "call 5551234567 now", "5551234567"),
    (kind.SSN, "SSN 900121234", "900121234"),
    (kind.PASSPORT, "passport no. X1234567", "X1234567"),
    (kind.DRIVERS_LICENSE, "driver's license D1234567", "D1234567"),
    (kind.BANK_ACCOUNT, "routing number 021000021", "021000021"),
    (kind.BANK_ACCOUNT, "account number 123456789", "123456789"),
    (kind.BANK_ACCOUNT, "sort code 12-34-56", "12-34-56"),
    (kind.DATE_OF_BIRTH, "DOB: 01/02/1990", "01/02/1990"),
    (kind.DATE_OF_BIRTH, "born on March 3, 1985", "March 3, 1985"),
    (kind.NATIONAL_ID, "NHS number 943 476 5919", "943 476 5919"),
    (kind.NATIONAL_ID, "BSN 111222333", "111222333"),
    (kind.SECRET, "password=Tr0ub4dor&3", "Tr0ub4dor&3"),
    (kind.SECRET, "postgres://app:s3cretpw@db/x", "s3cretpw"),
    (kind.IP, "see http://10.0.0.1/x", "10.0.0.1"),
]
NOTHING = [
    "4111-1111-1111-1112",
    "9999 9999 9999 9999",
    "DE89 3704 0044 0532 0130 01",
    "000-12-3456",
    "5551234567",
    "order 4539148803436467",
    "gamma==28.39.34.30",
    "npm install index@5.32.24.0",
    "version 1.2.3.4",
    "999.1.1.1",
    "2024-03-05T12:30:45.123Z",
    "550e8400-e29b-41d4-a716-446655440000",
    "d41d8cd98f00b204e9800998ecf8427e",
    "loss = 0.078737168197",
    "1Z2357144731505971",
    "from 1950-1999",
    "password: [SECRET]",
    "x@localhost",
]


def found(text: str, scanner: Scanner = SCANNER) -> list[tuple[str, str]]:
    return [(span.kind, text[span.start : span.end]) for span in scanner.find(text)]


@pytest.mark.parametrize(("name", "value"), FOUND)
@pytest.mark.parametrize("frame", ["{}", "It is {} today.", "(«{}»), ok", '{{"x": "{}"}}'])
def test_a_value_is_found_with_its_exact_place(name: str, value: str, frame: str) -> None:
    text = frame.format(value)
    assert found(text) == [(name, value)]


@pytest.mark.parametrize(("name", "text", "value"), BESIDE_A_WORD)
def test_a_word_beside_it_tells_what_a_value_is(name: str, text: str, value: str) -> None:
    assert (name, value) in found(text)


@pytest.mark.parametrize("text", NOTHING)
def test_what_only_looks_like_a_value_stays(text: str) -> None:
    assert found(text) == []


def test_only_the_types_asked_for_are_found() -> None:
    text = "jane@example.org has 4111 1111 1111 1111"
    assert found(text, Scanner([kind.CARD])) == [(kind.CARD, "4111 1111 1111 1111")]


def test_places_count_characters_of_the_text_as_it_came() -> None:
    text = "\U0001f600\u200b&amp; jane&#64;example.org"
    assert found(text) == [(kind.EMAIL, "jane&#64;example.org")]


def test_a_custom_pattern_finds_its_group() -> None:
    scanner = Scanner([], [custom("staff", r"\bstaff id (E-\d{5})\b", ignore_case=True)])
    assert found("Staff ID E-12345 called", scanner) == [("custom:staff", "E-12345")]


@pytest.mark.parametrize("pattern", [r"(a)\1", r"(?=a)", "a*", "(", "", "x" * 1001])
def test_a_pattern_that_cannot_be_bounded_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError):
        custom("bad", pattern)


def test_hostile_texts_take_linear_time_and_raise_nothing() -> None:
    for piece in (
        "a@",
        "%41",
        "\\u0041",
        "&#65;",
        "4 ",
        "DE00 ",
        "a\u200b",
        "-----BEGIN ",
        "\ud800",
    ):
        SCANNER.find(piece * 2000)


def test_a_long_path_beside_the_name_of_a_secret_is_read_once() -> None:
    began = time.thread_time()
    assert found("password: /etc" + "/aaa" * 11 + "!") == []
    assert time.thread_time() - began < 0.3
