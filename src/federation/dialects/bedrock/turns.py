"""Writes a conversation as turns that alternate, with the system text apart.

Neighbors of one role become one turn; tool results stand in a user turn, before its text. A
conversation of nothing but system text is asked as a question, for there must be one.
"""

from __future__ import annotations

from typing import Any, Final

from federation.dialects.bedrock.content import Writing, write_content
from federation.dialects.losses import refusal
from federation.errors import InvalidRequest
from federation.schema.chat import ASSISTANT, DEVELOPER, SYSTEM, ChatRequest
from federation.schema.parts import Media

_SYSTEM_ROLES: Final = frozenset((SYSTEM, DEVELOPER))
_WHITE: Final = " \t\r\n"

Turn = dict[str, Any]


def write_turns(request: ChatRequest, writing: Writing) -> tuple[list[Any], list[Turn]]:
    """The system blocks and the turns. Raises `InvalidRequest` where nothing is asked."""
    system: list[Any] = []
    turns: list[Turn] = []
    for index, message in enumerate(request.messages):
        content = write_content(message, index, writing)
        role = message.role
        if role in _SYSTEM_ROLES:
            _check_system(message.parts, index)
            if not turns:
                system += content
                continue
            if not writing.own:
                if content:
                    writing.losses.note("system_place", f"messages[{index}]")
                system += content
                continue
        else:
            role = ASSISTANT if role == ASSISTANT else "user"
        if not content:
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += content
        else:
            turns.append({"role": role, "content": content})
    if not turns and system:
        writing.losses.note("system_place", "messages")
        turns, system = [{"role": "user", "content": system}], []
    if not turns:
        raise InvalidRequest(
            "'messages' holds no text and no attachment; ask something.", param="messages"
        )
    _accompany(turns)
    _trim(turns[-1])
    return system, turns


def _check_system(parts: tuple[Any, ...], index: int) -> None:
    for part in parts:
        if isinstance(part, Media):
            raise refusal(part.kind, f"messages[{index}]")


def _accompany(turns: list[Turn]) -> None:
    """A document must come with text: its own name, where the client wrote none."""
    for turn in turns:
        documents = [
            block["document"]
            for block in turn["content"]
            if isinstance(block, dict) and "document" in block
        ]
        if documents and not any(
            not isinstance(block, dict) or "text" in block for block in turn["content"]
        ):
            turn["content"].append({"text": documents[0].get("name", "document")})


def _trim(turn: Turn) -> None:
    """An answer that the caller began may not end in white space."""
    last = turn["content"][-1]
    if turn["role"] == ASSISTANT and isinstance(last, dict) and "text" in last:
        last["text"] = last["text"].rstrip(_WHITE)
