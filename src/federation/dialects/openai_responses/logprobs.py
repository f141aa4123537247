"""Log probabilities of tokens, both ways; the same shape in whole answers and in events.

Reference: `ResponseOutputText.logprobs` of the official SDK.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.schema.chat import TokenLogprob, TopToken


class _Top(msgspec.Struct):
    token: str | None = None
    logprob: float | None = None
    bytes: tuple[int, ...] | None = None


class _Token(msgspec.Struct):
    token: str
    logprob: float
    bytes: tuple[int, ...] | None = None
    top_logprobs: tuple[_Top, ...] | None = None


_TOKENS: Final = msgspec.json.Decoder(tuple[_Token, ...] | None)


def read_logprobs(raw: Raw) -> tuple[TokenLogprob, ...]:
    """The tokens of a text; none where they cannot be read, for they are only a remark."""
    try:
        found = _TOKENS.decode(raw) or ()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ()
    return tuple(
        TokenLogprob(
            item.token,
            item.logprob,
            item.bytes,
            tuple(
                TopToken(top.token, top.logprob, top.bytes)
                for top in item.top_logprobs or ()
                if top.token is not None and top.logprob is not None
            ),
        )
        for item in found
    )


def logprob_items(tokens: tuple[TokenLogprob, ...]) -> list[dict[str, Any]]:
    """The tokens in the API's words, which want the bytes of each."""
    return [
        {
            **_token_item(item),
            "top_logprobs": [_token_item(top) for top in item.top],
        }
        for item in tokens
    ]


def _token_item(item: TokenLogprob | TopToken) -> dict[str, Any]:
    raw = item.bytes if item.bytes is not None else tuple(item.token.encode())
    return {"token": item.token, "logprob": item.logprob, "bytes": raw}
