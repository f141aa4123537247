"""Values in formats that no rule was tuned on, and what only looks like them."""

from __future__ import annotations

import pytest

from federation.guardrails import entities as kind
from federation.guardrails.entities import Action
from federation.guardrails.guard import Guard, Plan, Screening
from federation.guardrails.scan import Scanner
from federation.guardrails.windows import Window

SCANNER = Scanner(kind.BUILT_IN)
GUARD = Guard(Plan(dict.fromkeys(kind.BUILT_IN, Action.REDACT)), b"k")
NUMBER = "632591866"
"""Told by no form."""


def found(text: str) -> list[tuple[str, str]]:
    return [(span.kind, text[span.start : span.end]) for span in SCANNER.find(text)]


@pytest.mark.parametrize(
    "label",
    ["Si tiene dudas llame al ", "Could you text me the code at ", "enter the code we've sent to ",
     "Rückfragen unter ", "Anmeldung bitte unter ", "Renseignements au ", "Información en el ",
     "Prenotazioni al ", "Per informazioni: ", "Informatie via ", "Zapisy pod nr ", "Frågor på ",
     "Enquiries: ", "Du når Åsa Öberg på ", "joindre Élodie au ", "emergency line: ",
     "Contact person: Ann Lee ", "Kontaktperson: Ann Lee ", "Alt: ", "my home is ",
     "the office number of Acme in Omaha, NE 68102 is ", "adjuster Ann Lee, direct ",
     "Call me at home, ", "contact physician at ", "Ann dials in from ", "redialed from ",
     "Fale conosco: ", "Tfn: ", "Contatos: ", "请打", "bel ", "Fixe ", "客服热线：", "ご連絡は"],
)  # fmt: skip
def test_a_label_names_a_telephone_number(label: str) -> None:
    assert found(f"Hello,\n{label}{NUMBER}\nbye") == [(kind.PHONE, NUMBER)]


@pytest.mark.parametrize(
    "text",
    ["Zapłacono 632591866 zł", "error code sent to unit 632591866", "information 632591866",
     "alt 632591866", "work order 632591866", "terminal 632591866", "INFO 632591866",
     "call the function at 632591866", "reach 632591866 users", "call it 632591866 more times",
     "text 632591866 characters"],
)  # fmt: skip
def test_words_that_only_begin_like_a_label_name_none(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "between",
    [", ", " / ", "; ", " or ", " and ", " und ", " ou ", " y ", " lub ", " & ", ", or "],
)
@pytest.mark.parametrize("number", ["98796 93632", "9879693632", "601 234 567"])
def test_numbers_behind_one_that_is_named_are_numbers(number: str, between: str) -> None:
    other = number.replace("6", "7")
    text = f"Phone: {number}{between}{other}{between}{number}."
    assert found(text) == [(kind.PHONE, each) for each in (number, other, number)]


@pytest.mark.parametrize("between", [", ", " or ", "; ", " oder ", ", and "])
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_long_list_of_numbers_is_one_in_a_stream_too(between: str, size: int) -> None:
    """Its label was said long before its end."""
    numbers = [str(9_879_693_632 + 7 * n) for n in range(60)]
    text = f"Phone: {between.join(numbers)}. Call 9886768052 kg of it, or so."
    window, said = Window(GUARD, "x", Screening.begin(b"s")), ""
    for at in range(0, len(text), size):
        said += window.feed(text[at : at + size])
    said += window.close()
    assert said == GUARD.text(text, "x", Screening.begin(b"s"))
    assert not any(number in said for number in numbers)


def test_a_list_of_strings_under_a_name_is_a_list_of_numbers() -> None:
    text = '{"phones": ["9879693632", "9886768052"], "n": "9886768052"}'
    assert found(text) == [(kind.PHONE, "9879693632"), (kind.PHONE, "9886768052")]


@pytest.mark.parametrize(
    "behind",
    [", 10115 Berlin", " and 12 others", ", 98867680521 units", ", 9886768052.5", ", 9886768052kg",
     ",9886768052", " 9886768052"],
)  # fmt: skip
def test_other_numbers_behind_one_are_none(behind: str) -> None:
    assert found(f"Phone: 9879693632{behind}")[1:] == []


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("between", [", ", " / ", " or ", " und "])
def test_a_stream_knows_a_number_behind_another_too(between: str, size: int) -> None:
    guard = Guard(Plan({kind.PHONE: Action.REDACT}), b"k")
    window = Window(guard, "x", Screening.begin(b"s"))
    text = f"Please phone: 98796 93632{between}98867 68052 and ask for Ann."
    said = [window.feed(text[at : at + size]) for at in range(0, len(text), size)]
    expected = f"Please phone: [PHONE]{between}[PHONE] and ask for Ann."
    assert "".join([*said, window.close()]) == expected


@pytest.mark.parametrize("first", ["+91 98314 98318", "+919831498318", "0091 9831498318"])
@pytest.mark.parametrize("between", [" / ", " - ", " or "])
def test_a_number_with_a_calling_code_stands_before_one_without(first: str, between: str) -> None:
    text = f"{first}{between}9011457460"
    expected = [first] if between == " - " else [first, "9011457460"]
    assert found(text) == [(kind.PHONE, each) for each in expected]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("La carta 4018248720235 è stata clonata", (kind.CARD, "4018248720235")),
        ("Zapłaciłem kartą 4018248720235", (kind.CARD, "4018248720235")),
        ("TE*x*EM*ann@example.org~", (kind.EMAIL, "ann@example.org")),
        ("TO=001-516-893-2833", (kind.PHONE, "001-516-893-2833")),
        ("name;tel\nAnn;11964110964\n", (kind.PHONE, "11964110964")),
    ],
)
def test_a_value_is_found_in_such_a_format(text: str, value: tuple[str, str]) -> None:
    assert found(text) == [value]


@pytest.mark.parametrize(
    "text",
    [
        "memory card, EAN 4018248720235 in stock",
        "4018248720235",
        "bootloader 6.74.83.85",
        "Our ref: KC/0931/176322",
        "https://example.org/docs/0931/176322",
    ],
)
def test_what_only_looks_like_one_is_none(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "name",
    ["api_token = ", "EXAMPLE_API_TOKEN=", "BOT_TOKEN: ", "app key: ", "EXAMPLE_ADMIN_KEY=",
     "signing_key=", "deploy token "],
)  # fmt: skip
def test_a_name_of_a_token_or_a_key_says_what_stands_behind_it(name: str) -> None:
    value = "FAfd262GsrEskoy9P7sUAI5i9l63Rjwk"
    assert found(f"{name}{value}") == [(kind.SECRET, value)]


@pytest.mark.parametrize(
    "text",
    ["next_page_token: CAUQAA2b9f8e7d6c", "max_tokens=4096", "EOS_TOKEN=</s>",
     "sort_key = created_at2", "MY_TOKEN=${OTHER_TOKEN}"],
)  # fmt: skip
def test_a_place_in_a_list_and_a_setting_are_no_secrets(text: str) -> None:
    assert found(text) == []
