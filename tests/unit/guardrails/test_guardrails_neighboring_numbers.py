"""Telephone numbers with other numbers beside them, and words that say that one follows."""

from __future__ import annotations

import pytest

from federation.guardrails import entities as kind
from federation.guardrails.scan import Scanner

SCANNER = Scanner(kind.BUILT_IN)


def found(text: str) -> list[tuple[str, str]]:
    return [(span.kind, text[span.start : span.end]) for span in SCANNER.find(text)]


def phones(text: str) -> list[str]:
    return [value for each, value in found(text) if each == kind.PHONE]


@pytest.mark.parametrize("phone", ["415-555-0132", "(415) 555-0132", "+47 22 85 50 50"])
@pytest.mark.parametrize("gap", ["\t", "    "])
def test_the_next_column_is_no_part_of_a_telephone_number(phone: str, gap: str) -> None:
    assert found(f"Ines Maro{gap}{phone}{gap}518-24-7731{gap}x") == [
        (kind.PHONE, phone),
        (kind.SSN, "518-24-7731"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "17 {}",
        "2031-05-09 {}",
        "2031-05-09 14:20 {}",
        "2031-05-09 14:20:33 {} ringing",
        "{} 2031-05-09",
        "408-555-0199 {}",
        "7. {}\n8. 408-555-0199",
    ],
)
@pytest.mark.parametrize("phone", ["415-555-0132", "(415) 555-0132", "415.555.0132"])
def test_an_american_number_is_found_beside_other_numbers(text: str, phone: str) -> None:
    assert phone in phones(text.format(phone))


def test_numbers_with_a_slash_between_them_are_found_each() -> None:
    for one, other in (
        ("01 45 67 20 11", "06 45 67 20 12"),
        ("040 2233445", "0171 2233446"),
        ("(040) 2233445", "+49 171 2233446"),
    ):
        assert phones(f"{one} / {other}") == [one, other]
        assert phones(f"{one} - {other} - {one}") == [one, other, one]


def test_a_slash_within_a_number_sets_nothing_apart() -> None:
    assert phones("089 / 21 34 65 78") == ["089 / 21 34 65 78"]
    assert phones("call 555-0143 / 555-0144") == ["555-0143 / 555-0144"]


def test_columns_of_numbers_are_no_telephone_numbers() -> None:
    assert phones("415 555 013\t415 5550 132\n17 415 5550132    2031 55 90") == []


@pytest.mark.parametrize(
    "phone",
    ["8-996-712-30-96", "8 912 712 30 96", "415/555-0132", "(0221) 480-0", "(31) 9.8456-1203"],
)
def test_forms_of_exchanges_and_mobiles_are_told(phone: str) -> None:
    assert phones(f"x {phone} y") == [phone]


@pytest.mark.parametrize(
    "text",
    [
        "pod numerem {} odbiera pani Zofia",
        "Numer kontaktowy: {}",
        "Infolinia: {}",
        "Centrala: {}",
        "Zentrale: {}",
        "Numero verde {}",
        "Centralino: {}",
        "Centralita: {}",
        "\nFijo: {}",
        "\nFixo: {}",
        "Llame gratis al {}",
        "Ligue-me para o {}",
        "her work line is {}",
        "the clinic's front desk: {}",
        "a spam call from {}",
        "Reach Ines Maro on {} today",
        "Ring our office on {}",
        "Contacte Inês Maro através do {}",
        "Puede contactar con Inés Maro en el {}",
        "Caller ID: {}",
        "an incoming call from {}",
        "Emergency contact: Ines Maro, {}",
        "Notfallkontakt: Inês Maro, {}",
        "customer service: {}",
        "my no. is {}",
        "fax_number={}",
        '{{"contactNumber": "{}"}}',
        '{{"telNo": "{}"}}',
        '{{"msisdn": "{}"}}',
        '{{"homeTel": "{}"}}',
        "office number {}",
        "send a text message to {}",
        "he telephoned {}",
        "he dialled {}",
        "Rückrufnummer {}",
        "Faxnummer {}",
        "Telefax: {}",
        "Fon: {}",
        "Anruf von {}",
        "appel de {}",
        "au numéro {}",
        "Tfno. {}",
        "Cel. {}",
        "comuníquese al {}",
        "contactarme en el {}",
        "marque el {}",
        "mi trovi al {}",
        "contattarmi al {}",
        "contactnummer: {}",
        "vaste lijn {}",
        "fone {}",
        "faks {}",
        "Puhelin: {}",
        "Viber: {}",
    ],
)
def test_words_that_a_telephone_number_stands_behind(text: str) -> None:
    assert phones(text.format("614830275")) == ["614830275"]


@pytest.mark.parametrize(
    "text",
    [
        "doi.org/10.1234/j.cell.2031.05.007",
        "the call failed at 1699990000",
        "we call the function at 10203040",
        "precio fijo: 1.250.000",
        "Aktenzeichen 0905-439511",
        "Matrikelnummer 0174-086211",
        "lot 055-396-344",
        "mobile app build 19764960",
        "call about invoice 19764960",
        "phone model 013-4257",
        "Fax machine, serial 19764960",
        "customer service has 19764960 cases",
        "Telefon zur Kundennummer 19764960",
        "microfon 19764960",
        "Excel. 19764960",
        "a trademark of 19764960",
        "the marque 19764960",
        "calls from the office on day 197649",
    ],
)
def test_words_that_only_look_like_those(text: str) -> None:
    assert phones(text) == []
