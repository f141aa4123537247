"""What the names of lab models mean, and which moves they are."""

from __future__ import annotations

import itertools
from random import Random

import pytest

from federation.config.provider_row import ProviderRow
from federation.sandbox.faults import SUFFIXES
from federation.sandbox.lab_moves import Answer, Head, Move, Over, Raw, Send, Wait, events, moves
from federation.sandbox.lab_plays import SHARES, WORDS, Play, draw, read_play
from federation.sandbox.lab_rows import DIALECTS, SHOWN, provider_rows, route_rows
from federation.sandbox.lab_voices import numbered

EVENTS = (
    b"data: open\n\n",
    *(b"data: %b\n\n" % word.encode() for word in numbered("w").split()),
    b"data: finish\n\n",
    b"data: [DONE]\n\n",
)
WHOLE = b'{"text":"' + numbered("w").encode() + b'"}'


def played(suffix: str, *, stream: bool = True, pace_s: float = 0.0, most: int = 400) -> list[Move]:
    play = read_play(suffix)
    assert play is not None, suffix
    pieces = EVENTS if stream else (WHOLE,)
    answer = Answer(pieces, stream, pace_s, b"data: {bad\n\n", b"data: error\n\n", b": ping\n\n")
    return list(itertools.islice(moves(play, answer), most))


def body(made: list[Move]) -> bytes:
    return b"".join(move.data for move in made if isinstance(move, Send))


def tokens(made: list[Move]) -> int:
    return sum(move.tokens for move in made if isinstance(move, Send))


def over(made: list[Move]) -> str:
    last = made[-1]
    return last.how if isinstance(last, Over) else "goes on"


@pytest.mark.parametrize(
    ("suffix", "sent", "how"),
    [
        ("ok", 60, "end"),
        ("reset", 0, "reset"),
        ("reset-40", 40, "reset"),
        ("closed", 0, "close"),
        ("silent", 0, "hold"),
        ("mute", 0, "hold"),
        ("late-20", 60, "end"),
        ("first-20", 60, "end"),
        ("cut-40", 40, "close"),
        ("cut", 30, "close"),
        ("cut-60", 60, "close"),
        ("cut-0", 0, "close"),
        ("stall-20", 20, "hold"),
        ("pings-20", 20, "goes on"),
        ("malformed-30", 60, "end"),
        ("garbage", 0, "close"),
        ("garbage-20", 20, "end"),
        ("inband-10", 10, "end"),
        ("no-done", 60, "hold"),
        ("no-done-close", 60, "end"),
        ("no-finish", 60, "end"),
        ("no-finish-open", 60, "hold"),
        ("endless", 230, "goes on"),
        ("trickle-100", 60, "end"),
    ],
)
def test_a_stream_is_played(suffix: str, sent: int, how: str) -> None:
    made = played(suffix)
    assert over(made) == how
    assert tokens(made) == sent if how != "goes on" else tokens(made) >= sent - 1


@pytest.mark.parametrize(
    ("suffix", "sent", "how"),
    [
        ("ok", WHOLE, "end"),
        ("cut-40", WHOLE[: WHOLE.index(b" w41")], "close"),
        ("stall-20", WHOLE[: WHOLE.index(b" w21")], "hold"),
        ("malformed-30", WHOLE[: WHOLE.index(b" w31")], "end"),
        ("inband-10", b"data: error\n\n", "end"),
        ("no-done", WHOLE, "end"),
        ("no-finish", WHOLE[: -len(b'"}')], "end"),
        ("trickle-1", WHOLE, "end"),
    ],
)
def test_a_whole_answer_is_played(suffix: str, sent: bytes, how: str) -> None:
    made = played(suffix, stream=False)
    assert (body(made), over(made)) == (sent, how)


def test_a_cut_whole_answer_has_announced_its_length() -> None:
    assert played("cut-40", stream=False)[0] == Head(len(WHOLE))
    assert played("malformed-30", stream=False)[0] == Head(WHOLE.index(b" w31"))


def test_what_opens_a_stream_comes_before_a_late_first_token() -> None:
    assert played("first-20")[:3] == [Head(), Send(EVENTS[0]), Wait(20.0)]
    assert played("late-20")[:2] == [Wait(20.0), Head()]


def test_a_malformed_event_stands_between_two_sound_ones() -> None:
    text = body(played("malformed-30"))
    assert b"w30\n\ndata: {bad\n\ndata: w31" in text


def test_an_end_marker_is_all_that_is_missing() -> None:
    assert body(played("no-done")) == b"".join(EVENTS[:-1])


def test_the_numbers_go_on_where_a_stream_never_ends() -> None:
    assert b"data: w60\n\ndata: w61\n\ndata: w62\n\n" in body(played("endless"))


def test_bytes_that_are_no_http_come_without_a_head() -> None:
    first, last = played("garbage")
    assert isinstance(first, Raw)
    assert last == Over("close")


def test_tokens_are_paced() -> None:
    waits = [move for move in played("ok", pace_s=0.1) if isinstance(move, Wait)]
    assert waits == [Wait(0.1)] * 60


def test_events_are_cut_apart_whatever_their_line_ends() -> None:
    assert list(events(b"a\n\nb\r\n\r\nc")) == [b"a\n\n", b"b\r\n\r\n", b"c"]


@pytest.mark.parametrize(
    ("suffix", "play"),
    [
        ("429", Play("status", status=429)),
        ("429-after-2-once", Play("status", status=429, after_s=2.0, times=1)),
        ("503-x3", Play("status", status=503, times=3)),
        ("reset-once", Play("reset", None, times=1)),
        ("reset-40-once", Play("reset", 40.0, times=1)),
        ("no-done-close", Play("no-done-close")),
        ("trickle-2.5", Play("trickle", 2.5)),
        ("limited", Play("status", status=429, after_s=2.0)),
        ("error-once", Play("status", status=500, times=1)),
    ],
)
def test_a_suffix_is_read(suffix: str, play: Play) -> None:
    assert read_play(suffix) == play


@pytest.mark.parametrize(
    "suffix",
    ["", "cutt", "cut-", "cut--1", "cut-x", "200", "600", "silent-3", "once", "ok-1", "CUT"],
)
def test_a_misspelled_fault_is_none(suffix: str) -> None:
    assert read_play(suffix) is None


def test_the_other_sandboxs_words_are_understood() -> None:
    assert all(read_play(suffix) for suffix in SUFFIXES)


def test_every_word_has_moves_or_is_decided_before() -> None:
    before = {"filter", "filter-refused", "context", "down", "random", "truncated", "length", "ok"}
    for word in WORDS:
        made = played(word)
        assert (over(made) == "end" and tokens(made) == 60) or word not in before


def test_chance_is_shared_evenly_and_repeats_with_its_seed() -> None:
    play = read_play("random-3")
    assert play is not None
    drawn = [draw(play, random) for random in [Random(3)] for _ in range(20_000)]
    assert drawn == [draw(play, random) for random in [Random(3)] for _ in range(20_000)]
    for share in SHARES:
        count = sum(one.name.split("-")[0] == share for one in drawn)
        assert 450 < count < 750, (share, count)
    assert draw(Play("random", 0.0), Random(1)) == Play()


def test_rows_are_such_as_an_operator_could_write() -> None:
    rows = provider_rows(9700, 9701)
    assert [row["dialect"] for row in rows] == [*DIALECTS, "openai"]
    for row in rows:
        parsed = ProviderRow.model_validate(row)
        assert parsed.simulated
        assert parsed.local


def test_every_route_leads_to_models_that_have_a_row() -> None:
    known = {f"{row['id']}/{model['id']}" for row in provider_rows(1, 2) for model in row["models"]}
    routes = route_rows()
    assert len(routes) == len(SHOWN) + 1
    for route in routes:
        assert set(route["targets"]) <= known, route
