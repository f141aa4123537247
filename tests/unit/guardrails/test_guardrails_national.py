"""National numbers: published examples of each, and the same with a wrong check digit."""

from __future__ import annotations

import pytest

from federation.guardrails import entities as kind
from federation.guardrails.national import NATIONAL_IDS
from federation.guardrails.scan import Scanner

SCANNER = Scanner([kind.NATIONAL_ID])
VALID = [
    ("{}", "AB123456C"),
    ("NHS {}", "943 476 5919"),
    ("SIN: {}", "130 692 544"),
    ("Steuer-ID {}", "36574261809"),
    ("{}", "2 55 08 14 168 025 38"),
    ("{}", "12345678Z"),
    ("{}", "X1234567L"),
    ("{}", "RSSMRA85T10A562S"),
    ("BSN {}", "111222333"),
    ("{}", "85.07.30-033.28"),
    ("PESEL {}", "44051401359"),
    ("{}", "811228-9874"),
    ("{}", "131052-308T"),
    ("CPR {}", "070761-4285"),
    ("{}", "529.982.247-25"),
    ("CPF {}", "52998224725"),
    ("Aadhaar {}", "2341 2341 2346"),
    ("{}", "ABCPE1234F"),
    ("TFN {}", "123 456 782"),
    ("{}", "S1234567D"),
    ("{}", "11010519491231002X"),
    ("{}", "110101199003071006"),
    ("{}", "900101-1234567"),
    ("ID number {}", "8001015009087"),
    ("{}", "BADD110313HCMLNS09"),
    ("{}", "912-70-1234"),
    ("EIN {}", "12-3456789"),
    ("{}", "756.9217.0769.85"),
    ("AHV-Nummer {}", "7569217076985"),
    ("N\xb0 AVS {}", "756 9217 0769 85"),
    ("SVNR {}", "1237 010180"),
    ("Sozialversicherungsnummer: {}", "1237010180"),
    ("RUT {}", "12.345.678-5"),
    ("RUT: {}", "12345678-5"),
    ("RUT {}", "7.654.321-6"),
    ("{}", "10.000.013-K"),
    ("NIF {}", "501442600"),
    ("contribuinte n.\xba {}", "501 442 600"),
    ("Personalausweis {}", "L01X00T471"),
    ("my ID card is {}", "l01x00t471"),
]
WRONG = [
    ("NHS {}", "943 476 5918"),
    ("SIN: {}", "130 692 545"),
    ("Steuer-ID {}", "36574261808"),
    ("{}", "2 55 08 14 168 025 39"),
    ("{}", "12345678A"),
    ("{}", "RSSMRA85T10A562T"),
    ("BSN {}", "111222334"),
    ("{}", "85.07.30-033.29"),
    ("PESEL {}", "44051401358"),
    ("{}", "811228-9875"),
    ("{}", "131052-308U"),
    ("{}", "529.982.247-26"),
    ("Aadhaar {}", "2341 2341 2347"),
    ("TFN {}", "123 456 783"),
    ("{}", "S1234567E"),
    ("{}", "110105194912310021"),
    ("order {}", "8001015009087"),
    ("{}", "756.9217.0769.84"),
    ("{}", "755.9217.0769.85"),
    ("article {}", "7569217076985"),
    ("SVNR {}", "1236 010180"),
    ("SVNR {}", "1237 990180"),
    ("order {}", "1237010180"),
    ("RUT {}", "12.345.678-4"),
    ("size {}", "12.345.678-5"),
    ("{}", "10.000.004-K"),
    ("NIF {}", "501442601"),
    ("count {}", "501442600"),
    ("Personalausweis {}", "L01X00T472"),
    ("part {}", "L01X00T471"),
]


@pytest.mark.parametrize(("frame", "value"), VALID)
def test_a_valid_number_is_found(frame: str, value: str) -> None:
    text = frame.format(value) + " was given"
    assert [text[span.start : span.end] for span in SCANNER.find(text)] == [value]


@pytest.mark.parametrize(("frame", "value"), WRONG)
def test_a_number_with_a_wrong_check_digit_is_not(frame: str, value: str) -> None:
    assert SCANNER.find(frame.format(value) + " was given") == []


@pytest.mark.parametrize(
    "text",
    [
        "mi dni es 12345678z",
        "NIE: x1234567l",
        "national insurance number ab 12 34 56 c",
        "codice fiscale rssmra85t10a562s",
        "my nric s1234567d",
    ],
)
def test_a_number_with_small_letters_is_found_behind_its_name(text: str) -> None:
    (span,) = SCANNER.find(text)
    assert text.endswith(text[span.start : span.end])
    assert SCANNER.find(text[span.start : span.end]) == []
    assert SCANNER.find("nie wieder 12345678a") == []


def test_the_norwegian_number_has_two_check_digits() -> None:
    check = next(row.check for row in NATIONAL_IDS if row.country == "no")
    good = [number for number in range(1010100000, 1010101000) if check(f"{number:011}")]
    assert 5 <= len(good) <= 12
