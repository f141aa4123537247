"""Embeddings in the words of OpenAI, which most hosts repeat.

What a newcomer would get wrong: the official client asks for base64 unless it is told
otherwise, and frameworks send arrays of token numbers, hundreds of thousands in one body.

Reference: https://platform.openai.com/docs/api-reference/embeddings
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.losses import Losses
from federation.dialects.malformed import missing
from federation.dialects.operations import fields, losses, replies
from federation.dialects.operations.embeddings import batches, purposes, vectors
from federation.dialects.operations.faces import Encoded
from federation.dialects.operations.wire import OperationWire, post, rendered
from federation.dialects.storage import FILE_FIELD, names_storage
from federation.dialects.tokenizer import members, wrong_type
from federation.errors import InvalidRequest, UpstreamGarbled
from federation.schema.glance import Answer
from federation.schema.http import ClientRequest, WireReply
from federation.schema.operations import (
    BASE64,
    CUT_END,
    CUT_NONE,
    CUT_START,
    EMBEDDINGS,
    FLOAT,
    EmbeddingInput,
    EmbeddingRequest,
    EmbeddingResponse,
    OperationGlance,
    Tokens,
)
from federation.schema.usage import Usage

DIALECT: Final = "openai"
MOST_NUMBERS: Final = 400_000
"""Most values of a body: the vendor takes 300,000 token numbers in one."""
BATCH: Final = 2048

KNOWN: Final = fields.known(
    {
        "dimensions": fields.Count | None,
        "encoding_format": str | None,
        "input": Raw,
        "input_type": str | None,
        "model": fields.Name | None,
        "task": str | None,
        "truncate": str | bool | None,
        "user": fields.Short | None,
    },
    listed=(
        "add_special_tokens",
        "embedding_type",
        "late_chunking",
        "normalize",
        "normalized",
        "output_dimension",
        "output_dtype",
        "priority",
        "truncation",
    ),
)
_READ: Final = frozenset(KNOWN.types)
_FORMS: Final = (FLOAT, BASE64)
_CUTS: Final = {"start": CUT_START, "end": CUT_END, "none": CUT_NONE}
LOSSES: Final = losses.table(
    "https://platform.openai.com/docs/api-reference/embeddings/create",
    "embedding_form",
    "embedding_purpose",
    "embedding_title",
    "image_input",
    "mixed_input",
    "truncate",
    "unknown_field",
)

_ITEMS: Final = msgspec.json.Decoder(list[Raw])
_ANY: Final = msgspec.json.Decoder(str | list[str | int | list[int] | dict[str, Raw]])
_NUMERIC: Final = b"0123456789,[] \t\r\n"
_STRING: Final = msgspec.json.Decoder(str)


class _Item(msgspec.Struct):
    embedding: Raw
    index: int | None = None


class _Counts(msgspec.Struct):
    prompt_tokens: replies.Number = None
    total_tokens: replies.Number = None
    input_tokens: replies.Number = None


class _Whole(msgspec.Struct):
    data: list[_Item] | None = None
    model: str | None = None
    id: str | None = None
    usage: Raw = replies.NULL
    error: Raw = replies.NULL
    base_resp: Raw = replies.NULL


_WHOLE: Final = msgspec.json.Decoder(_Whole)
_COUNTS: Final = msgspec.json.Decoder(_Counts)


def glance(request: ClientRequest) -> OperationGlance:
    """Look at a call. Raises `InvalidRequest` with the field, `PayloadTooLarge`."""
    body = fields.look(request, KNOWN, crowd=MOST_NUMBERS)
    if body.found.get("input", fields.NULL) == fields.NULL:
        raise missing("input")
    get = body.values.get
    form = get("encoding_format") or FLOAT
    if form not in _FORMS:
        raise InvalidRequest("'encoding_format' must be float or base64.", param="encoding_format")
    counts = _count(body.found["input"])
    dimensions = get("dimensions")
    needs = (
        *(("token_input",) if counts.tokens else ()),
        *(("dimensions",) if dimensions else ()),
        *(("mixed_input",) if counts.mixed else ()),
    )
    return OperationGlance(
        EMBEDDINGS,
        DIALECT,
        get("model"),
        body.ask,
        items=counts.items,
        text_bytes=counts.text_bytes,
        tokens=counts.tokens,
        dimensions=dimensions,
        formats=(form,),
        needs=needs,
        governed=body.governed + counts.governed,
        unlisted=body.unlisted,
        user=body.ask.user or get("user") or "",
        spans=body.spans,
        end=body.end,
    )


def parse(request: ClientRequest, seen: OperationGlance) -> EmbeddingRequest:
    """Read a glanced-at call. Raises `InvalidRequest` with the field."""
    body = fields.look(request, KNOWN, crowd=MOST_NUMBERS)
    get = body.values.get
    cut = get("truncate")
    if isinstance(cut, bool):
        cut = CUT_END if cut else CUT_NONE
    return EmbeddingRequest(
        DIALECT,
        seen.model or "",
        _inputs(body.found["input"]),
        formats=seen.formats,
        dimensions=seen.dimensions,
        purpose=purposes.read(get("input_type") or get("task") or ""),
        truncate=_CUTS.get((cut or "").lower(), ""),
        user=get("user") or "",
        extra=fields.extras(body.found, _READ),
    )


def render(response: EmbeddingResponse, request: EmbeddingRequest) -> bytes:
    """Write an answer; numbers stay the text that the provider wrote."""
    found = vectors.in_form(response.vectors, request.formats[0])
    items = b",".join(
        [
            b'{"object":"embedding","index":%d,"embedding":%b}' % (index, bytes(vector))
            for index, vector in enumerate(found)
        ]
    )
    used = response.usage.input if response.usage is not None else 0
    return b'{"object":"list","data":[%b],"model":%b,"usage":%b}' % (
        items,
        msgspec.json.encode(response.model or request.model),
        msgspec.json.encode({"prompt_tokens": used, "total_tokens": used}),
    )


def encode(wire: OperationWire, request: EmbeddingRequest) -> Encoded:
    """Write a canonical request. Raises `InvalidRequest` for what cannot be said."""
    noted = losses.begun(LOSSES)
    form = asked_form(request, noted)
    check_inputs(request, noted, tokens=True)
    words = purposes.offered(wire.input_types)
    kind = purposes.write(request.purpose, words, noted, "input_type")
    if request.title:
        noted.note("embedding_title")
    if request.truncate in (CUT_START, CUT_END):
        noted.note("truncate")
    if request.extra:
        noted.note("unknown_field")
    requests = [
        post(
            wire,
            rendered(
                wire,
                {
                    "model": wire.model,
                    "input": [item.ids if isinstance(item, Tokens) else item for item in piece],
                    "encoding_format": form,
                    "dimensions": request.dimensions,
                    "user": request.user or None,
                    "input_type": kind,
                },
            ),
        )
        for piece in batches.cut(request.inputs, wire.batch)
    ]
    return Encoded(tuple(requests), noted.found())


def decode(
    wire: OperationWire, request: EmbeddingRequest, answers: Sequence[WireReply], form: str = ""
) -> EmbeddingResponse:
    """Read the answers to one call's requests. `form` is what arrays of numbers are, where
    they are not floats. Raises `UpstreamGarbled`, and the error that an answer holds."""
    found: list[Raw] = []
    used: list[Usage | None] = []
    model = ident = ""
    for reply in answers:
        answer = _read(wire, reply.body)
        found += _in_order(answer.data or [])
        used.append(usage_of(answer.usage))
        model, ident = model or answer.model or "", ident or answer.id or ""
    settled = vectors.settle({form: tuple(found)} if form else vectors.by_form(found), request)
    return EmbeddingResponse(model, settled, ident, batches.total(used))


def read(wire: OperationWire, seen: OperationGlance, reply: WireReply) -> Answer:
    """What matters of an answer that is forwarded. Raises as `decode` does."""
    answer = _read(wire, reply.body)
    data = answer.data or []
    if len(data) != seen.items:
        raise replies.garbled(wire, f"with {len(data)} vectors for {seen.items} inputs")
    vectors.check(_in_order(data), seen.dimensions)
    return Answer(answer.model or "", "", usage_of(answer.usage))


def asked_form(request: EmbeddingRequest, noted: Losses) -> str:
    """The form to ask for: base64 if the client wants that, else numbers."""
    if not set(request.formats) <= set(_FORMS):
        noted.note("embedding_form", "embedding_types")
    return BASE64 if request.formats == (BASE64,) else FLOAT


def check_inputs(request: EmbeddingRequest, noted: Losses, *, tokens: bool = False) -> None:
    """Note what of the inputs a language of plain texts cannot say."""
    numbers, mixed = batches.first_of(request.inputs)
    if numbers and not tokens:
        noted.note("token_input", "input")
    if mixed:
        noted.note("mixed_input", "inputs")


def usage_of(raw: Raw) -> Usage | None:
    """The usage of an answer; None where it is not readable as counts."""
    try:
        counts = _COUNTS.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    tokens = next(
        (
            number
            for number in (counts.prompt_tokens, counts.input_tokens, counts.total_tokens)
            if number is not None
        ),
        None,
    )
    # One host states zero prompt tokens beside the true total.
    if not tokens and counts.total_tokens:
        tokens = counts.total_tokens
    return None if tokens is None else Usage(input=replies.whole(tokens))


def _read(wire: OperationWire, body: bytes) -> _Whole:
    answer = replies.read(wire, _WHOLE, body)
    replies.refuse_error(wire, answer.error, answer.base_resp, body)
    if answer.data is None:
        raise replies.garbled(wire, "without vectors")
    return answer


def _in_order(items: list[_Item]) -> list[Raw]:
    places = [item.index for item in items]
    if places == list(range(len(items))) or set(places) == {None}:
        return [item.embedding for item in items]
    if None in places or set(places) != set(range(len(items))):
        # Whose vector is whose cannot be told.
        raise UpstreamGarbled(
            "The provider answered with vectors whose places are not the inputs'."
        )
    return [item.embedding for item in sorted(items, key=lambda item: item.index or 0)]


class _Inputs(msgspec.Struct):
    items: int
    text_bytes: int = 0
    tokens: int = 0
    mixed: bool = False
    governed: tuple[str, ...] = ()


def _count(raw: Raw) -> _Inputs:
    """What the input holds. Raises `InvalidRequest` with the field."""
    data = bytes(raw)
    return _count_numbers(data) or _count_any(data)


def _count_numbers(data: bytes) -> _Inputs | None:
    """Of token numbers alone, by their commas: a framework sends hundreds of thousands, and as
    Python integers they would take ten times as long. None for anything else."""
    if data[:1] != b"[" or data.translate(None, _NUMERIC):
        return None
    lists, commas = data.count(b"["), data.count(b",")
    if lists == 1:
        return _Inputs(1, tokens=commas + 1) if len(data) > 2 else None
    items = _ITEMS.decode(data)
    if lists != len(items) + 1 or not all(fields.first_byte(item) == b"[" for item in items):
        return None
    return _Inputs(len(items), tokens=commas + 1)


def _count_any(data: bytes) -> _Inputs:
    try:
        given = _ANY.decode(data)
    except msgspec.ValidationError as error:
        raise wrong_type(error, "input") from None
    if isinstance(given, str):
        return _Inputs(1, fields.utf8_size([given]))
    if not given:
        raise InvalidRequest("'input' is empty.", param="input")
    if all(isinstance(item, int) for item in given):
        return _Inputs(1, tokens=len(given))
    texts = [item for item in given if isinstance(item, str)]
    lists = [item for item in given if isinstance(item, list)]
    mixed = len(texts) + len(lists) < len(given)
    size = len(data) if mixed else fields.utf8_size(texts)
    governed = (FILE_FIELD,) if mixed and _names_storage(data) else ()
    return _Inputs(len(given), size, sum(map(len, lists)), mixed, governed)


def _names_storage(data: bytes) -> bool:
    """Whether a thing that is no text lies in a provider's storage. Raises `InvalidRequest` for a
    member that stands twice."""
    places = ((f"input[{index}]", item) for index, item in enumerate(_ITEMS.decode(data)))
    objects = [(place, item) for place, item in places if fields.first_byte(item) == b"{"]
    return any(names_storage(members(bytes(item), place), place) for place, item in objects)


def _inputs(raw: Raw) -> tuple[EmbeddingInput, ...]:
    data = bytes(raw)
    if data[:1] == b'"':
        return (_STRING.decode(data),)
    items = _ITEMS.decode(data)
    if items and fields.first_byte(items[0]) not in b'"[{':
        return (Tokens(raw, len(items)),)
    return tuple([_input(item, index) for index, item in enumerate(items)])


def _input(item: Raw, index: int) -> EmbeddingInput:
    data = bytes(item)
    if data[:1] == b'"':
        return _STRING.decode(data)
    if data[:1] == b"[":
        return Tokens(item, data.count(b",") + 1)
    raise InvalidRequest(
        f"'input[{index}]' must be a text or an array of token numbers for this model.",
        code="not_expressible",
        param=f"input[{index}]",
    )
