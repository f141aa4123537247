"""What national numbers check: digits computed from the others, and days that there are.

Each gets capitals and digits without separators, in the form of its row in `national`.
"""

from __future__ import annotations

from typing import Final

from federation.guardrails.checksums import (
    all_equal,
    gtin,
    iso_7064_mod_11_10,
    luhn,
    verhoeff,
    weighted,
)

_DNI_LETTERS: Final = "TRWAGMYFPDXBNJZSQVHLCKE"
_HETU_SIGNS: Final = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_NRIC: Final = {"S": "JZIHGFEDCBA", "T": "GFEDCBAJZIH", "F": "XWUTRQPNMLK", "G": "RQPNMLKXWUT"}
_ODD: Final = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3,
         6, 8, 12, 14, 16, 10, 22, 25, 24, 23),
        strict=True,
    )
)  # fmt: skip


def _day(text: str) -> bool:
    """`text` is month and day, MMDD."""
    return 1 <= int(text[:2]) <= 12 and 1 <= int(text[2:4]) <= 31


def nino(text: str) -> bool:
    """Britain's insurance number: it has no check digit, but beginnings that were never given."""
    return text[:2] not in ("BG", "GB", "NK", "KN", "TN", "NT", "ZZ")


def nhs(text: str) -> bool:
    """The number of Britain's health service."""
    check = 11 - weighted(text, (10, 9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return check % 11 == int(text[9]) and not all_equal(text)


def sin(text: str) -> bool:
    """Canada's insurance number."""
    return text[0] not in "08" and luhn(text.encode("ascii")) and not all_equal(text)


def steuer_id(text: str) -> bool:
    """Germany's tax number."""
    return text[0] != "0" and iso_7064_mod_11_10(text)


def nir(text: str) -> bool:
    """France's insurance number; the departments of Corsica have letters."""
    body = text[:13].replace("2A", "19").replace("2B", "18")
    if not body.isdigit() or text[0] not in "12" or not 1 <= int(text[3:5]) <= 99:
        return False
    return 97 - int(body) % 97 == int(text[13:15])


def dni(text: str) -> bool:
    """Spain's number of citizens and foreigners, with its letter."""
    number = text[:-1].replace("X", "0", 1).replace("Y", "1", 1).replace("Z", "2", 1)
    return number.isdigit() and _DNI_LETTERS[int(number) % 23] == text[-1]


def codice_fiscale(text: str) -> bool:
    """Italy's tax code."""
    odd = sum(_ODD[sign] for sign in text[0:15:2])
    even = sum(int(s) if s.isdigit() else ord(s) - 65 for s in text[1:15:2])
    return chr(65 + (odd + even) % 26) == text[15]


def bsn(text: str) -> bool:
    """The Netherlands' number of citizens."""
    return weighted(text, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0 and not all_equal(text)


def belgian(text: str) -> bool:
    """Belgium's national register number, of either century."""
    check = int(text[9:])
    return 97 - int(text[:9]) % 97 == check or 97 - int("2" + text[:9]) % 97 == check


def pesel(text: str) -> bool:
    """Poland's number, whose month tells the century."""
    total = weighted(text, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3))
    month = int(text[2:4]) % 20
    return (10 - total % 10) % 10 == int(text[10]) and 1 <= month <= 12 and text[4:6] <= "31"


def nip(text: str) -> bool:
    """Poland's tax number."""
    return weighted(text, (6, 5, 7, 2, 3, 4, 5, 6, 7, -1)) % 11 == 0 and not all_equal(text)


def swedish(text: str) -> bool:
    """Sweden's number, with or without the century."""
    return _day(text[-8:-4]) and luhn(text[-10:].encode("ascii"))


def hetu(text: str) -> bool:
    """Finland's identity code."""
    digits = text[:6] + text[-4:-1]
    return _HETU_SIGNS[int(digits) % 31] == text[-1] and _day(text[2:4] + text[:2])


def danish(text: str) -> bool:
    """Denmark's number, whose check digit is no more: there is a day in it."""
    return _day(text[2:4] + text[:2])


def norwegian(text: str) -> bool:
    """Norway's number."""
    first = -weighted(text, (3, 7, 6, 1, 8, 9, 4, 5, 2)) % 11
    second = -weighted(text, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return first == int(text[9]) and second == int(text[10])


def cpf(text: str) -> bool:
    """Brazil's tax number of persons."""
    first = weighted(text, (10, 9, 8, 7, 6, 5, 4, 3, 2)) * 10 % 11 % 10
    second = weighted(text, (11, 10, 9, 8, 7, 6, 5, 4, 3, 2)) * 10 % 11 % 10
    return first == int(text[9]) and second == int(text[10]) and not all_equal(text)


def aadhaar(text: str) -> bool:
    """India's identity number."""
    return text[0] not in "01" and verhoeff(text)


def tfn(text: str) -> bool:
    """Australia's tax file number."""
    return weighted(text, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0


def nric(text: str) -> bool:
    """Singapore's identity number."""
    total = weighted(text[1:8], (2, 7, 6, 5, 4, 3, 2))
    return _NRIC[text[0]][total % 11] == text[8]


def chinese(text: str) -> bool:
    """China's identity number."""
    total = weighted(text[:17], (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2))
    return "10X98765432"[total % 11] == text[17] and _day(text[10:14])


def korean(text: str) -> bool:
    """South Korea's registration number: there is a day in it."""
    return _day(text[2:6]) and text[6] in "12345678"


def south_african(text: str) -> bool:
    """South Africa's identity number; its form holds the day."""
    return luhn(text.encode("ascii"))


def ahv(text: str) -> bool:
    """Switzerland's insurance number, an article number of a country that is none."""
    return text.startswith("756") and gtin(text.encode("ascii"))


def austrian(text: str) -> bool:
    """Austria's insurance number; a day that is full goes on in months 13 to 15."""
    check = weighted(text, (3, 7, 9, 0, 5, 8, 4, 2, 1, 6)) % 11
    return check == int(text[3]) and 1 <= int(text[6:8]) <= 15 and 1 <= int(text[4:6]) <= 31


def rut(text: str) -> bool:
    """Chile's tax number."""
    total = sum(int(digit) * (2 + place % 6) for place, digit in enumerate(text[-2::-1]))
    return "0123456789K0"[11 - total % 11] == text[-1] and not all_equal(text[:-1])


def portuguese(text: str) -> bool:
    """Portugal's tax number; of those that begin with 4 only 45 was given out."""
    if text[0] in "04" and text[:2] != "45":
        return False
    check = 11 - weighted(text, (9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return check % 11 % 10 == int(text[8]) and not all_equal(text)


def is_german_card(value: bytes) -> bool:
    """ICAO 9303's check digit: a letter counts as many as its place in the alphabet and nine."""
    signs = [int(sign, 36) for sign in value.decode("latin-1")]
    weights = (7, 3, 1) * 3
    return sum(n * weight for n, weight in zip(signs, weights, strict=False)) % 10 == signs[-1]


def japanese(text: str) -> bool:
    """Japan's individual number."""
    check = 11 - weighted(text, (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return int(text[11]) == (0 if check > 9 else check) and not all_equal(text)


def turkish(text: str) -> bool:
    """Turkey's identity number."""
    odd, even = (sum(map(int, text[first:9:2])) for first in (0, 1))
    return (7 * odd - even) % 10 == int(text[9]) and sum(map(int, text[:10])) % 10 == int(text[10])


def varied(text: str) -> bool:
    """Any number but one digit again and again."""
    return not all_equal(text)
