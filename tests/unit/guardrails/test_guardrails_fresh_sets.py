"""What sets that nobody tuned on showed: columns, labels of other scripts, marks within values."""

from __future__ import annotations

import pytest

from federation.guardrails import columns
from federation.guardrails import entities as kind
from federation.guardrails.entities import Span
from federation.guardrails.scan import Scanner

SCANNER = Scanner(kind.BUILT_IN)


def found(text: str) -> list[tuple[str, str]]:
    return [(span.kind, text[span.start : span.end]) for span in SCANNER.find(text)]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("id;nom;telephone\n1;Ann;0632591866\n2;Bo;0637149858", ("0632591866", "0637149858")),
        ("name,phone\nAnn,4155550132\n", ("4155550132",)),
        ("name; mobile number\nAnn; 0632591866\n", ("0632591866",)),
        ("name\tcontact phone\nAnn\t0632591866\n", ("0632591866",)),
        ('name,"mobile no",x\n"Lee, Ann","0632591866",1', ("0632591866",)),
        ("| name | phone |\n|---|---|\n| Ann | 0632591866 |", ("0632591866",)),
        ("INSERT INTO t(id, name, phone) VALUES (310030, 'O', '0632591866'), (2, '', '0637149858')",
         ("0632591866", "0637149858")),
    ],
)  # fmt: skip
def test_a_column_of_telephone_numbers_is_told_by_its_head(
    text: str, values: tuple[str, ...]
) -> None:
    assert found(text) == [(kind.PHONE, value) for value in values]


@pytest.mark.parametrize(
    "text",
    [
        "name,ssn\nAnn,431239306",
        "ssn|name\n431239306|Ann",
        "INSERT INTO `t` (`id`, `ssn`) VALUES\n  (7, '431239306');",
    ],
)
def test_so_is_one_of_american_numbers(text: str) -> None:
    assert found(text) == [(kind.SSN, "431239306")]


@pytest.mark.parametrize(
    "text",
    [
        "name,phone,city\nAnn,none,1234567\n",
        "rows,phone\n12,\n\n7,4155550132",
        "id,name,phone\n4155550132,Ann,",
    ],
)
def test_a_number_that_is_not_in_the_column_is_none_of_it(text: str) -> None:
    assert found(text) == []


def test_a_line_that_is_no_head_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[int] = []
    real = columns._lines

    def counting(data: bytes, at: int, spans: list[Span]) -> tuple[int, int, columns.Left | None]:
        lines.append(at)
        return real(data, at, spans)

    monkeypatch.setattr(columns, "_lines", counting)
    line = "x1234," + "phone," * 500
    assert found(f"{line}\n{line}\nname,phone\nAnn,4155550132\n{line}") == [
        (kind.PHONE, "4155550132")
    ]
    assert len(lines) == 3  # the last is a row of the table


def test_a_card_does_not_begin_in_the_field_before_it() -> None:
    assert found("159-45-6298,4987 2878 6736 2867") == [
        (kind.SSN, "159-45-6298"),
        (kind.CARD, "4987 2878 6736 2867"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Мой номер {}", "Звоните по номеру {}", "тел. {}", "電話番号は{}です", "手机号：{}",
        "제 번호는 {} 입니다", "फोन नंबर {}", "הטלפון: {}", "هاتف: {}", "τηλ. {}", "โทร {}",
        "My note in English, of some length, that names it once at its end: 電話 {}",
        "Ph no: {}", "Telf: {}",
        "meu zap é {}", "Numaram {}", "Port. : {}", "Ring på {}", "Cep: {}",
    ],
)  # fmt: skip
def test_words_of_many_languages_name_a_telephone_number(text: str) -> None:
    assert found(text.format("89039942822")) == [(kind.PHONE, "89039942822")]


@pytest.mark.parametrize("text", ["Заказ {}", "訂單 {}", "주문 {}", "CEP 17050-924", "номер {}"])
def test_other_words_of_these_languages_do_not(text: str) -> None:
    assert found(text.format("89039942822")) == []


@pytest.mark.parametrize(
    "text", ["T 22 93 01 23", "Anna\nM 22 930 123  E x", "T: 22 93 01 23", "Ring på 63 23 15 35"]
)
def test_an_initial_or_a_verb_names_a_short_one(text: str) -> None:
    assert [name for name, _ in found(text)] == [kind.PHONE]


@pytest.mark.parametrize("number", ["+18488159384", "(209)225-5458", "1-495-815-8308"])
def test_a_field_of_a_log_may_hold_a_telephone_number(number: str) -> None:
    assert found(f"sms: to={number} status=sent") == [(kind.PHONE, number)]


def test_a_sum_is_no_telephone_number() -> None:
    assert found("x=0208 1234 5678 y=12345678901") == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("My Number: {}", "4660 4508 7491"),
        ("マイナンバー {}", "056535561546"),
        ("個人番号は{}", "8659-1333-1096"),
        ("TC kimlik no: {}", "40027563546"),
        ("TCKN\n{}", "54357741130"),
        ("UIDAI no {}", "7001-9408-0565"),
        ("IdNr.: {}", "57 289 341 364"),
        ("name,TFN\nAnn,{}", "262 286 672"),
        ('{{"pers.nr": "{}"}}', "199609031886"),
    ],
)
def test_national_numbers_are_named_in_the_line_above_and_in_their_own_words(
    text: str, value: str
) -> None:
    assert found(text.format(value)) == [(kind.NATIONAL_ID, value)]


@pytest.mark.parametrize("value", ["4660 4508 7492", "0000 0000 0000", "400275635461"])
def test_a_wrong_check_digit_is_no_individual_number(value: str) -> None:
    assert kind.NATIONAL_ID not in [name for name, _ in found(f"マイナンバー {value}")]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("4111<b>1111</b>11111111", (kind.CARD, "4111<b>1111</b>11111111")),
        (
            "<i>4111</i> <i>1111</i> <i>1111</i> <i>1111</i>",
            (kind.CARD, "4111</i> <i>1111</i> <i>1111</i> <i>1111"),
        ),
        ("4111=\n111111111111", (kind.CARD, "4111=\n111111111111")),
        ("411111111111=\r\n1111", (kind.CARD, "411111111111=\r\n1111")),
        ("ann@<b>example</b>.org", (kind.EMAIL, "ann@<b>example</b>.org")),
        ("ssn 123-<i>45</i>-6789", (kind.SSN, "123-<i>45</i>-6789")),
        ("192.168.<b>12</b>.14", (kind.IP, "192.168.<b>12</b>.14")),
    ],
)
def test_marks_of_a_text_do_not_hide_a_value(text: str, kept: tuple[str, str]) -> None:
    assert found(f"x {text} y") == [kept]


@pytest.mark.parametrize(
    "text",
    [
        "<td>4111</td><td>1111</td><td>1111</td><td>1111</td>",
        "<p>4111</p><p>111111111111</p>",
        "a=\n4111 b=\n1111",
    ],
)
def test_cells_and_paragraphs_set_values_apart(text: str) -> None:
    assert found(text) == []


def test_a_value_within_a_tag_is_still_read() -> None:
    assert found('1<a href="mailto:ann@example.org">2</a>') == [(kind.EMAIL, "ann@example.org")]


@pytest.mark.parametrize(
    "text",
    [
        "clause 18.17.12.6", "Kapitel 10.15.18.16", "Art. 11.10.1.2", "EC 3.4.21.23", "7::8",
        "upgrade 13.20.17.21 -> 13.20.17.22", "SDK 17.7.7.18", "bumped to 12.4.10.58",
        "git@example.com:team/project.git", "account #123456", "acct no 1234567",
    ],
)  # fmt: skip
def test_what_only_looks_like_a_value_stays(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("item 10.0.0.4", (kind.IP, "10.0.0.4")),
        ("step 192.168.1.7", (kind.IP, "192.168.1.7")),
        ("ping 7::8", (kind.IP, "7::8")),
        ("tcp 2001:db8:2850:830::61:51234 ok", (kind.IP, "2001:db8:2850:830::61")),
        ("git@example.com", (kind.EMAIL, "git@example.com")),
        ("my bank account #123456", (kind.BANK_ACCOUNT, "123456")),
        ("account #12345678", (kind.BANK_ACCOUNT, "12345678")),
        ("account 1234567, sort code", (kind.BANK_ACCOUNT, "1234567")),
        ("431239306 is my social security number", (kind.SSN, "431239306")),
        ("Social Sec. No. .. 512543344", (kind.SSN, "512543344")),
    ],
)
def test_and_what_is_one_is_found(text: str, value: tuple[str, str]) -> None:
    assert value in found(text)


@pytest.mark.parametrize("word", ["my cell", "fax", "his fax is", "cell:", "cellulare"])
def test_short_words_name_a_telephone(word: str) -> None:
    assert found(f"{word} 79460958") == [(kind.PHONE, "79460958")]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Birgit writes from birgit@example.org/sales/north", (kind.EMAIL, "birgit@example.org")),
        ("rsync margit@backup.example.org:daily/2024",
         (kind.EMAIL, "margit@backup.example.org")),
        ("upgrade 203.0.113.7 to 22.04 tonight", (kind.IP, "203.0.113.7")),
        ("requires 203.0.113.7 to 22", (kind.IP, "203.0.113.7")),
        ("tag 52.14.33.21 is down", (kind.IP, "52.14.33.21")),
        ("day,mobile,x\n1,+49 30 1234567,3\n", (kind.PHONE, "+49 30 1234567")),
        ("name,cell,x\nAnn,4155550132,3\n", (kind.PHONE, "4155550132")),
    ],
)  # fmt: skip
def test_what_only_looks_like_no_value_is_one(text: str, value: tuple[str, str]) -> None:
    assert found(text) == [value]


@pytest.mark.parametrize(
    "text",
    [
        "git@example.org:team/project.git",
        "month,desktop,mobile\n2023-10,1204553,2309881\n2023-11,1304553,2.409.881\n",
        "day,cell,count\n1,1732370000,17\n",
        "size,tel,weight\n12,20231122,3\n13,2023-11-22,4\n",
        "no tin cans left\n12-3456789 screws",
        "upgrade 0.9.12.4 to 1.2",
        "color \x0304 20231122 1401",
    ],
)
def test_counts_times_and_parts_are_none(text: str) -> None:
    assert found(text) == []
