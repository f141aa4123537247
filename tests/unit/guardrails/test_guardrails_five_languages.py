"""Fields, letters and configuration in several languages, and what only looks like them."""

from __future__ import annotations

import random
import string

import pytest

from federation.guardrails import entities as kind
from federation.guardrails.scan import Scanner

SCANNER = Scanner(kind.BUILT_IN)


def found(text: str) -> list[tuple[str, str]]:
    return [(span.kind, text[span.start : span.end]) for span in SCANNER.find(text)]


def told(text: str) -> tuple[str, str]:
    """A text without the marks around its value, and the value."""
    before, value, after = text.split("¦")
    return before + value + after, value


@pytest.mark.parametrize(
    "text",
    [
        '{"dateOfBirth": "¦1985-03-12¦T00:00:00Z"}',
        "Patient: Meier, Hans (geb. am ¦12.03.1985¦)",
        "Geb.-Datum: ¦12.3.1985¦",
        "geb. ¦3. Januar 1971¦ in Köln",
        "Geburtstag: ¦12.03.1985¦",
        "né(e) le ¦12 mars 1985¦",
        "née le ¦1er mars 1985¦",
        "DDN : ¦12/03/1985¦",
        "nato a Roma il ¦12/03/1985¦",
        "nata il ¦12 marzo 1985¦",
        "data di nascita: ¦3 luglio 1985¦",
        "F. nac.: ¦12/03/1985¦",
        "nació el ¦12 de marzo de 1985¦",
        "nascido em ¦12 de março de 1985¦",
        "Geboortedatum: ¦12-03-1985¦",
        "geboren op ¦12 maart 1985¦",
        "DOB ¦12MAR1985¦",
        "in Bad Homburg am ¦12. März 1985¦ geboren.",
        "Sie ist am ¦12.03.1985¦ geboren",
        "Hij is te Utrecht op ¦12 maart 1985¦ geboren",
        "DOB: ¦19850312¦",
    ],
)
def test_a_date_of_birth_is_told_in_the_languages_of_letters(text: str) -> None:
    whole, value = told(text)
    assert found(whole) == [(kind.DATE_OF_BIRTH, value)]


@pytest.mark.parametrize(
    "text",
    [
        "(geb. Müller), Termin am 12.03.2024",
        "Die NATO tagt am 12.03.2024",
        "naturalmente il 12/03/2024 sarà chiuso",
        "bdays 12 and 13",
        "Am 12. März 1985 wurde die Firma gegründet, geboren aus einer Idee",
    ],
)
def test_a_day_behind_another_word_is_no_date_of_birth(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "BIC: ¦COBADEFFXXX¦",
        "SWIFT code ¦DEUTDEFF¦",
        "BIC/SWIFT: ¦BNPAFRPPXXX¦",
        "SWIFT ¦DEUTDEFF500¦",
        "account_number: ¦1234567890¦",
        '"accountNumber":"¦1234567890¦"',
        "Kto. ¦1234567890¦",
        "rekeningnummer ¦123456789¦",
        "conto corrente n. ¦000000123456¦",
    ],
)
def test_an_account_is_told_by_the_fields_of_forms(text: str) -> None:
    whole, value = told(text)
    assert found(whole) == [(kind.BANK_ACCOUNT, value)]


@pytest.mark.parametrize(
    "text",
    [
        "SWIFT PROGRAMMING guide, SWIFT LANGUAGE",
        "the BIC criterion, BIC and AIC",
        "account created on 2024-03-12",
        "driver's license expires in 2026",
        "driving licence valid until 2026-05-12",
        "Licence no longer valid after 2023",
    ],
)
def test_a_language_and_a_day_are_no_account_and_no_license(text: str) -> None:
    assert found(text) == []


def test_passports_are_read_as_other_countries_number_them() -> None:
    assert found("passeport n° 12AB34567") == [(kind.PASSPORT, "12AB34567")]
    assert found("pasaporte: AAA123456") == [(kind.PASSPORT, "AAA123456")]


@pytest.mark.parametrize(
    "text",
    [
        "mot de passe : ¦Soleil2024!¦",
        "contraseña: ¦Verano2024!¦",
        "senha: ¦Verao2024!¦",
        "wachtwoord: ¦Zomer2024!¦",
        "Authorization: Basic ¦dXNlcjpwYXNzd29yZA==¦",
        "<password>¦x9K!mm2pQ¦</password>",
    ],
)
def test_a_password_is_told_in_the_languages_of_chats_and_files(text: str) -> None:
    whole, value = told(text)
    assert found(whole) == [(kind.SECRET, value)]


@pytest.mark.parametrize(
    "text",
    [
        '<input type="password" placeholder="x" autocomplete="current-password" required>',
        "const accessToken = response.data?.accessToken;",
        "password = hashlib.sha256(text)",
        "password: process.env.DB_PASS1,",
        "PWD=/home/user/dir1/Projects",
        "<password></password>, mot de passe oublié ?",
    ],
)
def test_code_that_handles_secrets_holds_none(text: str) -> None:
    assert found(text) == []


LETTERS, SMALL = string.ascii_letters + string.digits, string.ascii_lowercase + string.digits
CAPITALS, HEX, DIGITS = string.ascii_uppercase + string.digits, "0123456789abcdef", string.digits


@pytest.mark.parametrize(
    "form",
    [
        (
            ("https://hooks.slack.com/services/T", CAPITALS, 8),
            ("/B", CAPITALS, 8),
            ("/", LETTERS, 24),
        ),
        (("https://discord.com/api/webhooks/", DIGITS, 18), ("/", LETTERS, 68)),
        (("bot", DIGITS, 9), (":AA", LETTERS, 33)),
        (("AKIA", string.ascii_uppercase, 16),),
        (("NRAK-", CAPITALS, 27),),
        (("figd_", LETTERS, 40),),
        (("sq0atp-", LETTERS, 22),),
        (("phc_", LETTERS, 43),),
        (("secret_", LETTERS, 43),),
        (("sbp_", HEX, 40),),
        (("pat", LETTERS, 14), (".", HEX, 64)),
        (("xkeysib-", HEX, 64), ("-", LETTERS, 16)),
        (("dp.pt.", LETTERS, 43),),
        (("dt0c01.", CAPITALS, 24), (".", CAPITALS, 64)),
    ],
)
def test_keys_are_found_by_their_issuers_forms(form: tuple[tuple[str, str, int], ...]) -> None:
    lots = random.Random(4)
    key = "".join(
        part + "".join(lots.choice(signs) for _ in range(size)) for part, signs, size in form
    )
    for text in (key, f"export X={key}", f"https://a.example/{key}/send" if "bot" in key else key):
        assert (kind.API_KEY, key) in found(text)


@pytest.mark.parametrize(
    "name",
    [
        "jina-reranker-v2-base-multilingual",
        "voyage-multilingual-large-2-instruct",
        "cohere_rerank_multilingual_v3_0_endpoint",
        "together-mixtral-8x7b-instruct-v0.1",
    ],
)
def test_a_models_name_is_no_key(name: str) -> None:
    assert found(f"we use {name} for it") == []


@pytest.mark.parametrize(
    "text",
    [
        "x[::2] and y[1::2] and z[::3, 1:] and a[-2::-1] and d()[::4]",
        "1.52-.87 2.83-2.12 3.51.98.32 2.03.5 0",
        "Fifth Floor, Boston, MA\n#  02110-1301  USA",
        "Boston, MA\n * 02110-1301, USA",
    ],
)
def test_strides_drawings_and_postcodes_in_source_code_are_nothing(text: str) -> None:
    assert found(text) == []


def test_what_stands_like_them_is_found_all_the_same() -> None:
    assert found("ping 1::2 at http://[1::2]:80") == [(kind.IP, "1::2")] * 2
    assert found("took 0.123 203.0.113.7 1.5") == [(kind.IP, "203.0.113.7")]
    assert found("OK\n  0800-89-1131") == [(kind.PHONE, "0800-89-1131")]
