"""What finds things quickly says the same as the pattern that it stands for."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from federation.guardrails import (
    context_rules,
    encoded,
    iban,
    layers,
    odd_numbers,
    secret_rules,
    shapes,
)
from federation.guardrails import entities as kind
from federation.guardrails.folding import one_to_one, tables
from federation.guardrails.nearby import Nearby
from federation.guardrails.patterns import compiled
from federation.guardrails.scan import Scanner

UUID = "123e4567-e89b-12d3-a456-426614174000"
DIGEST = "d41d8cd98f00b204e9800998ecf8427e"
PIECES = some.one_of(
    some.sampled_from(
        (UUID, UUID.upper(), DIGEST, DIGEST.upper(), DIGEST * 2, DIGEST * 5, "1" * 40, "a" * 40)
    ),
    some.text("0123456789abcdefABCDEF", min_size=1, max_size=40),
    some.sampled_from(tuple("-_/+= .,\n\xaa")),
)
TEXTS = some.lists(PIECES, max_size=12).map(lambda pieces: "".join(pieces).encode("latin-1"))
ESCAPES = some.lists(
    some.one_of(
        some.sampled_from(
            ("%41", "%2541", "%C3%A9", "\\u0041", "\\x41", '\\"', "\\\\n", "%41" * 9)
        ),
        some.sampled_from(
            ("\\u0041" * 8, "%", "\\", '"', "'", "`", "+", "&", "\n", "\t", " ", "a")
        ),
        some.sampled_from(('" + "', "' &\n  '", '"\n"', "`\n\t`", "25", "41", "u{1F600}")),
    ),
    max_size=14,
).map(lambda pieces: "".join(pieces).encode("latin-1"))
LIKE_SSN = some.lists(some.sampled_from(tuple("0123456789OoIlSBZ--")), max_size=24).map(
    lambda signs: "".join(signs).encode("ascii")
)


@settings(max_examples=400, deadline=None)
@given(TEXTS)
def test_uuids_and_digests_are_where_their_patterns_are(data: bytes) -> None:
    near = Nearby(data)
    found = [(span.start, span.end) for span in shapes.uuids(near)]
    assert found == list(compiled(shapes.UUID).spans(data))
    digests = [(span.start, span.end) for span in shapes.digests(near)]
    assert digests == [
        (start, end)
        for start, end in compiled(shapes.HASH).spans(data)
        if not data[start:end].isdigit() and not data[start:end].isalpha()
    ]


@settings(max_examples=400, deadline=None)
@given(TEXTS)
def test_long_runs_are_where_their_pattern_is_however_many_there_are(data: bytes) -> None:
    form = re.compile(rb"[A-Za-z0-9+/_-]{14,}={0,2}")
    for text in (data, (DIGEST.encode() + b"== ") * 20 + data):
        assert encoded.long_runs(text) == [match.span() for match in form.finditer(text)]


@settings(max_examples=600, deadline=None)
@given(ESCAPES)
def test_escapes_are_decoded_as_the_pattern_of_all_of_them_has_it(data: bytes) -> None:
    parts = layers._ANY_ESCAPE.split(data)
    layer = layers.decode(layers.Layer(data))
    if len(parts) == 1:
        assert layer is None
    else:
        whole = layers.Parted(parts, layers._UNESCAPED, None)
        assert layer is not None
        assert layer.data == whole.data
        assert [layer.original(at, at + 1) for at in range(len(layer.data))] == [
            whole.original(at, at + 1) for at in range(len(whole.data))
        ]


@settings(max_examples=600, deadline=None)
@given(LIKE_SSN)
def test_what_may_be_a_number_with_letters_in_it_is_seen(data: bytes) -> None:
    like = any(
        not data[start:end].translate(None, b"-").isdigit()
        for at in range(len(data))
        for start, end in compiled(odd_numbers.LIKE_SSN).spans(data, at)
    )
    assert (odd_numbers.SURELY_LIKE_SSN.search(data) is not None) == like


@pytest.mark.parametrize(("gap", "end"), [("", 22), (" ", 43), ("---", 85), ("----", -1)], ids=repr)
def test_an_account_number_ends_where_its_last_sign_stands(gap: str, end: int) -> None:
    number = gap.join("DE89370400440532013000").encode()
    assert iban._end(number + b" 12", 0, 22) == end


@pytest.mark.parametrize(
    ("before", "found"),
    [
        ("ip=", True),
        ("at ", True),
        ("Firmware: ", False),
        ("rev ", False),
        ("pkg>= ", False),
        ("lib/v", False),
        ("path/", False),
        ("http://", True),
        ("\xa7 ", True),
        ("\xa7", False),
        ("npm install x@", False),
        ("~", False),
    ],
)
def test_an_address_is_none_where_what_is_before_it_says_version(before: str, found: bool) -> None:
    text = f"{before}10.20.30.40 and so on"
    kinds = [span.kind for span in Scanner([kind.IP]).find(text)]
    assert kinds == [kind.IP] * found


SECRETS = some.lists(
    some.sampled_from(
        (
            *("token=", "secret: ", "password is ", "Bearer ", "https://", "a://u:", "key"),
            *("db://u:p4ssw@", ":", "@", "/", " ", '"', ";", "\n", "\v", "Ab9$", "s3cR3tVaLu3"),
            *("Zz09" * 70, "u" * 70),
        )
    ),
    max_size=12,
).map(lambda pieces: "".join(pieces).encode("latin-1"))
_BEGIN, _, _SIGNS = context_rules.SECRET.removesuffix(b"{8}").rpartition(b"[^")
SECRET = compiled(_BEGIN + b"([^" + _SIGNS + b"{8,256})", ignore_case=True)
URL_SECRET = compiled(secret_rules.URL + rb"[^\s:/@\"'<>]{0,64}:([^\s/@\"'<>]{3,128})@")


@settings(max_examples=600, deadline=None)
@given(SECRETS)
def test_secrets_are_where_the_patterns_are_that_count_their_signs(data: bytes) -> None:
    near = Nearby(data)
    named = [(span.start, span.end) for span in secret_rules.beside_names(near)]
    assert named == [
        place for place in SECRET.spans(data) if context_rules.is_secret(data[slice(*place)])
    ]
    in_urls = [(span.start, span.end) for span in secret_rules.in_urls(near)]
    assert in_urls == list(URL_SECRET.spans(data))


def test_no_pattern_is_made_while_a_text_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    scanner = Scanner(kind.BUILT_IN)
    iban._parts.cache_clear()
    monkeypatch.setattr(re, "compile", None)
    for country in iban.STRUCTURES:
        scanner.find(f"to {country}89 3704 0044 0532 0130 00 or {country}20 by 12.05.2020")


def test_a_letter_is_folded_alike_however_many_stand_around_it() -> None:
    """An ordinal's sign is the letter that it is written as; one without a name stays without."""
    for text, folded in (("1ª", b"1a"), ("ł", b"\xaa"), ("ªł", b"a\xaa"), ("ä", b"\xe4")):
        assert one_to_one(text) == folded
        assert one_to_one(text + "x" * 200) == folded + b"x" * 200


def test_the_row_of_folds_says_of_each_character_what_the_table_does() -> None:
    known = tables()
    assert known.row == bytes(known.single[code] for code in range(0x10000))


@settings(max_examples=300, deadline=None)
@given(some.text(some.characters(min_codepoint=0x80), max_size=60), some.text(max_size=20))
def test_a_text_in_another_script_is_folded_as_each_of_its_characters(text: str, end: str) -> None:
    single = tables().single
    assert one_to_one(text + end) == bytes(single[ord(sign)] for sign in text + end)
