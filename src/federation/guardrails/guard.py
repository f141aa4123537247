"""A policy's checks on content, compiled: what is looked for, and what is done about it.

One guard serves every call under a policy; what belongs to a call (its tokens, its findings)
is in a `Screening`. The traps: a check that cannot be made is a failure, not a clean text; and
a finding tells type, action and place, never the value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from federation.errors import Forbidden, PayloadTooLarge, Unavailable
from federation.guardrails.cards import is_card
from federation.guardrails.entities import (
    CARD,
    CERTAIN,
    FAILURE,
    Action,
    Finding,
    Recognizer,
    Span,
    label,
)
from federation.guardrails.joined import crossing
from federation.guardrails.json_texts import edited, is_json, powers, strings_only
from federation.guardrails.readings import Readings, key_of
from federation.guardrails.rules import Rule
from federation.guardrails.scan import Scanner, resolve
from federation.guardrails.vault import Vault, code

_READABLE: Final = 4
"""Characters at the end that masking leaves, of values long enough."""


MOST_CHARACTERS: Final = 10_000_000
"""Of one text, where a policy says nothing else."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a policy asks for. `actions`: by type; a type without one is not looked for."""

    actions: Mapping[str, Action]
    custom: tuple[Rule, ...] = ()
    recognizers: tuple[Recognizer, ...] = ()
    required: bool = True
    """A text that cannot be checked is refused, not let through."""
    most_characters: int = MOST_CHARACTERS
    """Of one text."""


class Tally:
    """What was found in a call, counted."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, str], int] = {}

    def note(self, kind: str, action: Action, surface: str) -> None:
        """Count one finding."""
        key = kind, action.value, surface
        self._counts[key] = self._counts.get(key, 0) + 1

    def findings(self) -> tuple[Finding, ...]:
        """What was counted, in a stable order."""
        if not self._counts:
            return ()
        return tuple(sorted(Finding(*key, count) for key, count in self._counts.items()))

    @property
    def blocked(self) -> tuple[str, ...]:
        """The types that must not pass, of which something was found."""
        kinds = {kind for kind, action, _ in self._counts if action == Action.BLOCK.value}
        return tuple(sorted(kinds))

    def refuse_if_blocked(self) -> None:
        """Raises Forbidden where something was found that must not pass."""
        if self.blocked:
            names = ", ".join(self.blocked)
            raise Forbidden(
                f"A policy does not allow this content: {names}. Remove it and send again.",
                code="content_blocked",
            )


@dataclass(frozen=True, slots=True)
class Screening:
    """What belongs to one call: its tokens and its findings."""

    vault: Vault
    tally: Tally
    pause: Callable[[], None] | None = None
    """Called before each text and each slice of a long one; what it raises ends the check."""

    @classmethod
    def begin(cls, secret: bytes, pause: Callable[[], None] | None = None) -> Screening:
        """`secret`: keys tokens and digests; equal secrets give equal ones."""
        return cls(Vault(secret), Tally(), pause)


class Guard:
    """A plan, compiled. Takes tens of milliseconds to make: keep it.

    Its functions raise Forbidden for what must not pass, PayloadTooLarge for a text over the
    plan's limit, and Unavailable where a required check could not be made.
    """

    def __init__(self, plan: Plan, digest_key: bytes) -> None:
        """`digest_key`: what the action HASH is keyed with."""
        self.plan = plan
        self._digest_key = digest_key
        self._scanner = Scanner(plan.actions, plan.custom, plan.recognizers)
        self._readings = Readings()
        self._by_rules: Guard | None = None
        self.acts = any(action is not Action.LOG for action in plan.actions.values())

    def by_rules(self) -> Guard:
        """The same without plugged-in recognizers, who may take their time and read sentences:
        names of tools and ids are none, and a call has hundreds of them. Made once."""
        if not self.plan.recognizers:
            return self
        if self._by_rules is None:
            self._by_rules = Guard(replace(self.plan, recognizers=()), self._digest_key)
        return self._by_rules

    def text(self, text: str, surface: str, screening: Screening) -> str:
        """`text` with the plan's actions carried out."""
        if not text:
            return text
        return self.applied(text, self.spans(text, surface, screening), surface, screening)

    def texts(
        self,
        texts: Sequence[str],
        surfaces: Sequence[str],
        screening: Screening,
        speakers: Sequence[str] = (),
    ) -> list[str]:
        """Adjacent texts, in which values may be split from one to the next.

        `speakers`: whose each text is; one may go on after another has said something.
        """
        own = [
            self.spans(text, surface, screening)
            for text, surface in zip(texts, surfaces, strict=True)
        ]
        for order in _orders(texts, speakers):
            split = crossing([texts[i] for i in order], [own[i] for i in order], self._scanner.find)
            for place, spans in split.items():
                own[order[place]] = resolve([*own[order[place]], *spans])
        return [
            self.applied(text, spans, surface, screening)
            for text, spans, surface in zip(texts, own, surfaces, strict=True)
        ]

    def clean(
        self,
        texts: Sequence[str],
        surfaces: Callable[[], Sequence[str]],
        screening: Screening,
        speakers: Sequence[str] = (),
    ) -> bool:
        """Whether nothing that the plan looks for is in adjacent texts. Nothing is noted; False
        also where only `texts` can tell. `surfaces` are named only where one look does not do."""
        if max(map(len, texts), default=0) > self.plan.most_characters:
            return False
        if self._scanner.sees_nothing(texts):
            return True
        apart = Screening(screening.vault, Tally(), screening.pause)
        own = [
            self.spans(text, surface, apart)
            for text, surface in zip(texts, surfaces(), strict=True)
        ]
        if any(own) or apart.tally.findings():
            return False
        return not any(
            crossing([texts[i] for i in order], [own[i] for i in order], self._scanner.find)
            for order in _orders(texts, speakers)
        )

    def json_text(
        self, text: str, surface: str, screening: Screening, *, numbers: bool = True
    ) -> str:
        """The same inside JSON text, which stays valid; other text as `text` has it.

        `numbers`: they are read too, and files in strings; else only words are.
        """
        if not is_json(text):
            return self.text(text, surface, screening)
        read = text if numbers else strings_only(text)
        spans = self.spans(read, surface, screening, escaped=True)
        if numbers and CARD in self.plan.actions:
            spans = _with_powers(text, spans)
        self._note(spans, surface, screening)
        changing = [span for span in spans if self.plan.actions[span.kind].changes]
        if not changing:
            return text
        return edited(
            text, changing, lambda kind, value: self.replacement(kind, value, screening.vault)
        )

    def spans(
        self, text: str, surface: str, screening: Screening, *, escaped: bool = False
    ) -> list[Span]:
        """What the plan looks for in `text`; nothing is noted but failures."""
        if len(text) > self.plan.most_characters:
            raise PayloadTooLarge(
                f"{surface} has more characters than the policy checks; send less",
                code="content_too_long",
            )
        if screening.pause is not None:
            screening.pause()
        try:
            spans = self._find(text, escaped=escaped, pause=screening.pause)
        except MemoryError:
            self._failed("built-in rules", surface, screening)
            return []
        found, failures = self._scanner.plugged(text)
        for failure in failures:
            self._failed(failure.detector, surface, screening)
        return resolve([*spans, *found]) if found else spans

    def _find(
        self, text: str, *, escaped: bool = False, pause: Callable[[], None] | None = None
    ) -> list[Span]:
        """What the built-in rules say, from memory where they have said it of this text lately."""
        key = key_of(text, escaped=escaped)
        spans = self._readings.of(key)
        if spans is None:
            spans = self._scanner.find(text, decoded_only=escaped, pause=pause)
            self._readings.keep(key, spans)
        return spans

    def replacement(self, kind: str, value: str, vault: Vault) -> str:
        """What stands in the place of `value`."""
        match self.plan.actions[kind]:
            case Action.TOKENIZE:
                return vault.token(kind, value)
            case Action.HASH:
                bare = "".join(filter(str.isalnum, value)).casefold()
                return f"{label(kind)}_{code(self._digest_key, kind, bare)}"
            case Action.MASK:
                return _masked(value)
            case Action.REDACT:
                return f"[{label(kind)}]"
            case _:
                return value

    def _note(self, spans: Sequence[Span], surface: str, screening: Screening) -> None:
        for span in spans:
            screening.tally.note(span.kind, self.plan.actions[span.kind], surface)
        screening.tally.refuse_if_blocked()

    def applied(self, text: str, spans: Sequence[Span], surface: str, screening: Screening) -> str:
        """`text` with the places in `spans` replaced as their types' actions say, and noted."""
        if not spans:
            return text
        self._note(spans, surface, screening)
        pieces: list[str] = []
        done = 0
        for span in spans:
            pieces.append(text[done : span.start])
            pieces.append(self.replacement(span.kind, text[span.start : span.end], screening.vault))
            done = span.end
        return "".join((*pieces, text[done:]))

    def _failed(self, detector: str, surface: str, screening: Screening) -> None:
        if self.plan.required:
            raise Unavailable(
                f"the content check ({detector}) failed, and the policy requires it; "
                "try again later",
                code="guardrail_failed",
            )
        screening.tally.note(FAILURE, Action.LOG, surface)


def _with_powers(text: str, spans: list[Span]) -> list[Span]:
    """The same with card numbers of JSON that are written with a power of ten."""
    more = [
        Span(start, end, CARD, CERTAIN)
        for start, end, digits in powers(text)
        if is_card(digits.encode())
    ]
    return resolve([*spans, *more]) if more else spans


def _orders(texts: Sequence[str], speakers: Sequence[str]) -> list[list[int]]:
    """The rows of texts to be read together: all of them, and each speaker's own."""
    written = [index for index, text in enumerate(texts) if text]
    orders = [written]
    if len(set(speakers)) > 1:
        orders += [[i for i in written if speakers[i] == who] for who in sorted(set(speakers))]
    return [order for order in orders if len(order) > 1]


def _masked(value: str) -> str:
    """Letters and digits as stars, but for the last few of a long value."""
    count = sum(map(str.isalnum, value))
    left = _READABLE if count > 2 * _READABLE else 0
    masked: list[str] = []
    for sign in value:
        count -= sign.isalnum()
        masked.append("*" if sign.isalnum() and count >= left else sign)
    return "".join(masked)
