"""Writes a whole answer as a Response object, with the call's parameters as the API echoes them.

Ids are ours: the response's is the answer's own under the prefix that clients look for, an
item's is that with its place, unless the item brought one. Our gateway gives the answer the
id under which it will be found again. States of other providers travel in reasoning items
(`states`), pictures as the items of a picture tool.

Reference: https://platform.openai.com/docs/api-reference/responses/object
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw, structs

from federation.dialects.openai_responses.echo import echo_of
from federation.dialects.openai_responses.fields import text_or_nothing
from federation.dialects.openai_responses.logprobs import logprob_items
from federation.dialects.openai_responses.parse_tools import spaces_of
from federation.dialects.openai_responses.read_items import MARK
from federation.dialects.openai_responses.spaces import with_space
from federation.dialects.openai_responses.states import carrier
from federation.dialects.openai_responses.tables import INCOMPLETE, NAME
from federation.dialects.openai_responses.usage import usage_item
from federation.dialects.openai_responses.write_items import (
    Item,
    call_item,
    grouped,
    reasoning_item,
    words_part,
)
from federation.schema.chat import ChatRequest, ChatResponse, Choice
from federation.schema.parts import (
    FUNCTION,
    IMAGE,
    Fields,
    Foreign,
    Media,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
)
from federation.schema.usage import Usage

_PREFIX: Final = "resp_"
_STEM: Final = 48
"""Longest stem of an item's id: the API takes ids of 64 characters."""
_MARK: Final = msgspec.json.Decoder(dict[str, Raw])

Named = tuple[str, Item | Raw]
"""An item's id and the item."""


def render(response: ChatResponse, request: ChatRequest) -> bytes:
    """The answer to a call of this dialect."""
    writer = ItemWriter(response.id, request, own=response.dialect == NAME)
    choice = response.choices[0] if response.choices else Choice(0, ())
    body = response_item(
        response.id,
        response.model,
        response.created,
        echo_of(request) | (response.extra if writer.own else {}),
    )
    output = writer.items(choice)
    body |= ending(choice.finish, [item for _, item in output], response.usage)
    if response.service_tier:
        body["service_tier"] = response.service_tier
    if writer.own:
        body |= choice.extra
    return msgspec.json.encode(body)


def response_id(identity: str) -> str:
    """An answer's id as a response's."""
    return identity if identity.startswith(_PREFIX) else f"{_PREFIX}{identity or 0}"


def stem_of(identity: str) -> str:
    """What the ids of a response's items have in common."""
    return response_id(identity)[len(_PREFIX) :][-_STEM:]


def response_item(identity: str, model: str, created: int, echo: dict[str, Any]) -> Item:
    """A response that has just begun."""
    return {
        "id": response_id(identity),
        "object": "response",
        "created_at": created,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "model": model,
        "output": [],
        "usage": None,
        **echo,
    }


def ending(finish: str, output: list[Any], usage: Usage | None) -> Item:
    """What a finished response has in place of the members of one that has begun."""
    reason = INCOMPLETE.get(finish)
    return {
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "output": output,
        "usage": usage_item(usage) if usage is not None else None,
    }


class ItemWriter:
    """Writes the items of one answer."""

    def __init__(self, identity: str, request: ChatRequest, *, own: bool) -> None:
        self.own = own
        self._stem = stem_of(identity)
        self._spaces = spaces_of(request.tools)
        wanted = request.reasoning
        self.summarized = not own and wanted is not None and bool(wanted.summary)

    def items(self, choice: Choice) -> list[Named]:
        """The items of a whole answer with their ids."""
        found: list[Named] = []
        groups = grouped(choice.parts)
        cut = INCOMPLETE.get(choice.finish) is not None
        logprobs = choice.logprobs
        for group in groups:
            status = "incomplete" if cut and group is groups[-1] else "completed"
            head, last = group[0], group[-1]
            if isinstance(head, ToolCall) and head.signature:
                found.append(self.carrier(head.signature, len(found), follows=False))
            if isinstance(head, Text | Refusal):
                identity, item = self.message(group, len(found), status)
                if logprobs:
                    _add_logprobs(item["content"], logprob_items(logprobs))
                    logprobs = None
                found.append((identity, item))
            else:
                found.extend(self.single(group, len(found), status))
            if isinstance(last, Text) and last.signature:
                found.append(self.carrier(last.signature, len(found), follows=True))
        return found

    def identity(self, kind: str, index: int) -> str:
        """The id of an item that brings none, by its place in the output."""
        return f"{kind}_{self._stem}_{index}"

    def carrier(self, signature: str, index: int, *, follows: bool) -> Named:
        """A reasoning item that only carries the signature of its neighbor."""
        identity = self.identity("rs", index)
        return identity, {
            "id": identity,
            "type": "reasoning",
            "summary": [],
            "encrypted_content": carrier(signature, follows=follows),
        }

    def message(self, group: list[Part], index: int, status: str) -> tuple[str, Item]:
        """A message of these texts and refusals."""
        mark = self.mark(group[0])
        identity = text_or_nothing(mark.get("id")) or self.identity("msg", index)
        content = [
            words_part(part, own=self.own) for part in group if isinstance(part, Text | Refusal)
        ]
        for item in content:
            if item["type"] == "output_text":
                item.setdefault("logprobs", [])
        return identity, {
            "id": identity,
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": content,
            **{name: raw for name, raw in mark.items() if name != "id"},
        }

    def mark(self, part: Part) -> Fields:
        """What the provider said of the message that begins with this part."""
        if self.own and isinstance(part, Text) and MARK in part.extra:
            return _MARK.decode(part.extra[MARK])
        return {}

    def single(self, group: list[Part], index: int, status: str) -> list[Named]:
        """The item of a thought, a call or a picture; none for what this API cannot say."""
        head = group[0]
        match head:
            case Thinking():
                return [self.reasoning([p for p in group if isinstance(p, Thinking)], index)]
            case ToolCall():
                return [self.call(head, index, status)]
            case Media() if head.kind == IMAGE and head.data:
                identity = self.identity("ig", index)
                return [(identity, picture_item(head, identity))]
            case Foreign() if head.dialect == NAME:
                return [("", head.raw)]
            case _:
                return []

    def reasoning(self, thoughts: list[Thinking], index: int) -> tuple[str, Item]:
        """A reasoning item."""
        state = "".join([part.sealed for part in thoughts])
        item = reasoning_item(thoughts, state, own=self.own, summarized=self.summarized)
        identity = thoughts[0].id or self.identity("rs", index)
        return identity, {"id": identity, **item}

    def call(self, part: ToolCall, index: int, status: str) -> tuple[str, Item]:
        """A call of a tool."""
        space = self._spaces.get(part.name)
        if space is not None:
            part = with_space(part if self.own else structs.replace(part, extra={}), space)
        extra = part.extra if self.own or space is not None else {}
        kind = "fc" if part.kind == FUNCTION else "ctc"
        identity = text_or_nothing(extra.get("id")) or self.identity(kind, index)
        return identity, {"id": identity, "status": status, **call_item(part), **extra}


def picture_item(part: Media, identity: str) -> Item:
    """A picture of the answer, as the API gives those of its own tool."""
    item = {
        "id": identity,
        "type": "image_generation_call",
        "status": "completed",
        "result": part.data,
    }
    kind = part.media_type.removeprefix("image/")
    return item | {"output_format": kind} if kind in ("png", "webp", "jpeg", "gif") else item


def _add_logprobs(content: list[Item], tokens: list[Item]) -> None:
    """Put probabilities where texts are; those of several texts are told apart by length."""
    texts = [item for item in content if item["type"] == "output_text"]
    at = 0
    for item in texts:
        room = len(item["text"].encode())
        start = at
        while at < len(tokens) and (room > 0 or item is texts[-1]):
            room -= len(tokens[at]["bytes"])
            at += 1
        item["logprobs"] = tokens[start:at]
