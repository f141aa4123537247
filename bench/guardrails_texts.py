"""Texts that are hard on the guard: tables, logs, dumps and lists, drawn at random.

Nothing here was taken from a set that the rules are measured on; each is what a program writes,
and made of what costs a scanner of values most: digits in every arrangement, long runs of
letters and digits, escapes within escapes, scripts that are folded.
"""

from __future__ import annotations

import base64
import json
import string
import uuid
from collections.abc import Callable
from random import Random

_SCRIPTS = (
    "абвгдежзийклмнопрстуфхцчшщыьэюя",
    "αβγδεζηθικλμνξοπρστυφχψω",
    "中文字符测试数据用户信息电话号码",
    "אבגדהוזחטיכלמנסעפצקרשת",
    "ابتثجحخدذرزسشصضطظعغفقكلمنهوي",
    string.ascii_letters,
    "0123456789",
)


def filled(line: Callable[[], str], between: str, size: int) -> Callable[[], str]:
    """Lines one after the other, up to `size` characters."""

    def make() -> str:
        lines: list[str] = []
        left = size
        while left > 0:
            lines.append(line())
            left -= len(lines[-1]) + len(between)
        return between.join(lines)[:size]

    return make


def hard_texts(random: Random, size: int) -> dict[str, Callable[[], str]]:
    """Ways to make a text of `size` characters."""
    made = {**_numbers(random), **_lines(random), **_encoded(random)}
    return {name: filled(line, between, size) for name, (line, between) in made.items()}


def _digits(random: Random, count: int) -> str:
    return "".join(random.choices(string.digits, k=count))


def _numbers(random: Random) -> dict[str, tuple[Callable[[], str], str]]:
    def some(count: int) -> str:
        return _digits(random, count)

    def table() -> str:
        return ",".join(
            (
                str(random.randrange(10**8)),
                f"{random.uniform(0, 1e5):.2f}",
                f"{random.random():.6f}",
            )
        )

    def phone() -> str:
        return random.choice(
            (
                f"({some(3)}) {some(3)}-{some(4)}",
                f"+44 {some(4)} {some(6)}",
                f"0{some(3)} {some(6)}",
            )
        )

    return {
        "digits, separators": (
            lambda: random.choice(string.digits) + random.choice(("", "", "", "-", " ", ", ")), ""
        ),
        "digits alone": (lambda: some(100), ""),
        "whole numbers": (lambda: str(random.randrange(50_000)), ", "),
        "fractions": (lambda: repr(random.uniform(-1, 1)), ", "),
        "table, commas": (table, "\n"),
        "table, tabs": (lambda: str(random.randrange(10**6)), "\t"),
        "matrix": (lambda: f"{random.uniform(-1000, 1000):8.3f}", " "),
        "coordinates": (lambda: f"[{random.uniform(-180, 180):.6f},{random.random():.6f}]", ","),
        "ids of 10 digits": (lambda: some(10), ","),
        "ids of 16 digits": (lambda: some(16), "\n"),
        "telephone numbers": (phone, "\n"),
        "names, telephones": (lambda: f"user{some(3)},{phone()},u{some(4)}@example.org", "\n"),
        "3-2-4 digits": (lambda: f"{some(3)}-{some(2)}-{some(4)}", "\n"),
    }  # fmt: skip


def _lines(random: Random) -> dict[str, tuple[Callable[[], str], str]]:
    def moment() -> str:
        clock = f"{random.randrange(24):02}:{random.randrange(60):02}:{random.randrange(60):02}"
        return f"2026-{random.randrange(1, 13):02}-{random.randrange(1, 29):02}T{clock}"

    def log() -> str:
        name, octet = random.randbytes(8).hex(), random.randrange(256)
        return (
            f"{moment()}Z INFO [req-{name}] user={random.randrange(10**6)} ip=10.0.{octet}.7 "
            f"GET /v1/items/{random.randrange(10**8)} 200 {random.randrange(5000)}ms"
        )

    def trace() -> str:
        number = random.randrange(10**9)
        return f"17{number}.{number % 10**6:06} pid={number % 65536} tid=0x{number:x} seq={number}"

    def prices() -> str:
        return f"Item {random.randrange(99)}: ${random.uniform(1, 9999):.2f}"

    return {
        "logs": (log, "\n"),
        "traces": (trace, "\n"),
        "moments": (lambda: moment().replace("T", " "), "\n"),
        "versions": (lambda: f"pkg-{random.randrange(99)}=={random.randrange(9)}.4.1", "\n"),
        "prices": (prices, "\n"),
        "addresses, IPv4": (lambda: f"10.{random.randrange(256)}.{random.randrange(256)}.9", "\n"),
        "hashes": (lambda: random.randbytes(20).hex(), "\n"),
        "UUIDs": (lambda: str(uuid.UUID(bytes=random.randbytes(16))), "\n"),
        "hex dump": (lambda: " ".join(f"{sign:02x}" for sign in random.randbytes(16)), "\n"),
    }


def _encoded(random: Random) -> dict[str, tuple[Callable[[], str], str]]:
    def row() -> str:
        number = random.randrange(10**9)
        return json.dumps({"id": number, "ts": 17 * 10**11 + number, "v": number / 7, "ok": True})

    def nested() -> str:
        whole = {"line": f"mail u{random.randrange(10**4)}@example.org, please", "n": 1}
        for _ in range(3):
            whole = {"payload": json.dumps(whole), "n": random.randrange(10**6)}
        return json.dumps(whole)

    def mixed() -> str:
        return "".join(
            random.choice(random.choice(_SCRIPTS)) for _ in range(random.randrange(2, 9))
        )

    return {
        "JSON, minified": (lambda: row().replace(" ", ""), ","),
        "JSON in JSON": (nested, "\n"),
        "lines of base64": (lambda: base64.b64encode(random.randbytes(57)).decode(), "\n"),
        "mixed scripts": (mixed, " "),
        "entities": (lambda: random.choice(("&amp;", "&#64;", "word", "&nbsp;", "&#x2F;")), " "),
        "any ASCII": (lambda: random.choice(string.printable), ""),
    }
