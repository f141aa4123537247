"""What another round of sets that nobody tuned on showed: labels, heads, look-alikes."""

from __future__ import annotations

import pytest

from federation.guardrails import entities as kind
from federation.guardrails.scan import Scanner

SCANNER = Scanner(kind.BUILT_IN)
NUMBER = "632 591 866"
"""Told by no form."""


def found(text: str) -> list[tuple[str, str]]:
    return [(span.kind, text[span.start : span.end]) for span in SCANNER.find(text)]


@pytest.mark.parametrize(
    "label",
    ["Freephone ", "Telefón: ", "Telp. ", "Tālrunis: ", "Selfoon: ", "Namba ya simu: ", "No. HP: ",
     "Điện thoại: ", "SĐT: ", "Di động: ", "gọi ", "hubungi ", "wa.me/", "contact # ",
     "PhoneNbr=", "Phone 2: ", "Moje číslo je ", "számom: ", "hívjon: ", "beni arayın: ",
     "Call now! ", "txt me ", "Call centre: ", "return call to ", "give me a buzz at ",
     "get hold of me on ", "speak to us on ", "caller: ", "Next of kin: ",
     "Terugbellen: ", "zavolejte na ", "una llamada al ", "(p) ", "ph ",
     "Service client : ", "SAV : ", "atención al cliente ", "Assistenza: ", "Obsługa klienta: ",
     "☎ ", "☎️ ", "📞 ", "📱", "موبایل: ", "شماره تماس: ", "פלאפון ", "お問い合わせ: ", "மொபைல்: ",
     "ფონი, ტელ: ", "Contact: Ann Lee ", "Contatti: ", "Kontakt: Ann Lee, ", "ring Ann Lee back, ",
     "rappeler Ann Lee au ", "Mobile\n", "- Telefon:\n", "Home phone \r\n  ", "\nM. ",
     "sms_to=", "The landlord's number is ", "nr kontaktowy ", "ligar de volta para ",
     '"parent_contact": "'],
)  # fmt: skip
def test_a_label_names_a_telephone_number(label: str) -> None:
    assert found(f"Hello,\n{label}{NUMBER}\nbye") == [(kind.PHONE, NUMBER)]


@pytest.mark.parametrize(
    "head",
    ["Mobile no.", "Contact number", "Emergency phone", "Phone 1", "Phone (home)", "PhoneNbr",
     "customerPhone", "Teléfono", "Tél.", "Rufnummer", "Numer telefonu", "Cep telefonu", "telefoon",
     "Telefonszám", "Điện thoại", "电话", "Телефон", "tel_mobile", "GSM", "N° de téléphone"],
)  # fmt: skip
@pytest.mark.parametrize("line", ["name,{},city\nAnn,{},Rome", "name\t{}\nAnn\t{}"])
def test_a_head_names_a_column_of_telephone_numbers(head: str, line: str) -> None:
    assert found(line.format(head, "0632591866")) == [(kind.PHONE, "0632591866")]


@pytest.mark.parametrize(
    "head", ["SS#", "SSN #", "Taxpayer SSN", "Social Security No.", "ss number"]
)
def test_a_head_names_a_column_of_american_numbers(head: str) -> None:
    assert found(f"name,{head},city\nAnn,431239306,Rome") == [(kind.SSN, "431239306")]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("host ::18f6:64f9 is down", (kind.IP, "::18f6:64f9")),
        ("IP:2606::574:531c:6c3", (kind.IP, "2606::574:531c:6c3")),
        ("write to ann@bank.xn--p1ai today", (kind.EMAIL, "ann@bank.xn--p1ai")),
    ],
)
def test_an_address_is_found_as_it_is_written(text: str, value: tuple[str, str]) -> None:
    assert found(text) == [value]


@pytest.mark.parametrize(
    "text",
    [
        "paid with +++213/0465/30310+++",
        "2.5.29.46 extension and 2.5.4.3",
        "OID 2.5.29.15, critical",
        "enzyme E.C. 2.3.6.8",
        "P/N 0137-982-632",
        "NSN 0070-45-653-5598",
        "32\t37740\t27601\t78833\t5",
        "pH 632 591 866",
        "Call me on my phone\nor by mail, 632 591 866 times",
        "phones,city\n12,Rome\n1234567890123456,Bonn",
        "Customer no. 2558976, mobile follows",
        "policy id 25589 761, work accident",
    ],
)
def test_what_only_looks_like_it_is_none(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (kind.PHONE, "+44 20<!-- --> 7946 0958"),
        (kind.CARD, "4539 14<!-- x -->88 0343 6467"),
        (kind.SSN, "536-<!---->22-8741"),
    ],
)
def test_a_value_goes_on_over_a_comment(name: str, value: str) -> None:
    assert found(f"<p>Here: <!-- -->{value}</p>") == [(name, value)]


def test_a_comment_that_says_something_sets_values_apart() -> None:
    assert found("4539<!-- the next page -->1488 0343 6467") == []


def test_digits_of_a_telephone_number_are_no_address() -> None:
    assert kind.IP not in [name for name, _ in found("Bel mij op +46 (0)31.29.89.70")]
