"""Words of Polish and Portuguese beside values, labels that were missing elsewhere, and what only
looks like them."""

from __future__ import annotations

import pytest

from federation.guardrails import entities as kind
from federation.guardrails.entities import Action
from federation.guardrails.guard import Guard, Plan, Screening
from federation.guardrails.scan import Scanner
from federation.guardrails.windows import Window

SCANNER = Scanner(kind.BUILT_IN)
GUARD = Guard(Plan(dict.fromkeys(kind.BUILT_IN, Action.REDACT)), b"key")


def found(text: str) -> list[tuple[str, str]]:
    return [(span.kind, text[span.start : span.end]) for span in SCANNER.find(text)]


@pytest.mark.parametrize(
    "text",
    [
        "Zadzwoń do mnie: ¦604 118 297¦",
        "proszę dzwonić pod numer ¦22 619 40 11¦",
        "oddzwonię na ¦793-402-118¦ po 16",
        "Proszę o kontakt pod numerem ¦512 906 334¦.",
        "Kom. ¦512906334¦",
        "komórka ¦604 118 297¦",
        "Kontakt: ¦604 118 297¦",
        "mój numer to ¦604 118 297¦",
        "Contato: ¦21 318 44 07¦",
        "contacte-nos através do ¦913 402 771¦",
        "Contattaci al ¦347 9902113¦",
        "escríbeme al ¦644 20 31 17¦",
        "Tél : ¦0644203117¦",
        "Festnetz: ¦01519902113¦",
        "Durchwahl ¦01519902113¦",
    ],
)
def test_a_telephone_number_is_told_by_words_of_more_languages(text: str) -> None:
    before, value, after = text.split("¦")
    assert found(before + value + after) == [(kind.PHONE, value)]


@pytest.mark.parametrize(
    "text",
    [
        "numer seryjny 039 115 608",
        "nr zamówienia 061 204 991",
        "Ordine n. 0061231/5413 spedito",
        "umowy 061 204 991 z dnia 2024-03-02",
        "kontakty biznesowe 604 118 297",
        "dzwonek 604 118 297 szt.",
    ],
)
def test_numbers_of_papers_are_no_telephone_numbers_there_either(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("kind_", "text"),
    [
        (kind.DATE_OF_BIRTH, "data urodzenia: ¦21.11.1969¦"),
        (kind.DATE_OF_BIRTH, "urodzona ¦5 października 1977¦ w Łodzi"),
        (kind.DATE_OF_BIRTH, "urodził się ¦3 września 1964¦"),
        (kind.DATE_OF_BIRTH, "Jan Zych, ur. ¦17.09.1972¦"),
        (kind.PASSPORT, "Numer paszportu: ¦ZS0210377¦"),
        (kind.PASSPORT, "passaporte n.º ¦CB104456¦"),
        (kind.DRIVERS_LICENSE, "prawo jazdy: ¦00412/17/1465¦"),
        (kind.DRIVERS_LICENSE, "carta de condução ¦L-2234561¦"),
        (kind.BANK_ACCOUNT, "nr konta ¦10901014¦"),
        (kind.BANK_ACCOUNT, "Numer konta: ¦27 1140 2004 0000 3002 0135 5387¦"),
        (kind.SECRET, "hasło: ¦Zxc9!vbN2m¦"),
        (kind.NATIONAL_ID, "NIP ¦106-00-00-062¦"),
        (kind.NATIONAL_ID, "NIF ¦500 766 630¦"),
    ],
)
def test_documents_and_accounts_are_told_by_words_of_more_languages(kind_: str, text: str) -> None:
    before, value, after = text.split("¦")
    assert found(before + value + after) == [(kind_, value)]


@pytest.mark.parametrize(
    "text",
    [
        "17.09.1972 r. powstała spółka",
        "numer konta w grze 12",
        "NRB 27 1140 2004 0000 3002 0135 5388",
        "NIP 106-00-00-063",
        "NIF 500 766 631",
        "hasło dnia: porządek",
        "prawo jazdy od 2019",
    ],
)
def test_what_fails_its_check_digits_there_is_nothing(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "Proszę, hasło: ¦tr!bRqz#Kwe¦ i nic więcej",
        "to jest hasło: ¦tr!bRqz#Kwe¦ i nic innego, tylko to samo co zawsze i nigdy inaczej",
        "urodzona ¦5 października 1977¦ w Łodzi, proszę pana",
        "Jan Zych, ur. ¦17.09.1972¦ w Krakowie, syn Jana",
        "numer konta to ¦27 1140 2004 0000 3002 0135 5387¦ w tym banku",
        "dziś zadzwoń do mnie pod numer ¦604 118 297¦ po szesnastej",
        "Sie ist am ¦12. März 1985¦ geboren und wohnt hier",
    ],
)
def test_none_of_these_values_leaves_in_a_stream_however_it_comes(text: str) -> None:
    before, value, after = text.split("¦")
    whole = before + value + after
    for size in (1, 2, 3, 7, len(whole)):
        window = Window(GUARD, "x", Screening.begin(b"s"))
        pieces = [window.feed(whole[at : at + size]) for at in range(0, len(whole), size)]
        said = "".join([*pieces, window.close()])
        assert value not in said
        assert said.startswith(before)
        assert said.endswith(after)


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (kind.API_KEY, "ключ¦AKIAIOSFODNN7EXAMPLE¦"),
        (kind.SECRET, "hasło: ¦tr!bRqz#Kwe¦"),
        (kind.EMAIL, "¦michał (at) poczta.pl¦"),
    ],
)
def test_a_letter_beyond_latin_1_reads_alike_among_few_and_many_others(
    type_: str, value: str
) -> None:
    before, value, after = value.split("¦")
    for around in ("", "and so it goes on and on " * 8, "жш " * 40):
        assert (type_, value) in found(f"{around} {before}{value}{after} {around}")
