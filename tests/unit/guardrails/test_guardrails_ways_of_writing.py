"""Values as other countries, forms, programs and files write them."""

from __future__ import annotations

import pytest

from federation.guardrails import entities as kind
from federation.guardrails.scan import Scanner

SCANNER = Scanner(kind.BUILT_IN)


def found(text: str) -> list[tuple[str, str]]:
    return [(span.kind, text[span.start : span.end]) for span in SCANNER.find(text)]


@pytest.mark.parametrize(
    "number",
    [
        "(351) 914331032",
        "(022) 15502",
        "(506)/258-7994",
        "(20)/178-9798",
        "(11).96284-5686",
        "8 (912) 137-85-66",
        "0 (212) 137 85 66",
        "138-5684-9993",
        "02731/34727265",
        "01512 3456789",
        "07696 63461 009",
        "015507.270134",
    ],
)
def test_a_number_in_brackets_or_behind_a_nought_is_told_by_its_form(number: str) -> None:
    assert found(f"It is {number} today.") == [(kind.PHONE, number)]


@pytest.mark.parametrize(
    "number",
    ["+639051045916", "+34 810 17 10 05", "(206) 825-2008", "265-068-8225", "0906 098 293"],
)
def test_a_number_is_found_between_the_fields_of_a_line(number: str) -> None:
    text = f"a,b,phone,ip\nAda,Lee,{number},52.122.77.1\nBo,Li,{number},52.122.77.1\n"
    assert found(text) == [(kind.PHONE, number), (kind.IP, "52.122.77.1")] * 2
    assert (kind.PHONE, "+639051045916") in found("7,+639051045916,52.122.77.1")


def test_digits_in_groups_of_a_thousand_are_no_field_with_a_number() -> None:
    assert found("it was 12,045 678 901 in all") == []


@pytest.mark.parametrize(
    "text",
    [
        '{{"phoneNumber": "{}"}}',
        '{{"homePhone": "{}"}}',
        '{{"customer_phone2": "{}"}}',
        "T: {} | M: +44 20 7946 0958",
        "- Home: {}\n",
        "Contact: {}",
        "Sie können mich unter {} anrufen",
        "Sie erreichen uns telefonisch von 9 bis 17 Uhr unter der Nummer {}.",
        "Meine Nummer ist {}",
        "my emergency number is {}",
        "Chiamami al {} domani",
        "cellulare {}",
        "Puede llamarme al {} por la tarde",
        "mi número es {}",
        "Ligue para {} hoje",
        "Bel mij op {} vanavond",
        "Vous pouvez me joindre au {}",
        "Mon numéro : {}",
    ],
)
def test_words_of_other_languages_and_names_of_fields_tell_a_number(text: str) -> None:
    assert (kind.PHONE, "34 11 66 43") in found(text.format("34 11 66 43"))


@pytest.mark.parametrize(
    "card",
    [
        "3598611990617355",
        "3504 4287 9507 5330",
        "639094702714",
        "6761 0134 2530",
        "060413286430",
        "3629141777631703",
        "3052-0927-8253-6443",
        "3095.6690.7439.1501",
        "3800806360837783533",
        "4705-4834-4248-9",
        "4566 2136 2382 6",
    ],
)
def test_cards_of_all_issuers_are_found(card: str) -> None:
    assert found(f"pay with {card} now") == [(kind.CARD, card)]
    assert found(f"| {card} | 4977.19 | {card} |") == [(kind.CARD, card)] * 2


def test_a_short_debit_card_is_told_by_the_name_of_its_field() -> None:
    for name in ("card_no", "creditCard", "cards", "cardNumber"):
        assert found(f"{name}: 581309328374") == [(kind.CARD, "581309328374")]


def test_an_account_number_with_a_sign_too_few_is_found_where_its_check_digits_are_right() -> None:
    assert found("to GB29UCWR1876241014679.") == [(kind.IBAN, "GB29UCWR1876241014679")]
    assert found("to GB30UCWR1876241014679.") == []
    assert found("to XGB29UCWR1876241014679.") == []


def test_an_address_whose_name_is_quoted_is_found_with_its_quotation_marks() -> None:
    assert found('to "jane.doe"@example.net, please') == [(kind.EMAIL, '"jane.doe"@example.net')]


@pytest.mark.parametrize("text", ["261159-4745", "Rijksregisternummer: 03092158012"])
def test_national_numbers_of_digits_alone_are_found(text: str) -> None:
    assert [name for name, _ in found(text)] == [kind.NATIONAL_ID]


@pytest.mark.parametrize(
    "text",
    ["name=Ann&phone={}&x=1", "?a=1&phone={}", "&sect=1&phone={}", "a=1&num=2&phone={}"],
)
def test_the_name_of_a_field_in_an_address_is_no_entity(text: str) -> None:
    assert found(text.format("1-998-473-8871")) == [(kind.PHONE, "1-998-473-8871")]
    assert found("jane&#64;example&#46;org") == [(kind.EMAIL, "jane&#64;example&#46;org")]
    assert found("jane&commat;example&period;org") == [
        (kind.EMAIL, "jane&commat;example&period;org")
    ]


@pytest.mark.parametrize("extension", [" EXT 12", " Ext: 5791", " EXT. 206", "ext53", " ext:7"])
def test_an_extension_belongs_to_its_number_however_it_is_written(extension: str) -> None:
    for number in ("18379623347", "(555) 123-4567", "+1 843 382 8809"):
        assert found(f"{number}{extension}, Berlin") == [(kind.PHONE, number + extension)]
    assert found(f"18379623347 t{extension.strip()}") == []


@pytest.mark.parametrize("text", ["from {}", "[{}]:443", '"X-Forwarded-For": "{}"', "{}/64"])
def test_an_address_of_version_four_within_one_of_version_six_is_one_value(text: str) -> None:
    for address in ("::ffff:140.234.185.9", "::FFFF:203.0.113.7"):
        assert found(text.format(address)) == [(kind.IP, address)]
    assert found("std::ffff::x") == []
