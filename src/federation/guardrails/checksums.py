"""Check digits: what tells a number that means something from one that only looks like it."""

from __future__ import annotations

from typing import Final

_DIHEDRAL: Final = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_PERMUTED: Final = (
    "0123456789", "1576283094", "5803796142", "8916043527",
    "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip
_DOUBLED: Final = bytes.maketrans(b"0123456789", b"0246813579")
_NOUGHT: Final = ord("0")


def luhn(digits: bytes) -> bool:
    """ISO/IEC 7812-1, annex B; ASCII digits."""
    total = sum(digits[-1::-2]) + sum(digits[-2::-2].translate(_DOUBLED))
    return (total - _NOUGHT * len(digits)) % 10 == 0


def gtin(digits: bytes) -> bool:
    """GS1's check digit of article numbers; ASCII digits."""
    total = sum(digits[-1::-2]) + 3 * sum(digits[-2::-2])
    thrice = len(digits) + 2 * (len(digits) // 2)
    return (total - _NOUGHT * thrice) % 10 == 0


def verhoeff(digits: str) -> bool:
    """J. Verhoeff, Error Detecting Decimal Codes (1969)."""
    check = 0
    for place, digit in enumerate(reversed(digits)):
        check = int(_DIHEDRAL[check][int(_PERMUTED[place % 8][int(digit)])])
    return check == 0


def weighted(digits: str, weights: tuple[int, ...]) -> int:
    """The sum of digits times weights, as far as there are weights."""
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def iso_7064_mod_11_10(digits: str) -> bool:
    """The hybrid system of ISO 7064 with modulus 11 and 10."""
    product = 10
    for digit in digits[:-1]:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == int(digits[-1])


def all_equal(digits: str | bytes) -> bool:
    """Whether it is one digit again and again, which passes many checks and means nothing."""
    return digits == digits[:1] * len(digits)
