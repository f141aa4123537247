"""Envelopes around states: base64 text that only this installation makes and opens.

An envelope says who made the states in it and proves that it is as it was written. The trap:
SDKs of some dialects decode a signature as base64 and write it anew, some in the other
alphabet, so an envelope is base64 in whole, needs no padding, and is read in both alphabets.
"""

from __future__ import annotations

import hmac
from binascii import Error as NotBase64
from binascii import a2b_base64, b2a_base64
from hashlib import blake2b
from typing import Final

import msgspec

PREFIX: Final = "fed1seal"
"""How every envelope begins; a state of somebody else does so once in 10^14."""

_MAGIC: Final = a2b_base64(PREFIX)
_MAC_BYTES: Final = 12
_HEAD: Final = len(_MAGIC) + _MAC_BYTES
_PERSON: Final = b"federation-state"
_WORTH: Final = 16
_STANDARD, _URL_SAFE, _PLAIN = b"\x00", b"\x01", b"\x02"
_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_TO_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")


class Letter(msgspec.Struct, frozen=True):
    """What an envelope holds: the states of one part."""

    maker: str
    id: str = ""
    signature: str = ""
    sealed: str = ""
    text: bytes = b""
    """A digest of the reasoning's text, empty where it had none: makers refuse a signature
    whose text a client has changed."""


class _Packed(msgspec.Struct, array_like=True, frozen=True):
    """A letter in few bytes; states after the number of their alphabet."""

    maker: str
    id: str
    signature: bytes
    sealed: bytes
    text: bytes


_PACKED: Final = msgspec.msgpack.Decoder(_Packed)


def enclose(letter: Letter, key: bytes) -> str:
    """The envelope around a part's states; one that is an envelope already stays as it is.

    `key` has 16 to 64 bytes and is the same in every worker and after every restart.
    """
    done = letter.signature or letter.sealed
    if done.startswith(PREFIX) and disclose(done, key) is not None:
        return done
    packed = msgspec.msgpack.encode(
        _Packed(
            letter.maker, letter.id, _tight(letter.signature), _tight(letter.sealed), letter.text
        )
    )
    filler = -(_HEAD + 1 + len(packed)) % 3
    payload = bytes((filler,)) + packed + bytes(filler)
    return b2a_base64(_MAGIC + _mac(payload, key) + payload, newline=False).decode()


def disclose(envelope: str, key: bytes) -> Letter | None:
    """What stands in an envelope; None where it is none of ours, or not as we wrote it."""
    # Without padding, every text of whole groups stands for other bytes.
    if not envelope.isascii() or envelope.endswith("=") or not envelope.startswith(PREFIX):
        return None
    try:
        data = a2b_base64(envelope.encode().translate(_TO_STANDARD), strict_mode=True)
    except NotBase64:
        return None
    mac, payload = data[len(_MAGIC) : _HEAD], data[_HEAD:]
    if not payload or not hmac.compare_digest(mac, _mac(payload, key)):
        return None
    try:
        packed = _PACKED.decode(payload[1 : len(payload) - payload[0]])
    except msgspec.DecodeError:
        return None
    return Letter(
        packed.maker, packed.id, _loose(packed.signature), _loose(packed.sealed), packed.text
    )


def digest_of(text: str) -> bytes:
    """The digest of a reasoning's text for `Letter.text`."""
    return digest_begun(text).digest() if text else b""


def digest_begun(text: str) -> blake2b:
    """The same, where more of the text is still to come."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8)


def _mac(payload: bytes, key: bytes) -> bytes:
    return blake2b(payload, digest_size=_MAC_BYTES, key=key, person=_PERSON).digest()


def _tight(text: str) -> bytes:
    """States are base64 nearly always: kept as bytes, an envelope is hardly longer than they."""
    raw = text.encode()
    if len(raw) >= _WORTH and len(raw) % 4 == 0:
        url_safe = b"-" in raw or b"_" in raw
        try:
            data = a2b_base64(raw.translate(_TO_STANDARD) if url_safe else raw, strict_mode=True)
        except NotBase64:
            return _PLAIN + raw
        tight = (_URL_SAFE if url_safe else _STANDARD) + data
        if _loose(tight) == text:
            return tight
    return _PLAIN + raw if raw else b""


def _loose(value: bytes) -> str:
    kind, rest = value[:1], value[1:]
    if kind == _STANDARD:
        return b2a_base64(rest, newline=False).decode()
    if kind == _URL_SAFE:
        return b2a_base64(rest, newline=False).translate(_TO_URL_SAFE).decode()
    return rest.decode()


def url_safe(envelope: str) -> str:
    """The envelope in letters that may stand in an id."""
    return envelope.encode().translate(_TO_URL_SAFE).decode()
