"""Carries the signature of a text or a call, for which this dialect has no place.

Reasoning has one: `encrypted_content`, which is where the gateway puts what it must carry.
A signature of anything else travels in a reasoning item of its own, without text, before or
after the item that it belongs to. Clients send reasoning items back in their order, so it
finds its way home. The marks begin with a character that no base64 has.
"""

from __future__ import annotations

from typing import Final

_NEXT: Final = "~n."
_PREVIOUS: Final = "~p."


def carrier(signature: str, *, follows: bool) -> str:
    """The `encrypted_content` of an item that only carries the signature of the item before
    (`follows`) or after it."""
    return (_PREVIOUS if follows else _NEXT) + signature


def read_carrier(text: str) -> tuple[str, bool] | None:
    """The signature and whether it belongs to the item before; None for any other content."""
    if text.startswith(_NEXT):
        return text[len(_NEXT) :], False
    if text.startswith(_PREVIOUS):
        return text[len(_PREVIOUS) :], True
    return None
