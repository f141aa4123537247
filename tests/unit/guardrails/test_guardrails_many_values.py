"""Texts that hold many values are read in another way than those with few, and say the same."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as some

from federation.guardrails import (
    digit_rows,
    layers,
    national_checks,
    network,
    numbers,
    scan,
    shapes,
)
from federation.guardrails import entities as kind
from federation.guardrails.entities import Span
from federation.guardrails.nearby import NONE_TAKEN, Nearby
from federation.guardrails.patterns import compiled
from federation.guardrails.row_shapes import shape_of
from federation.guardrails.scan import Scanner

UUID = "123e4567-e89b-12d3-a456-426614174000"
DIGEST = "d41d8cd98f00b204e9800998ecf8427e"
SLOW = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
MANY_ROWS = b"12:34:56 and " * 16
ROWS = some.lists(
    some.one_of(
        some.text("0123456789", min_size=1, max_size=17),
        some.sampled_from(("+", "(", "(+", ")", "-", " ", ".", "/", "     ", "\n", '"', "a", "=")),
        some.sampled_from(("x", " x", " X12", " ext. ", "ext", "Ext 1", "extension 12", "#", "e")),
        some.sampled_from(("tel ", "call me ", " id ", "sin ", "order ", " fax", "\xe9")),
        some.sampled_from(("4539148803436467", "046 454 286", "(212) 555-0142", "1-800-555-0199")),
    ),
    max_size=20,
).map(lambda pieces: "".join(pieces).encode("latin-1"))
SSNS = some.lists(
    some.one_of(
        some.sampled_from(("123-45-6789", "078-05-1120", "912-34-5678", "000-12-3456")),
        some.sampled_from(("123 45 6789", "123/45/6789", "1.2.3-4.5-6.7.8.9", "123-45-67890")),
        some.sampled_from(("\n", " ", ", ", "-", ".", "0", "7")),
    ),
    max_size=14,
).map(lambda pieces: "".join(pieces).encode("ascii"))
DAYS = some.lists(
    some.one_of(
        some.sampled_from(("2026-01-31", "1999/12/01", "2020.10.10T12:33:01Z", "2026-99-01")),
        some.sampled_from((" 12:01", "T01:02:03.5+02:00", "1", "x", "_", "-", "\n", " ")),
    ),
    max_size=14,
).map(lambda pieces: "".join(pieces).encode("ascii"))
DIGESTS = some.lists(
    some.one_of(
        some.sampled_from((UUID, DIGEST, DIGEST.upper(), DIGEST + "44", "1Z999AA10123456784")),
        some.sampled_from(("4539148803436467", "DE89370400440532013000", "123-45-6789", "tel ")),
        some.sampled_from(("token=", "secret: ", "sk-", "@", ":", "://u:", "/", "%41", "\\n", "e")),
        some.sampled_from((" ", "\n", "-", ", ", "=", "0", "7f", "_")),
    ),
    max_size=16,
).map("".join)


def row_by_row(near: Nearby) -> list[Span]:
    """What the rows hold, each found by the pattern of all of them."""
    found: list[Span] = []
    for start, end in digit_rows.ROW.spans(near.data):
        shape = shape_of(near.data[start:end])
        row = digit_rows.SHAPES[shape]
        if digit_rows.is_long(shape):
            numbers._long_row(near, start, end, None, found)
        elif row is not None and row.called is None:
            numbers._number(near, start, end, row, found)
        elif row is not None and row.called is not None:
            numbers._called(near, start, start, end, row.called, found)
    return found


@SLOW
@given(ROWS)
@example(b"+12 345 678 901 x12 12345 6")
@example(
    b"tel 046454286\n17046454286.454286 pid=7 sin 046454286\n4539148803436467 212-555-0142 seq"
)
@example(b"046 454 286, 0431 35 06 90) 123456789012 x12")
def test_rows_that_are_cut_out_together_are_those_that_are_found_one_by_one(data: bytes) -> None:
    for text in (data, MANY_ROWS + data):
        assert numbers.in_text(Nearby(text)) == row_by_row(Nearby(text))


@pytest.mark.parametrize(
    ("shape", "runs"),
    [
        (b"000000000\n00000000000.000000", [(0, 9)]),
        (b"000000000, 00, 00000000000.000000", [(0, 9)]),
        (b"000-000-0000, 00 000, 000 000 000 0", [(0, 12), (22, 35)]),
        (b"00000000000000000, 00000000000000000", []),
    ],
)
def test_what_a_long_row_may_hold_is_told_by_its_shape(
    shape: bytes, runs: list[tuple[int, int]]
) -> None:
    row = digit_rows.SHAPES[shape]
    known = [] if row is None or row.long is None else row.long.runs
    assert [(run.low, run.high) for run in known or ()] == runs
    assert row is None or row.is_simple == (len(runs) == 1)


@SLOW
@given(
    some.lists(
        some.sampled_from(("0", "00000", "+", "(", ")", "-", "    ", "     ", "x", " x0", "ext. 0"))
    ).map("".join),
    some.sampled_from(("", "+", "(", "(+", "+(", " ")),
)
def test_a_stretch_is_one_row_where_its_pattern_says_so(row: str, sign: str) -> None:
    shape = (sign + "0-" * 32 + row).encode()
    if digit_rows._is_one_row(shape):
        assert list(digit_rows.ROW.spans(shape)) == [(0, len(shape))]


@SLOW
@given(SSNS)
def test_american_numbers_in_long_rows_are_those_that_are_found_one_by_one(data: bytes) -> None:
    many: list[Span] = []
    numbers._many_ssns(data, 0, len(data), many)
    one_by_one: list[Span] = []
    numbers._ssns(numbers._near, data, 0, len(data), one_by_one)
    assert many == one_by_one


@SLOW
@given(DAYS)
def test_days_are_where_their_pattern_is_however_many_there_are(data: bytes) -> None:
    text = b"2026-05-05 " * 4 + data
    found = [(span.start, span.end) for span in shapes.moments(Nearby(text))]
    assert found == list(compiled(shapes.MOMENT).spans(text))


@SLOW
@given(DIGESTS)
def test_what_begins_in_a_digest_is_nothing_whether_it_is_read_or_not(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    found = SCANNER.find(text)
    with monkeypatch.context() as patched:
        patched.setattr(scan, "taken_by", lambda _: NONE_TAKEN)
        assert found == SCANNER.find(text)


SCANNER = Scanner(kind.BUILT_IN)


ESCAPED = some.lists(
    some.one_of(
        some.sampled_from(
            ('"\\n"', '" + "', "\\\\n", "\\\\t", "%40", "%34", "\\\\u0034", '\\\\"', '"\\n')
        ),
        some.sampled_from(("jane@example.org", "4539148803436467", "078-05-1120", "call me ")),
        some.sampled_from(
            ("password: hunter22x", "DE89370400440532013000", " born ", "01.02.1980")
        ),
        some.sampled_from(
            ("-----BEGIN PRIVATE KEY-----\\nMIIEv", "word " * 30, "Zz09" * 9, " ", "x")
        ),
    ),
    max_size=12,
).map("".join)


@SLOW
@given(ESCAPED)
@example("x\\\\nab@c.de -----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBgkq")
def test_two_readings_together_say_what_each_says_alone(text: str) -> None:
    first = layers.fold(text)
    second = layers.decode(first)
    if second is None:
        return
    windows = layers.doubtful(first.data)
    alone = SCANNER._read(second)
    for low, high in windows:
        part = SCANNER._values(first.data[low:high])
        alone += [Span(span.start + low, span.end + low, span.kind, span.rank) for span in part]
    assert SCANNER.find(text) == scan.resolve(alone)


@pytest.mark.parametrize(
    ("spans", "ends"),
    [
        ([Span(0, 32, "", 8)], [32]),
        ([Span(0, 32, "", 8), Span(40, 76, "", 8)], [32, 76]),
        ([Span(0, 32, "", 8), Span(30, 50, kind.SECRET, 8)], []),
        ([Span(20, 52, "", 8), Span(0, 21, kind.API_KEY, 9)], []),
        ([Span(0, 32, "", 8), Span(30, 50, kind.PHONE, 4)], [32]),
        ([Span(0, 10, "", 4)], []),
    ],
    ids=str,
)
def test_a_place_is_taken_where_nothing_as_sure_reaches_into_it(
    spans: list[Span], ends: list[int]
) -> None:
    assert scan.taken_by(spans).ends == ends


@SLOW
@given(some.text("0123456789abcf:.g ", max_size=60).map(str.encode))
def test_an_address_of_version_six_is_where_it_surely_is_like_one(data: bytes) -> None:
    found = [
        span
        for start, end in compiled(network.IPV6).spans(data)
        for span in network.ipv6(data, start, end)
    ]
    assert not found or network.SURELY_LIKE_IPV6.search(data) is not None


def test_a_south_african_number_is_checked_in_any_order() -> None:
    assert national_checks.south_african("8001015009087")
    assert not national_checks.south_african("8001015009088")
    assert not national_checks.south_african("8013015009087")
