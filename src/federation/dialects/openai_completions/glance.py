"""Reads a legacy completion call: what routing, money and rules must know.

The language takes lists of prompts and of token numbers. A chat call is one conversation in
words, so anything but one text is refused here, before a deployment is looked for.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.ask import read_ask
from federation.dialects.fields import Fields, read_fields
from federation.dialects.malformed import missing
from federation.dialects.openai_completions.tables import (
    FIELDS,
    GOVERNED,
    LISTED,
    OBJECTS,
    PROMPT,
)
from federation.dialects.tokenizer import layout, wrong_type
from federation.errors import InvalidRequest
from federation.schema.glance import Glance
from federation.schema.http import ClientRequest

_FIELDS: Final = Fields(FIELDS, GOVERNED, LISTED | {"prompt", "federation"}, OBJECTS)
_STRING: Final = msgspec.json.Decoder(str)


def glance(request: ClientRequest) -> Glance:
    """Look at a completion call. Raises `InvalidRequest` with the field, `PayloadTooLarge`
    for a body of too many values."""
    found, spans, end = layout(request.body)
    prompt = read_prompt(found.get("prompt"))
    values, governed, unlisted = read_fields(found, _FIELDS)
    _refuse(values)
    get = values.get
    stream = get("stream") is True
    options = get("stream_options")
    ask = read_ask(found.get("federation"), request.headers)
    return Glance(
        model=get("model"),
        stream=stream,
        usage_asked=stream and options is not None and options.include_usage is True,
        max_output=get("max_tokens"),
        choices=get("n") or 1,
        messages=1,
        text_bytes=len(prompt.encode()),
        images=0,
        audio=0,
        files=0,
        tools=0,
        needs=(),
        governed=governed,
        unlisted=unlisted,
        ask=ask,
        spans=spans,
        end=end,
        user=ask.user or get("user") or "",
    )


def read_prompt(raw: Raw | None) -> str:
    """The one text of a prompt. Raises `InvalidRequest` for anything else."""
    if raw is None or raw == _NULL:
        raise missing("prompt")
    try:
        found = PROMPT.decode(raw)
        if isinstance(found, list) and len(found) == 1 and bytes(found[0]).startswith(b'"'):
            found = _STRING.decode(found[0])
    except msgspec.ValidationError as error:
        raise wrong_type(error, "prompt") from None
    except msgspec.DecodeError:
        raise InvalidRequest(
            "'prompt' is not valid JSON: it holds half of a surrogate pair.",
            code="invalid_json",
            param="prompt",
        ) from None
    if isinstance(found, str) and found:
        return found
    if isinstance(found, list) and found and not bytes(found[0]).startswith(b'"'):
        raise InvalidRequest(
            "'prompt' holds token numbers, which mean something to one model only. Send text.",
            code="not_expressible",
            param="prompt",
        )
    if isinstance(found, list) and found:
        raise InvalidRequest(
            "'prompt' holds several prompts. Send one call for each.",
            code="not_expressible",
            param="prompt",
        )
    raise InvalidRequest("'prompt' is empty.", code="invalid_value", param="prompt")


_NULL: Final = Raw(b"null")


def _refuse(values: dict[str, Any]) -> None:
    """Refuse what a chat model cannot be asked for."""
    if values.get("suffix"):
        raise InvalidRequest(
            "'suffix' asks for text between two others, which chat models do not write. Put "
            "both into the prompt and say what you want.",
            code="not_expressible",
            param="suffix",
        )
    best_of, choices = values.get("best_of"), values.get("n") or 1
    if best_of is not None and best_of != choices:
        raise InvalidRequest(
            "'best_of' asks for answers that are not returned. Leave it out, or set 'n'.",
            code="not_expressible",
            param="best_of",
        )
    if values.get("echo") and values.get("logprobs") is not None:
        raise InvalidRequest(
            "'echo' with 'logprobs' asks for the probabilities of the prompt, which chat models "
            "do not give. Leave one of them out.",
            code="not_expressible",
            param="logprobs",
        )
