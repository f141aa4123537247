"""A guard over a whole chat call, and over a whole answer: every text in it.

The traps: a person writes a value over two messages, so texts are read together with their
neighbors; arguments and results of tools are JSON inside a text; a provider refuses the
next call with thinking that is not what it signed, so it is never restored, and what had to be
changed in it goes without its signature; and ids and names would not be understood if they were
changed, so a call with a value in one is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Final, TypeVar

from msgspec import structs

from federation.errors import CallerError, Forbidden, Unavailable, UpstreamError
from federation.guardrails.entities import Action
from federation.guardrails.guard import Guard, Screening
from federation.guardrails.injection import strip_role_tokens
from federation.guardrails.json_texts import is_json, words_of
from federation.guardrails.vault import Vault
from federation.guardrails.visitor import Visitor, is_sealed
from federation.schema.chat import TOOL, USER, ChatRequest, ChatResponse
from federation.schema.parts import Media, Part, Text, ToolResult

_T = TypeVar("_T")
TOLD_SO: Final = "The provider answered so: ask again."
_HANDED_ON: Final = frozenset(("id", "call_id", "file_id", "model", "created", "maker"))
"""Members of an answer that go on as a provider gives them: they name what is its own."""
_WRITTEN: Final = ".text"
"""The end of the surfaces that follow each other as a reader reads them."""
_APART: Final = "\n" * 80
"""Between two texts that are read as one: more than any rule looks back or reaches over."""
_SHORT, _MANY = 256, 128
ANSWER: Final = "answer"
"""The surface of what comes back."""
_UNTOLD: Final = "The provider failed in words that a policy does not allow to be told."
_BESIDE: Final = "a member of the body that its language does not know"


def texts_of(request: ChatRequest) -> list[tuple[str, str]]:
    """Every text of a call with its surface, in reading order; JSON as it is written."""
    seen: list[tuple[str, str]] = []

    def note(text: str, surface: str) -> str:
        if text:
            seen.append((text, surface))
        return text

    Visitor(note, note).request(request)
    return seen


def without_role_tokens(request: ChatRequest) -> ChatRequest:
    """What people and tools wrote, without the marks by which chat templates tell turns apart."""
    messages = tuple(
        structs.replace(message, parts=tuple(map(_bare, message.parts)))
        if message.role in (USER, TOOL)
        else message
        for message in request.messages
    )
    return structs.replace(request, messages=messages)


def _bare(part: Part) -> Part:
    match part:
        case Text():
            return structs.replace(part, text=strip_role_tokens(part.text))
        case ToolResult():
            parts = tuple(
                structs.replace(inner, text=strip_role_tokens(inner.text))
                if isinstance(inner, Text)
                else inner
                for inner in part.parts
            )
            return structs.replace(part, parts=parts)
        case _:
            return part


def screen_request(
    guard: Guard,
    request: ChatRequest,
    screening: Screening,
    unread: Callable[[Media, str], None] | None = None,
) -> ChatRequest:
    """The call with the guard's actions carried out; raises what the guard raises, and what
    `unread` raises of media that it cannot read."""
    kept: dict[str, str] = {}
    Visitor(_same, _same, form=kept.setdefault).request(request)
    screen_kept(guard, kept, screening)
    roles = {f"messages[{i}]": message.role for i, message in enumerate(request.messages)}
    return _screened(guard, screening, lambda visitor: visitor.request(request), roles, unread)


def screen_beside(guard: Guard, body: str, request: ChatRequest, screening: Screening) -> None:
    """What a body says beside what is in `request`, which was read from it and screened: what
    the canonical form has no place for. Raises as `screen_request` does of what has a form."""
    seen = _walked(lambda visitor: visitor.request(request))
    seen.add(str(request.sampling.seed))  # a long one was looked at with what has a form
    left = (text for text in words_of(body) if text not in seen)
    screen_kept(guard, dict.fromkeys(map(_without_file, left), _BESIDE), screening)


def _without_file(text: str) -> str:
    """A string without the file that it is or ends with."""
    before, comma, file = text.rpartition(",")
    return before + comma if is_sealed(file) else text


def screen_kept(
    guard: Guard,
    kept: Mapping[str, str],
    screening: Screening,
    advice: str = "Take it out and send again.",
) -> None:
    """Texts, each with its surface, of which nothing can be changed. Raises `Forbidden` with the
    surface and what to do where a policy wants just that, and for what must not pass."""
    guard = guard.by_rules()
    if not any(
        guard.spans(part, _BESIDE, screening) for part in _joined(kept, guard.plan.most_characters)
    ):
        return
    for text, surface in kept.items():
        spans = guard.spans(text, surface, screening)
        for span in spans:
            screening.tally.note(span.kind, guard.plan.actions[span.kind], surface)
        kinds = {span.kind for span in spans if guard.plan.actions[span.kind] is not Action.LOG}
        if kinds:
            raise Forbidden(
                f"A policy does not allow what stands in {surface}: {', '.join(sorted(kinds))}. "
                f"It cannot be changed there. {advice}",
                code="content_blocked",
            )


def _joined(texts: Iterable[str], most: int) -> Iterator[str]:
    """Many short texts as few of `most` characters, which is several times quicker to read, and
    each long one."""
    short: list[str] = []
    for text in texts:
        if len(text) > _SHORT:
            yield text
        elif text:
            short.append(text)
    for at in range(0, len(short), _MANY):
        row = short[at : at + _MANY]
        joined = _APART.join(row)
        yield from (joined,) if len(joined) <= most else row


def _same(text: str, _: str) -> str:
    return text


def screen_response(guard: Guard, response: ChatResponse, screening: Screening) -> ChatResponse:
    """The answer with the guard's actions carried out.

    Probabilities of tokens are left out where texts may change: they spell the text out.
    """
    keep_form(guard, screening, lambda visitor: visitor.response(response))
    response = _screened(guard, screening, lambda visitor: visitor.response(response))
    if guard.acts:
        choices = (structs.replace(choice, logprobs=None) for choice in response.choices)
        return structs.replace(response, choices=tuple(choices))
    return response


def tells_more(guard: Guard, body: str, response: ChatResponse, screening: Screening) -> bool:
    """Whether the words of an answer's body hold a value beside what is in `response`, which was
    read from it and screened. Raises `Forbidden` for what must not pass."""
    seen = _walked(lambda visitor: visitor.response(response))
    left = [text for text in words_of(body, bare=False) if text not in seen]
    guard, most = guard.by_rules(), guard.plan.most_characters
    return any(guard.text(text, ANSWER, screening) != text for text in _joined(left, most))


def _walked(walk: Callable[[Visitor], object]) -> set[str]:
    """Every text that a walk comes by, and the words of those that are JSON."""
    seen: set[str] = set()

    def note(text: str, _: str) -> str:
        seen.add(text)
        return text

    def note_json(text: str, _: str) -> str:
        seen.add(text)
        seen.update(words_of(text))
        return text

    walk(Visitor(note, note_json, form=note))
    return seen


def keep_form(guard: Guard, screening: Screening, walk: Callable[[Visitor], object]) -> None:
    """Look at what has a form in an answer: names, types, words from lists. Raises `Forbidden`
    where a value stands in one."""
    kept: dict[str, str] = {}

    def note(text: str, surface: str) -> None:
        if surface.rpartition(".")[2] not in _HANDED_ON:
            kept[text] = surface

    walk(Visitor(_same, _same, form=note))
    if kept:
        screen_kept(guard, kept, screening, TOLD_SO)


def screen_error(guard: Guard, error: UpstreamError, screening: Screening) -> None:
    """Have a provider's error say only what the policy allows; where it may not pass, or cannot be
    read, nothing of the provider's words is left."""
    try:
        body = error.body.decode()
        words = (error.message, error.code, error.param or "")
        message, code, param = (guard.text(each, ANSWER, screening) for each in words)
        told = guard.json_text(body, ANSWER, screening, numbers=False)
    except (CallerError, Unavailable, UnicodeDecodeError):
        message, code, param, told = _UNTOLD, type(error).code, "", ""
    error.message, error.code, error.param = message, code, param or None
    error.args, error.body = (message,), told.encode()


def restore_response(response: ChatResponse, vault: Vault) -> ChatResponse:
    """The answer with the call's tokens turned back."""
    if not vault:
        return response
    visitor = Visitor(
        lambda text, _: vault.restore(text),
        lambda text, _: vault.restore(text, escaped=is_json(text)),
        answers=True,
    )
    return visitor.response(response)


def _screened(
    guard: Guard,
    screening: Screening,
    walk: Callable[[Visitor], _T],
    roles: Mapping[str, str] | None = None,
    unread: Callable[[Media, str], None] | None = None,
) -> _T:
    """Two walks: the first collects what people and models wrote, so that it is read together."""
    texts: list[str] = []
    surfaces: list[str] = []

    def collect(text: str, surface: str) -> str:
        if surface.endswith(_WRITTEN):
            texts.append(text)
            surfaces.append(surface)
        return text

    def change(text: str, surface: str) -> str:
        if surface.endswith(_WRITTEN):
            return next(changed)
        return guard.text(text, surface, screening)

    walk(Visitor(collect, lambda text, _: text))
    speakers = [(roles or {}).get(surface.partition(".")[0], "") for surface in surfaces]
    changed = iter(guard.texts(texts, surfaces, screening, speakers))
    json, facts = (partial(_json, guard, screening, numbers) for numbers in (True, False))
    return walk(Visitor(change, json, unread, facts=facts))


def _json(guard: Guard, screening: Screening, numbers: bool, text: str, surface: str) -> str:
    return guard.json_text(text, surface, screening, numbers=numbers)
