"""Checks of texts and pictures in OpenAI's words, forwarded as they came.

Reference: https://platform.openai.com/docs/api-reference/moderations
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.operations import fields, replies
from federation.dialects.operations.billing import estimate
from federation.dialects.operations.wire import OperationWire
from federation.dialects.tokenizer import members, wrong_type
from federation.errors import InvalidRequest
from federation.schema.glance import Answer
from federation.schema.http import ClientRequest, WireReply
from federation.schema.operations import MODERATIONS, OperationGlance

DIALECT: Final = "openai"
KNOWN: Final = fields.known(
    {
        "input": str | list[str | dict[str, Raw]] | None,
        "model": fields.Name | None,
        "user": fields.Short | None,
    }
)


class _Url(msgspec.Struct):
    url: str


class _Part(msgspec.Struct):
    type: str
    text: str | None = None
    image_url: _Url | None = None


class _Whole(msgspec.Struct):
    results: list[Raw] | None = None
    model: str | None = None
    error: Raw = replies.NULL
    base_resp: Raw = replies.NULL


_PART: Final = msgspec.json.Decoder(_Part)
_WHOLE: Final = msgspec.json.Decoder(_Whole)
_ITEMS: Final = msgspec.json.Decoder(list[Raw])


def glance(request: ClientRequest) -> OperationGlance:
    """Look at a call. Raises `InvalidRequest` with the field, `PayloadTooLarge`."""
    body = fields.look(request, KNOWN)
    fields.required(body, "input")
    given = body.values["input"]
    items = [given] if isinstance(given, str) else given
    if not items:
        raise InvalidRequest("'input' is empty.", param="input")
    texts = [item for item in items if isinstance(item, str)]
    parts = _parts(body.found["input"]) if len(texts) < len(items) else []
    texts += [part.text for part in parts if part.text is not None]
    urls = [part.image_url.url for part in parts if part.image_url is not None]
    return OperationGlance(
        MODERATIONS,
        DIALECT,
        body.values.get("model"),
        body.ask,
        # Parts are one thing to check, of which the answer holds one result.
        items=1 if parts else len(items),
        text_bytes=fields.utf8_size(texts),
        images=len(urls),
        media_bytes=sum(map(len, urls)),
        needs=("image_input",) if urls else (),
        governed=body.governed + fields.stored(urls),
        unlisted=body.unlisted,
        user=body.ask.user or body.values.get("user") or "",
        spans=body.spans,
        end=body.end,
    )


def read(wire: OperationWire, seen: OperationGlance, reply: WireReply) -> Answer:
    """What matters of an answer. Raises `UpstreamGarbled` for fewer results than things to
    check, and the error that an answer holds."""
    answer = replies.read(wire, _WHOLE, reply.body)
    replies.refuse_error(wire, answer.error, answer.base_resp, reply.body)
    if answer.results is None or len(answer.results) < seen.items:
        raise replies.garbled(wire, "with too few results")
    return Answer(answer.model or "", "", estimate(seen))


def _parts(raw: Raw) -> list[_Part]:
    parts = []
    for index, item in enumerate(_ITEMS.decode(raw)):
        where = f"input[{index}]"
        if fields.first_byte(item) != b"{":
            raise InvalidRequest(f"'{where}' must be an object like the others.", param=where)
        found = members(bytes(item), where)
        if "image_url" in found:
            members(bytes(found["image_url"]), f"{where}.image_url")
        try:
            parts.append(_PART.decode(item))
        except msgspec.ValidationError as error:
            raise wrong_type(error, where) from None
    return parts
