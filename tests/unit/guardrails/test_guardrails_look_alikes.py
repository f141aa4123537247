"""What only looks like a value: lists, tables, clocks, drawings, versions, postcodes."""

from __future__ import annotations

import random

import pytest

from federation.guardrails import entities as kind
from federation.guardrails.scan import Scanner

SCANNER = Scanner(kind.BUILT_IN)
PATH = "M12 3.51.98.32-.33.44s469-22.11 94c58.2-81.80 16"


def found(text: str) -> list[tuple[str, str]]:
    return [(span.kind, text[span.start : span.end]) for span in SCANNER.find(text)]


def of(name: str, text: str) -> list[str]:
    return [value for each, value in found(text) if each == name]


@pytest.mark.parametrize(
    "text",
    [
        PATH,
        "OID 1.3.6.1.4.1.36.8 and 1.3.6.1.5.5.7.3.5",
        "519.52,4030.1",
        "| 356.48 | 5098 |",
        "rows 345, 12, 4999 and 345,12,4999",
        "| 345 | 12 | 4999 |",
        "on 4 06-11-1993 it rained",
        "part 12-345-67-8901",
        "Part number 790-96-9055",
        "P/N: 790-96-9055",
        "SKU #790-96-9055, in stock",
        "Bestellnummer 790-96-9055",
        "95 217 17 650 76 1599 85 2",
        "1 12 187 76 8523 9805 3 4663 124797 889231",
        "UPS 1Z 819 816 65 9842 101 3",
    ],
)
def test_digits_set_apart_by_two_signs_or_in_a_list_are_no_american_number(text: str) -> None:
    assert of(kind.SSN, text) == []


@pytest.mark.parametrize(
    "text",
    [
        "for my part: the number is {}",
        "SSN, in part: {}",
        "applicant {}, 12 years",
        "3. {} 12 years",
        "orders from {} are late",
    ],
)
def test_an_american_number_is_found_beside_such_words_and_numbers(text: str) -> None:
    assert of(kind.SSN, text.format("536-22-8741")) == ["536-22-8741"]
    assert of(kind.SSN, "3. 536 22 8741, 12 years") == ["536 22 8741"]


@pytest.mark.parametrize("address", ["189.64.11.95", "172.31.219.4", "50.208.137.22:8864"])
def test_a_network_address_is_no_american_number(address: str) -> None:
    assert found(f"from {address} again") == [(kind.IP, address.partition(":")[0])]


def test_no_digits_of_a_telephone_number_are_an_american_number() -> None:
    assert found("ring +33.6.12.94.36.22") == [(kind.PHONE, "+33.6.12.94.36.22")]


@pytest.mark.parametrize(
    "text",
    [
        "Date:   Mon Mar 25 10:24:48 2080 +0400",
        "582,710\t538,104\t3.345",
        "458.93,445.13,750.40,4.894",
        "684,989 | 124,174 | 3.511",
        "37728  62348\n 44538",
        "676, 150, 838, 495",
        "06/04/52-11/01/86",
        "x = [1187, 2072, 5519, 2574, 2514, 2170, 3768, 2421]",
        "big5 = (1187,2072,2015,2617,4360,5519,2574,2514,2170,3768,2421)",
        "97.4 0055 5435 5870 3854 | 2270-0825",
        "M47,175.9 S254.20,62 Q260.7",
        "USPS 9400 2619 3899 4847 4388 82",
        "IMEI 376008031390122",
        "EAN 4914331814242",
    ],
)
def test_numbers_beside_each_other_are_no_card(text: str) -> None:
    assert of(kind.CARD, text) == []


def test_pairs_behind_the_first_groups_of_a_number_that_is_called_are_no_network_address() -> None:
    for number in ("+33 (0)6 12.94.36.22", "+33 6-12.94.36.22", "+352 2 76.23.28.60"):
        assert found(f"ring {number}") == [(kind.PHONE, number)]
    assert found("sum 5 + 3 76.23.28.60") == [(kind.IP, "76.23.28.60")]
    assert found("+12 110.120.130.140") != []


@pytest.mark.parametrize(
    "text", ["UPS 1Z 819 816 65 9842 101 3", "1Z 4WK 530 12 9846 411 1", "1Z 536 228 74 1953 614 8"]
)
def test_a_parcels_number_in_groups_holds_nothing(text: str) -> None:
    assert found(text) == []
    account = "is96 9365 6124 1024 0659 7187 00"
    assert found(f'"iban": "{account}"') == [(kind.IBAN, account)]


@pytest.mark.parametrize("number", ["+4915120575159", "+4915101671019", "+551127845287x2891"])
def test_a_number_that_is_called_is_no_card(number: str) -> None:
    assert found(number) == [(kind.PHONE, number)]
    listed = f"1234567, {number}, 1234567, 1234567"
    assert of(kind.CARD, listed) == []


def test_a_card_is_found_where_it_is_counted() -> None:
    assert (kind.CARD, "4111 1111 1111 1111") in found("4111 1111 1111 1111 x2")


def test_a_card_behind_a_plus_of_a_changed_line_is_found() -> None:
    assert of(kind.CARD, "-x\n+4111111111111111\n") == ["4111111111111111"]


@pytest.mark.parametrize(
    "text",
    [
        PATH,
        "eth0 5b:d6:eb:29:bd:09:0c:0b up",
        "SHA1 " + ":".join(["5b", "d6", "eb", "29"] * 5),
        '{"version": "10.2.3.4"}',
        '[assembly: AssemblyVersion("10.2.3.4")]',
        "app_version='10.2.3.4'",
        "kernel 10.16.10.12",
        "display driver 31.0.15.3623",
        "upgrade from 10.16.10.12 to 12.13.17.30",
        "downgraded to 10.16.10.12",
    ],
)
def test_octets_and_versions_are_no_network_address(text: str) -> None:
    assert of(kind.IP, text) == []


def test_addresses_between_which_something_moves_are_addresses() -> None:
    text = "moved from 10.16.10.12 to 12.13.17.30, then upgraded host 10.2.3.4"
    assert of(kind.IP, text) == ["10.16.10.12", "12.13.17.30", "10.2.3.4"]


@pytest.mark.parametrize(
    "text",
    [
        "Fifth Floor, Boston, MA 02110-1301, USA",
        "DFARS 252.227-7013",
        '<polygon points="1040,277.764 1035,267.764 1040"/>',
        "librtmp1 2.4+20151223.gitfa86",
        "your parcel 0472 2932 7150",
        "Auftrag vom Lager: 0701723-99",
        "my order number is 12345678",
        "my customer number is 12345678",
        "1.2e-01\t581929\t825,331",
        "Nature 521 (2015) 436-444",
        "t: 1700000000",
        "p: 1234-1240",
    ],
)
def test_what_has_no_form_of_a_telephone_number_is_none(text: str) -> None:
    assert of(kind.PHONE, text) == []


@pytest.mark.parametrize(
    "text",
    [
        "installed libcrypt-dev:amd64 1:4.4.33-2\n2025-06-24 14:36:46 status",
        "M10 20MC233.45,100.21 Q191.610,274.0 S265",
        "Mc79.8,92 37.7 75.90c3.833,30c83.321",
    ],
)
def test_packages_and_drawings_hold_no_account_number(text: str) -> None:
    assert of(kind.IBAN, text) == []


@pytest.mark.parametrize("sign", ["\n", "\r\n", " ", "\t", "; ", " | ", "-", "\n- ", ",\n  "])
def test_a_list_of_numbers_with_four_digits_is_no_card(sign: str) -> None:
    lots = random.Random(3)
    lists = [
        sign.join(str(lots.randint(4000, 5999)) for _ in range(count)) for count in (8, 20) * 50
    ]
    flagged = sum(bool(SCANNER.find(f"ids:\n{text}\nend")) for text in lists)
    assert flagged <= 5


def test_cards_in_a_list_are_cards_all_the_same() -> None:
    cards = ["4111 1111 1111 1111", "5500 0000 0000 0004", "4012 8888 8888 1881"]
    for text in (" ".join(cards), "\n".join(cards), "\n".join(cards).replace(" ", "\n")):
        assert len(SCANNER.find(text)) == len(cards)
    assert SCANNER.find(f"{cards[0]} 1227 0123")[0].end == len(cards[0])


@pytest.mark.parametrize("behind", ["2027 0123 4567", "1234 5678 9012 3456"])
def test_a_list_that_is_said_to_begin_with_a_card_does(behind: str) -> None:
    text = f"4539 1488 0343 6467 {behind}"
    assert SCANNER.find(text) == []
    assert of(kind.CARD, f"my card: {text}") == ["4539 1488 0343 6467"]


@pytest.mark.parametrize(
    "text",
    [
        "Rechnung 0316-503133",
        "Auftrags-Nr. 0316 503133",
        "Kundennummer 0431 350690",
        "factura: 0316-503133",
    ],
)
def test_numbers_of_papers_are_no_telephone_numbers(text: str) -> None:
    assert SCANNER.find(text) == []
    number = text[-11:].strip()
    for before in ("Kundentelefon", "Fragen zur Rechnung? Tel.", "Bestellung unter"):
        assert [span.kind for span in SCANNER.find(f"{before} {number}")] == [kind.PHONE]


def test_an_articles_number_is_no_card_of_thirteen_digits() -> None:
    assert SCANNER.find("EAN;4000000000006;Schraube") == []
    assert SCANNER.find("4 705483 442489; 4-705483-442489; 4705483442489") == []
    assert [span.kind for span in SCANNER.find("it is 4222222222222 now")] == [kind.CARD]


def test_a_network_address_behind_an_american_number_is_itself() -> None:
    text = 'ssn 509-56-8202 {"ip":"190.65.9.140"}'
    assert found(text) == [(kind.SSN, "509-56-8202"), (kind.IP, "190.65.9.140")]
    assert found('ssn {"ip":"190.65.9.140"}') == [(kind.IP, "190.65.9.140")]


@pytest.mark.parametrize(
    "text", ["expediente 0199/505770", "arXiv:0704.74039", "S/N 0046-6580-6236"]
)
def test_what_is_named_otherwise_is_no_telephone_number(text: str) -> None:
    assert found(text) == []
