"""Values where nobody put them before: in brackets, in columns, behind names that mean something
else; and drawings, tables and pictures that look like values."""

from __future__ import annotations

import base64
from random import Random

import pytest

from federation.guardrails import entities as kind
from federation.guardrails.scan import Scanner

SCANNER = Scanner(kind.BUILT_IN)


def found(text: str) -> list[tuple[str, str]]:
    return [(span.kind, text[span.start : span.end]) for span in SCANNER.find(text)]


CARDS = ("4716 2210 5188 5662", "4716221051885662", "4716-2210-5188-5662", "3782 822463 10005")


@pytest.mark.parametrize("card", CARDS)
@pytest.mark.parametrize("text", ["({})", "my card ({} until 2031)", "pay({}, 12)", "x ({}) 04/31"])
def test_a_card_in_brackets_of_the_sentence_is_found(card: str, text: str) -> None:
    assert found(text.format(card)) == [(kind.CARD, card)]


def test_a_card_with_brackets_in_it_is_none() -> None:
    assert found("(4716) 2210 5188 5662") == []


@pytest.mark.parametrize(
    "text", ['message="{}"', '"message": "Is {} ok?"', "event: {}", "request: {}"]
)
def test_names_of_texts_do_not_say_that_a_number_is_no_card(text: str) -> None:
    assert found(text.format(CARDS[1])) == [(kind.CARD, CARDS[1])]


@pytest.mark.parametrize(
    "text",
    ["message_id={}", "random.seed({})", '"seed": {}', "request-id: {}", "user id {}", "nonce {}"],
)
def test_names_of_numbers_do(text: str) -> None:
    assert found(text.format(CARDS[1])) == []


def test_an_american_number_and_a_card_in_columns_are_found_each() -> None:
    for social, card in (("219 44 6759", "6759 4111 0000 0008"), ("219-44-4539", CARDS[0])):
        assert found(f"{social}\t{card}") == [(kind.SSN, social), (kind.CARD, card)]
    assert found("439 986 0531    211 24 8773") == [
        (kind.PHONE, "439 986 0531"),
        (kind.SSN, "211 24 8773"),
    ]


def test_an_account_number_in_groups_is_no_parcel() -> None:
    account = "IS96 9365 6124 1024 0659 7187 00"
    assert found(f"{account}\nx") == [(kind.IBAN, account)]
    assert found("parcel 9365 6124 1024 0659 7187 00") == []


@pytest.mark.parametrize(
    "text",
    [
        "my social is {}",
        "Social number: {}",
        "social no. {}",
        "Social: {}",
        "S.S.N. {}",
        "SS number: {}",
        "SS # {}",
        '{{"social_security_number": "{}"}}',
        '{{"socialSecurityNumber": "{}"}}',
        '{{"ssn_number": {}}}',
        "customer_ssn={}",
        "customerSSN: {}",
        "ssnNumber = {}",
    ],
)
def test_an_american_number_is_called_social(text: str) -> None:
    assert found(text.format("219446759")) == [(kind.SSN, "219446759")]


@pytest.mark.parametrize(
    "text", ["social media: {}", "class number {}", "less no. {}", "sessn {}", "social club no {}"]
)
def test_a_number_of_nine_digits_is_not_called_so_by_other_words(text: str) -> None:
    assert found(text.format("219446759")) == []


@pytest.mark.parametrize("mail", ["rosa@[192.0.2.44]", "rosa+x@[IPv6:2001:db8::7]"])
def test_a_mailbox_at_a_hosts_address_is_one_value(mail: str) -> None:
    assert found(f"write to {mail}, please") == [(kind.EMAIL, mail)]


def test_a_login_at_a_hosts_address_is_an_address() -> None:
    assert found("ssh root@[2001:db8::7]:2222") == [(kind.IP, "2001:db8::7")]


@pytest.mark.parametrize("text", ["logo@2x.png", "icons/cart@3x.webp", "url(bg@2x.JPG)"])
def test_a_picture_for_sharp_screens_is_no_mailbox(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "path",
    ["m4 8c3.61.3.35c7.09 22.8", "l12.1 9.83.28.97c11-3", "h8 25.70.17.74 .28s3", "a1.27.18.89z"],
)
def test_the_path_of_a_drawing_holds_no_address(path: str) -> None:
    assert found(f'<path d="{path}"/>') == []


def test_an_address_beside_letters_is_one_all_the_same() -> None:
    for text in ("host{}, up", "{}s", "ip {} at 3.5 s", "from {}."):
        assert found(text.format("198.51.100.23")) == [(kind.IP, "198.51.100.23")]


@pytest.mark.parametrize("gap", ["  ", " ", "\t"])
@pytest.mark.parametrize("columns", [5, 6, 7])
def test_columns_of_four_digits_hold_no_card(gap: str, columns: int) -> None:
    lots = Random(11)
    tables = [
        "\n".join(gap.join(f"{lots.randrange(10_000):4}" for _ in range(columns)) for _ in range(5))
        for _ in range(100)
    ]
    assert sum(bool(found(table)) for table in tables) <= 3


def test_cards_with_what_belongs_to_them_in_columns_are_found() -> None:
    rows = ("4111 1111 1111 1111 1231 0123", "5500 0000 0000 0004 0332 0999")
    assert [value for _, value in found("\n".join(rows))] == [row[:19] for row in rows]


def test_base64_of_wide_characters_is_read() -> None:
    told = base64.b64encode(f"pay with {CARDS[0]} now".encode("utf-16-le")).decode()
    assert found(f"powershell -enc {told}") == [(kind.CARD, told)]
    calm = base64.b64encode("Get-Process, and nothing else".encode("utf-16-le")).decode()
    assert found(f"powershell -enc {calm}") == []


def test_an_account_number_in_base64_is_none_of_the_cards_in_it() -> None:
    told = base64.b64encode(b"GE12UH6823774645630908").decode()
    assert found(f"blob={told}") == [(kind.IBAN, told)]


@pytest.mark.parametrize("text", ["replace {} soon", "{}", "to {}, please", "Salem MA {}"])
def test_a_postcode_with_a_dash_is_no_telephone_number(text: str) -> None:
    assert found(text.format("02155-0403")) == []
    assert found("Telefon 02155-0403") == [(kind.PHONE, "02155-0403")]


def test_a_license_number_begins_behind_the_blank() -> None:
    assert found("license number 4471829") == [(kind.DRIVERS_LICENSE, "4471829")]


def test_the_lines_of_a_table_may_have_words_around_them() -> None:
    table = "Note: 9244  3721  2595  5300  6274  2310\n9482  9105  8770  1471  2478  1512 end"
    assert found(table) == []
    quoted = "3011  5363  3099  0431  7703  5693"
    assert found(f'"9111  0624  2256  5005  9145  6179\n{quoted}"') == []


@pytest.mark.parametrize("text", ["b0 3e d7 11 fb {} b5", "{} ff 00 1a", "c0 d1 {}"])
def test_bytes_in_a_dump_are_no_telephone_number(text: str) -> None:
    assert found(text.format("03 80 36 19 12")) == []
    assert found("au 03 80 36 19 12 ce soir") == [(kind.PHONE, "03 80 36 19 12")]


def test_a_line_of_several_values_is_no_line_of_a_table() -> None:
    lines = (
        "Ines Maro\t079/211 48 96\t574 76 5863\t4716-2210-5188-5662",
        "Jon Orr\t06-51-07-42-34\t593-50-0182\t5038 0518 0117",
        "Ana Roy\t079 211 48 96\t574 76 5863\t4716 2210 5188 5662",
    )
    told = [value for each, value in found("\n".join(lines)) if each == kind.CARD]
    assert told == [lines[0][-19:], lines[1][-14:], lines[2][-19:]]


@pytest.mark.parametrize("behind", ["de 10 h", "de 09 heures", "ce 12 mai", "De 14 h"])
def test_a_telephone_number_before_a_time_is_no_part_of_a_dump(behind: str) -> None:
    assert found(f"au 06 12 34 56 78 {behind}") == [(kind.PHONE, "06 12 34 56 78")]


@pytest.mark.parametrize(
    "text",
    [
        "1 4111 1111 1111 1111\n2 1234 5678 9012 3456\n",
        "4111 1111 1111 1111 12 27\n4222 2222 2222 2222 11 26\n",
    ],
)
def test_a_card_in_a_list_is_found_beside_one_with_a_wrong_digit(text: str) -> None:
    assert found(text) == [(kind.CARD, "4111 1111 1111 1111")]
