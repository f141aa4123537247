"""Compressed answers, undone within a bound."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.transport.decoding import BadCoding, Decoder, TooMuch, decoder_for


def decoded(decoder: Decoder | None, data: bytes, step: int = 7) -> bytes:
    assert decoder is not None
    out = b""
    for start in range(0, len(data), step):
        decoder.push(data[start : start + step])
        while piece := decoder.pull():
            out += piece
    decoder.finish()
    return out


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@given(st.binary(max_size=2000), st.integers(1, 500))
def test_what_was_packed_comes_back_in_any_pieces(data: bytes, step: int) -> None:
    assert decoded(decoder_for(b"gzip", 1 << 20), gzip.compress(data), step) == data
    assert decoded(decoder_for(b"X-GZIP ", 1 << 20), gzip.compress(data), step) == data
    assert decoded(decoder_for(b"deflate", 1 << 20), zlib.compress(data), step) == data
    assert decoded(decoder_for(b"deflate", 1 << 20), raw_deflate(data), step) == data


def test_one_gzip_file_after_another_is_one_text() -> None:
    both = gzip.compress(b"one") + gzip.compress(b"two")
    assert decoded(decoder_for(b"gzip", 100), both, 1000) == b"onetwo"


def test_a_large_answer_comes_in_pieces_and_whole() -> None:
    data = b"ab" * 1_000_000
    assert decoded(decoder_for(b"gzip", 3_000_000), gzip.compress(data), 1 << 20) == data
    assert decoded(decoder_for(b"deflate", 3_000_000), zlib.compress(data), 100) == data


def test_a_bomb_stops_at_the_bound() -> None:
    decoder = decoder_for(b"gzip", 1 << 20)
    assert decoder is not None
    decoder.push(gzip.compress(bytes(50_000_000)))
    pieces: list[bytes] = []
    with pytest.raises(TooMuch, match="too large"):
        pieces.extend(iter(decoder.pull, b""))
    assert sum(map(len, pieces)) <= 1 << 20


@pytest.mark.parametrize("coding", [b"", b"identity", b" Identity "])
def test_identity_needs_no_decoder(coding: bytes) -> None:
    assert decoder_for(coding, 1) is None


@pytest.mark.parametrize("coding", [b"br", b"zstd", b"gzip, gzip", b"compress"])
def test_an_unknown_coding_is_refused(coding: bytes) -> None:
    with pytest.raises(BadCoding):
        decoder_for(coding, 1)


def test_damaged_cut_and_overlong_data_is_refused() -> None:
    with pytest.raises(BadCoding, match="damaged"):
        decoded(decoder_for(b"gzip", 100), b"not gzip at all")
    with pytest.raises(BadCoding, match="incomplete"):
        decoded(decoder_for(b"gzip", 100), gzip.compress(b"hello")[:-3])
    with pytest.raises(BadCoding, match="bytes follow"):
        decoded(decoder_for(b"deflate", 100), zlib.compress(b"hello") + b"more", 1000)
    with pytest.raises(BadCoding):
        decoded(decoder_for(b"gzip", 100), gzip.compress(b"hello") + b"more", 1000)


def test_no_data_is_no_text() -> None:
    assert decoded(decoder_for(b"gzip", 100), b"") == b""
