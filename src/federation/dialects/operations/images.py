"""Pictures from words (JSON) and from other pictures (multipart), in OpenAI's words.

Both are forwarded as they came. A streamed answer sends whole pictures as events, megabytes
each, and the usage stands behind the picture in the last one.

Reference: https://platform.openai.com/docs/api-reference/images
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw

from federation.dialects.governed import Governed
from federation.dialects.malformed import missing
from federation.dialects.operations import fields, formfields, replies
from federation.dialects.operations.wire import OperationWire
from federation.schema.glance import Answer
from federation.schema.http import ClientRequest, WireReply
from federation.schema.operations import IMAGE, IMAGE_EDIT, OperationGlance
from federation.schema.usage import Usage

DIALECT: Final = "openai"
_Pictures = Annotated[int, Meta(ge=1, le=10)]
_SVG: Final = Governed("model, price", "Has a second model write the drawing.")

KNOWN: Final = fields.known(
    {
        "background": str | None,
        "complexity": str | None,
        "frame_count": int | None,
        "frame_duration_ms": int | None,
        "model": fields.Name | None,
        "moderation": str | None,
        "n": _Pictures | None,
        "output_compression": int | None,
        "output_format": str | None,
        "partial_images": Annotated[int, Meta(ge=0, le=3)] | None,
        "prompt": str | None,
        "quality": str | None,
        "response_format": str | None,
        "safety_identifier": fields.Short | None,
        "seed": int | None,
        "size": str | None,
        "stream": bool | None,
        "style": str | None,
        "svg": fields.Object | None,
        "user": fields.Short | None,
    },
    governed={"svg": _SVG},
    listed=("guidance_scale", "height", "negative_prompt", "num_inference_steps", "prompt_rewriter",
            "steps", "width"),
)  # fmt: skip

FORM: Final = formfields.FormFields(
    texts=frozenset(
        (
            "background",
            "complexity",
            "frame_count",
            "frame_duration_ms",
            "input_fidelity",
            "model",
            "moderation",
            "n",
            "output_compression",
            "output_format",
            "partial_images",
            "prompt",
            "quality",
            "response_format",
            "safety_identifier",
            "seed",
            "size",
            "stream",
            "style",
            "user",
        )
    ),
    files=frozenset(("image", "mask", "markup")),
    lists=frozenset(("image",)),
    governed=frozenset(("svg",)),
)


class _TokenKinds(msgspec.Struct):
    text_tokens: replies.Number = None
    image_tokens: replies.Number = None
    cached_tokens: replies.Number = None


class ImageUsage(msgspec.Struct):
    """What a model that draws with tokens used."""

    input_tokens: replies.Number = None
    output_tokens: replies.Number = None
    input_tokens_details: _TokenKinds | None = None


class _Whole(msgspec.Struct):
    data: list[Raw] | None = None
    usage: Raw = replies.NULL
    svg_usage: Raw = replies.NULL
    model: str | None = None
    error: Raw = replies.NULL
    base_resp: Raw = replies.NULL


_WHOLE: Final = msgspec.json.Decoder(_Whole)
_USAGE: Final = msgspec.json.Decoder(ImageUsage)


def glance(request: ClientRequest) -> OperationGlance:
    """Look at a call for new pictures. Raises `InvalidRequest`, `PayloadTooLarge`."""
    body = fields.look(request, KNOWN)
    fields.required(body, "prompt")
    get = body.values.get
    return OperationGlance(
        IMAGE,
        DIALECT,
        get("model"),
        body.ask,
        stream=get("stream") is True,
        text_bytes=fields.utf8_size([body.values["prompt"]]),
        outputs=get("n") or 1,
        size=get("size") or "",
        quality=get("quality") or "",
        formats=tuple(filter(None, (get("output_format"), get("response_format")))),
        governed=body.governed,
        unlisted=body.unlisted,
        user=body.ask.user or get("safety_identifier") or get("user") or "",
        spans=body.spans,
        end=body.end,
    )


def glance_edit(request: ClientRequest) -> OperationGlance:
    """Look at a call that changes pictures. Raises `InvalidRequest` with the part's name,
    `UnsupportedMedia`, `PayloadTooLarge`."""
    seen = formfields.look(request, FORM)
    if "image" not in seen.files:
        raise missing("image")
    text = seen.texts.get
    outputs = formfields.integer(seen, "n", 1, 10)
    return OperationGlance(
        IMAGE_EDIT,
        DIALECT,
        seen.model,
        seen.ask,
        stream=formfields.flag(seen, "stream"),
        text_bytes=len(text("prompt", "").encode()),
        images=sum(map(len, seen.files.values())),
        media_bytes=seen.media_bytes,
        outputs=outputs or 1,
        size=text("size", ""),
        quality=text("quality", ""),
        formats=tuple(filter(None, (text("output_format"), text("response_format")))),
        needs=("image_input",),
        governed=seen.governed,
        unlisted=seen.unlisted,
        user=seen.ask.user or text("safety_identifier") or text("user") or "",
        form=seen.form,
    )


def read(wire: OperationWire, seen: OperationGlance, reply: WireReply) -> Answer:
    """What matters of an answer: how many pictures, and the tokens where there are any.

    Raises `UpstreamGarbled`, and the error that an answer holds.
    """
    answer = replies.read(wire, _WHOLE, reply.body)
    replies.refuse_error(wire, answer.error, answer.base_resp, reply.body)
    if not answer.data:
        raise replies.garbled(wire, "without pictures")
    return Answer(answer.model or "", "", usage_of(answer.usage, len(answer.data)))


def usage_of(raw: Raw, pictures: int) -> Usage:
    """The usage of an answer with so many pictures; the pictures are counted in every case."""
    units = {"image": pictures}
    try:
        counts = _USAGE.decode(raw) if raw != replies.NULL else ImageUsage()
    except (msgspec.DecodeError, UnicodeDecodeError):
        counts = ImageUsage()
    if counts.input_tokens is None or counts.output_tokens is None:
        return Usage(units=units)
    given = replies.whole(counts.input_tokens)
    details = counts.input_tokens_details
    cached = replies.whole(details.cached_tokens) if details is not None else 0
    return Usage(
        input=given,
        output=replies.whole(counts.output_tokens),
        cached=min(cached, given),
        units=units,
    )
