"""Log probabilities: an item is a piece of text with the numbers of all tokens that made it.

Their texts are not told apart, so a piece counts as one token whose probability is theirs
together: the logarithms are added.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.schema.chat import TokenLogprob


class _Item(msgspec.Struct):
    text: str | None = None
    logprobs: list[float] | None = None


_ITEM: Final = msgspec.json.Decoder(_Item)


def read_logprobs(raws: Iterable[Raw]) -> tuple[TokenLogprob, ...]:
    """The pieces that can be read, in order."""
    found: list[TokenLogprob] = []
    for raw in raws:
        try:
            item = _ITEM.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        found.append(TokenLogprob(item.text or "", sum(item.logprobs or ())))
    return tuple(found)


def write_logprob(token: TokenLogprob) -> dict[str, Any]:
    """A token in this dialect's words; the number of the token is not known."""
    return {"text": token.token, "token_ids": [], "logprobs": [token.logprob]}
