"""States on their way through clients that speak another dialect than their maker.

A thought signature or sealed reasoning means something to its maker only. It is put into an
envelope before a client of another dialect gets it, taken out when the client sends the
conversation back, and left out where another provider takes over. The traps:

* Not every dialect has room for every state of a part, so one envelope holds all of them.
* Many programs send back nothing of a tool call but id, name and arguments. For their
  dialects the envelope hangs at the id, in letters that every provider allows in one.
* Bodies that hold an envelope must not be forwarded as bytes: `carries` finds them.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import is_
from typing import Final

from msgspec import structs

from federation.dialects.envelopes import PREFIX, Letter, digest_of, disclose, enclose, url_safe
from federation.dialects.origins import Origins
from federation.schema.chat import ASSISTANT, TOOL, ChatRequest, ChatResponse, Choice
from federation.schema.parts import Part, Text, Thinking, ToolCall, ToolResult

SIGNATURE, SEALED = "signature", "sealed"

WITHOUT_PLACE: Final = frozenset(
    ("openai", "openai_responses", "anthropic", "bedrock", "cohere", "ollama")
)
"""Client dialects in which a tool call has no member for a signature."""

PORTABLE: Final = frozenset(("anthropic",))
"""Families of which every host opens the states of every other, as their vendor says
(https://platform.claude.com/docs/en/build-with-claude/extended-thinking)."""

MARKED: Final = frozenset(("openai_responses", "anthropic", "bedrock"))
"""Client dialects whose own providers refuse reasoning that has no state of theirs. Reasoning
without any state is put into an envelope there too, so that it is known again when such a
provider takes over: its bytes must not be forwarded."""

NOBODY: Final = "/"
"""A maker that made nothing: a call fitted for it has no states at all."""

_PLACES: Final = {"openai_responses": SEALED, "gemini": SIGNATURE, "bedrock": SIGNATURE}
"""Where a dialect has room for a state of reasoning, if not by whether there is text: an
item's `encrypted_content`, a part's `thoughtSignature`, a `reasoningText.signature`."""

_MARK: Final = PREFIX.encode()
_DIGIT: Final = b"1"
_DIGIT_AT: Final = _MARK.index(_DIGIT)
_LONG, _TRIES = 4096, 64
_AT_ID: Final = "__" + PREFIX
_WITH_STATES: Final = frozenset((ASSISTANT,))
_WITH_IDS: Final = frozenset((ASSISTANT, TOOL))


def maker_of(family: str, provider: str) -> str:
    """Who can open a state: the family (the dialect whose bytes the deployment takes), and the
    provider where hosts of the family cannot open one another's."""
    return family if family in PORTABLE else f"{family}/{provider}"


def carries(body: bytes) -> bool:
    """Whether a client's body may hold an envelope: it is then translated, not forwarded."""
    if len(body) < _LONG:
        return body.find(_MARK) >= 0  # `in` makes an exception first, of bytes that are no number
    # One byte is looked for ten times as fast as eight. Prose holds few digits; where there
    # are many, all eight are looked for.
    at = -1
    for _ in range(_TRIES):
        at = body.find(_DIGIT, at + 1)
        if at < 0:
            return False
        if body.startswith(_MARK, max(at - _DIGIT_AT, 0)):
            return True
    return body.find(_MARK, at - _DIGIT_AT) >= 0


# Out to the client


def wrap(
    response: ChatResponse, maker: str, key: bytes, dialect: str, *, ids: bool
) -> ChatResponse:
    """An answer whose states are in envelopes, for a client of the dialect `dialect`.

    With `ids` (see `WITHOUT_PLACE`) the states of tool calls hang at their ids. An answer
    without states comes back as it is.
    """

    def change(part: Part) -> Part:
        return wrap_part(part, maker, key, dialect, ids=ids)

    choices = tuple(_changed_choice(choice, change) for choice in response.choices)
    if all(new is old for new, old in zip(choices, response.choices, strict=True)):
        return response
    return structs.replace(response, choices=choices)


def wrap_part(part: Part, maker: str, key: bytes, dialect: str, *, ids: bool) -> Part:
    """One whole part with its states in an envelope; idempotent."""
    match part:
        case Thinking() if is_carried(part, dialect):
            told = digest_of(part.text)
            letter = enclose(Letter(maker, part.id, part.signature, part.sealed, told), key)
            first = place_of(dialect, has_text=bool(part.text)) == SIGNATURE
            put = (letter, "") if first else ("", letter)
            return structs.replace(part, id="", signature=put[0], sealed=put[1], maker="")
        case ToolCall() | Text() if part.signature:
            letter = enclose(Letter(maker, signature=part.signature), key)
            if isinstance(part, ToolCall) and ids:
                return structs.replace(
                    part, id=with_letter(part.id, letter), signature="", maker=""
                )
            return structs.replace(part, signature=letter, maker="")
    return part


def is_carried(part: Thinking, dialect: str) -> bool:
    """Whether reasoning goes in an envelope to a client of this dialect."""
    return bool(part.id or part.signature or part.sealed or (dialect in MARKED and part.text))


def place_of(dialect: str, *, has_text: bool) -> str:
    """The member of `Thinking` for which a client's dialect has room."""
    return _PLACES.get(dialect) or (SIGNATURE if has_text else SEALED)


def with_letter(call_id: str, letter: str) -> str:
    """A tool call's id that carries an envelope along."""
    return f"{call_id}__{url_safe(letter)}"


def _changed_choice(choice: Choice, change: Callable[[Part], Part]) -> Choice:
    parts = tuple([change(part) for part in choice.parts])
    same = all(new is old for new, old in zip(parts, choice.parts, strict=True))
    return choice if same else structs.replace(choice, parts=parts)


# Back from the client


def unwrap(request: ChatRequest, key: bytes) -> ChatRequest:
    """A conversation whose envelopes are opened: states as their makers wrote them, `maker`
    filled in, ids without what hung at them.

    An envelope that is not as we wrote it counts as absent. What is no envelope stays.
    """
    return _each(request, _WITH_IDS, lambda part: _unwrapped(part, key))


def _unwrapped(part: Part, key: bytes) -> Part:
    match part:
        case Text(signature=""):
            return part
        case Text():
            return _unsigned(part, part.signature, key)
        case ToolCall():
            if _AT_ID not in part.id:
                return _unsigned(part, part.signature, key) if part.signature else part
            bare, _, letter = part.id.rpartition(_AT_ID)
            return _unsigned(structs.replace(part, id=bare), part.signature or PREFIX + letter, key)
        case ToolResult() if _AT_ID in part.call_id:
            return structs.replace(part, call_id=part.call_id.rpartition(_AT_ID)[0])
        case Thinking():
            for envelope in (part.signature, part.sealed, part.id):
                if envelope.startswith(PREFIX):
                    return _opened(part, disclose(envelope, key))
    return part


def _opened(part: Thinking, letter: Letter | None) -> Part:
    changed = (
        letter is not None and letter.text and part.text and digest_of(part.text) != letter.text
    )
    if letter is None or changed:
        return structs.replace(part, id="", signature="", sealed="", maker="")
    return structs.replace(
        part,
        id=letter.id,
        signature=letter.signature,
        sealed=letter.sealed,
        maker=letter.maker if letter.id or letter.signature or letter.sealed else "",
    )


def _unsigned(part: Text | ToolCall, signature: str, key: bytes) -> Part:
    if not signature.startswith(PREFIX):
        return part
    letter = disclose(signature, key) or Letter("")
    return structs.replace(part, signature=letter.signature, maker=letter.maker)


# On to a provider


def fit(
    request: ChatRequest, maker: str, origins: Origins | None = None
) -> tuple[ChatRequest, bool]:
    """A conversation without the states that `maker` (see `maker_of`) did not make, and
    whether any was left out.

    A state that came without an envelope belongs to the client's own dialect: it is kept
    where that is the maker's family, unless `origins` know another maker of it. Reasoning
    keeps its text; a part, and then a message,
    that held nothing but a foreign state is gone.
    """
    native = maker.partition("/")[0] == request.dialect
    lost = False

    def others(part: Thinking | ToolCall | Text) -> bool:
        sealed = part.sealed if isinstance(part, Thinking) else ""
        return origins is not None and any(
            state and origins.is_others(state, maker) for state in (part.signature, sealed)
        )

    def change(part: Part) -> Part | None:
        nonlocal lost
        if not isinstance(part, Thinking | ToolCall | Text):
            return part
        if part.maker == maker or (native and not part.maker and not others(part)):
            return part
        sealed = isinstance(part, Thinking) and bool(part.sealed or part.id)
        if not part.signature and not sealed:
            return part
        if not isinstance(part, Thinking):
            lost = True
            return structs.replace(part, signature="", maker="")
        lost = lost or bool(part.signature or part.sealed)
        return (
            structs.replace(part, id="", signature="", sealed="", maker="") if part.text else None
        )

    return _each(request, _WITH_STATES, change), lost


def _each(
    request: ChatRequest, roles: frozenset[str], change: Callable[[Part], Part | None]
) -> ChatRequest:
    """The request with every part of these roles changed; where None stands, one is left out."""
    messages = list(request.messages)
    gone = changed = False
    for at, message in enumerate(messages):
        if message.role not in roles:
            continue
        parts = [change(part) for part in message.parts]
        if all(map(is_, parts, message.parts)):
            continue
        changed = True
        kept = tuple([part for part in parts if part is not None])
        gone = gone or not kept
        messages[at] = structs.replace(message, parts=kept)
    if not changed:
        return request
    # A message that was empty before stands as the client wrote it.
    left = [
        new for new, old in zip(messages, request.messages, strict=True) if new.parts or new is old
    ]
    return structs.replace(request, messages=tuple(left if gone else messages))
