"""A body whose bytes are pushed to whoever watches: the same bytes, however they arrive."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st
from transport_bench import Bench

from federation.transport.decoding import decoder_for

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


class Watched:
    """A connection whose answer has begun, and what somebody was given who watches it."""

    def __init__(self) -> None:
        self.bench = Bench().feed(HEAD)
        self.exchange = self.bench.exchange
        self.given: list[bytes] = []
        assert self.exchange.watch(self.given.append)

    def receive(self, *reads: bytes) -> None:
        self.bench.feed(*reads)


def chunk(data: bytes, form: str = "%x") -> bytes:
    return form.encode() % len(data) + b"\r\n" + data + b"\r\n"


def test_whole_chunks_are_given_one_by_one() -> None:
    watching = Watched()
    watching.receive(chunk(b"one"), chunk(b"two"), chunk(b"x" * 4095), chunk(b"y" * 9000))
    assert watching.given == [b"one", b"two", b"x" * 4095, b"y" * 9000]
    watching.receive(END)
    assert watching.given[4:] == [b""]
    assert not watching.exchange.open


def test_a_chunk_that_came_alone_is_offered_whole_and_given_where_it_is_not_taken() -> None:
    watching = Watched()
    taken: list[bytes] = []

    def whole(framed: bytes) -> bool:
        if framed == chunk(b"one"):
            taken.append(framed)
            return True
        return False

    watching.exchange.watch(watching.given.append, whole)
    watching.receive(chunk(b"one"), chunk(b"one"), chunk(b"other"), chunk(b"one") + chunk(b"three"))
    watching.receive(chunk(b"four") + b"1", b"0\r\n", b"z" * 16 + b"\r\n", b"a\r\n", chunk(b"one"))
    # Its first chunk came while the parser had seen none yet; what looks like one is content.
    assert taken == [chunk(b"one")]
    rest = [b"one", b"other", b"onethree", b"four", b"z" * 16, chunk(b"one")]
    assert b"".join(watching.given) == b"".join(rest)
    watching.exchange.watch(None)
    watching.receive(b"\r\n", chunk(b"one"))
    assert taken == [chunk(b"one")]


def test_content_that_looks_like_a_chunk_is_content() -> None:
    watching = Watched()
    watching.receive(chunk(b"first"), b"a\r\n", b"3\r\nabc\r\n", b"12\r\n", chunk(b"next"))
    assert watching.given == [b"first", b"3\r\nabc\r\n", b"12", b"next"]


def test_half_of_a_size_is_waited_for() -> None:
    watching = Watched()
    watching.receive(chunk(b"first") + b"1", b"0\r\n" + b"z" * 16 + b"\r\n", chunk(b"next"))
    assert watching.given == [b"first", b"z" * 16, b"next"]


def test_what_follows_a_chunk_and_is_none_breaks_the_answer() -> None:
    watching = Watched()
    watching.receive(chunk(b"first"), b"x\r\nabc\r\n")
    assert watching.given == [b"first", b""]
    assert watching.exchange.failure is not None
    assert watching.bench.transport.aborted


def test_an_answer_that_must_be_decoded_is_not_watched_but_read() -> None:
    bench = Bench().feed(HEAD)
    bench.exchange.decoder = decoder_for(b"gzip", 1 << 20)
    given: list[bytes] = []
    assert not bench.exchange.watch(given.append)
    bench.feed(chunk(b"packed"))
    assert given == []
    assert bench.exchange.take() == b"packed"


def test_nothing_is_given_after_the_watch_has_ended() -> None:
    watching = Watched()
    watching.receive(chunk(b"first"))
    watching.exchange.watch(None)
    watching.receive(chunk(b"second"), chunk(b"third"))
    assert watching.given == [b"first"]
    assert watching.exchange.take() == b"secondthird"


def test_who_ends_the_watch_in_the_middle_is_told_no_end() -> None:
    watching = Watched()

    def enough(data: bytes) -> None:
        watching.given.append(data)
        watching.exchange.watch(None)

    watching.exchange.watch(enough)
    watching.receive(chunk(b"last") + END)
    assert watching.given == [b"last"]
    assert not watching.exchange.open


PIECES = st.one_of(
    st.sampled_from([b"3\r\nabc\r\n", b"\r\n", b"0\r\n\r\n", b"5\r\n", b"data: {}\n\n"]),
    st.binary(min_size=1, max_size=40),
    st.integers(1, 5000).map(lambda size: b"e" * size),
)
FORMS = st.sampled_from(["%x", "%X", "0%x", "%x;a=b"])


@settings(deadline=None)
@given(st.lists(st.tuples(PIECES, FORMS), min_size=1, max_size=12), st.data())
def test_every_cut_of_a_body_gives_the_same_bytes(
    chunks: list[tuple[bytes, str]], data: st.DataObject
) -> None:
    framed = [chunk(piece, form) for piece, form in chunks]
    whole = b"".join(framed) + END
    borders = {sum(map(len, framed[:count])) for count in range(len(framed) + 1)}
    drawn = data.draw(st.sets(st.integers(1, len(whole) - 1), max_size=20))
    if data.draw(st.booleans()):
        drawn |= borders - {0}
    places = [0, *sorted(drawn), len(whole)]
    watching = Watched()
    watching.receive(*(whole[a:b] for a, b in itertools.pairwise(places) if a < b))
    assert b"".join(watching.given) == b"".join(piece for piece, _ in chunks)
    assert watching.given[-1] == b""
    assert watching.exchange.ended
