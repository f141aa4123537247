"""What a dialect reads off a client's body without taking it apart.

A glance serves routing, accounting and governance; the body itself stays as it came, so
that it can be forwarded. `spans` is what makes splicing exact: byte offsets from a
tokenizer, never from a text search.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from federation.schema.usage import Usage


class Constraints(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a call demands of whoever serves it; each is a rule of `eligible()`."""

    max_cost: float | None = None
    """USD for this call. Compared in nano-dollars."""
    max_latency_ms: float | None = None
    data_residency: tuple[str, ...] | None = None
    """Where the data may be processed; none of no places."""
    gdpr_required: bool = False
    soc2_required: bool = False
    hipaa_required: bool = False
    provider_preference: tuple[str, ...] = ()
    """An order, not a rule: those named stand first among equals."""


class Ask(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The `federation` object of a body, and the same from `X-Federation-*` headers."""

    strategy: str | None = None
    session: str = ""
    user: str = ""
    tags: dict[str, str] = {}
    constraints: Constraints = Constraints()
    metadata: bool = False
    """Asks for `router_metadata` in the body."""
    strict: bool = False
    """Refuse what a target cannot express, instead of leaving it out with a warning."""
    timeout_ms: int | None = None
    """The longest time that the whole call may take; it only shortens what is configured."""
    priority: Annotated[int, msgspec.Meta(ge=1, le=5)] | None = None
    """1 is critical, 5 can best wait, 3 unless it is said: who is let in first, and who is
    turned away last."""
    privacy: str | None = None
    """The least level of privacy that it demands; policies may demand more."""
    data_classes: tuple[str, ...] | None = None
    """Classes of data that it holds, by its author's word; None is unclassified."""


class Span(msgspec.Struct, frozen=True, array_like=True):
    """A top-level member of a JSON body: `body[key:value]` is its key and colon,
    `body[value:end]` its value."""

    key: int
    value: int
    end: int


class Glance(msgspec.Struct, frozen=True):
    """One chat call, as far as anyone but the provider needs to know it."""

    model: str | None
    stream: bool
    usage_asked: bool
    """The client itself asked for a usage event in the stream."""
    max_output: int | None
    choices: int
    """How many answers (`n`)."""
    messages: int
    text_bytes: int
    """UTF-8 bytes of text in messages, a bound on their tokens."""
    images: int
    audio: int
    files: int
    tools: int
    needs: tuple[str, ...]
    """Names of abilities: tools, json_schema, reasoning, ..."""
    governed: tuple[str, ...]
    """Fields present that change model, place, price, retention or credentials."""
    unlisted: tuple[str, ...]
    """Fields present that no list names."""
    ask: Ask
    spans: dict[str, Span]
    end: int
    """Offset of the closing brace of the body."""
    user: str = ""
    betas: tuple[str, ...] = ()
    """Previews of the dialect's API that a header switches on; they go on with the body."""
    frame: bytes = b""
    """The body with a zero in its conversation's place, one object for all bodies that differ in
    nothing else; empty where it is not known to come again."""


class Answer(msgspec.Struct, frozen=True):
    """What a dialect reads off an answer that is forwarded as it came."""

    model: str = ""
    """The response model: what the provider says answered."""
    finish: str = ""
    """The provider's finish reason for the first choice; empty where none was given."""
    usage: Usage | None = None


class Edits(msgspec.Struct, frozen=True):
    """Changes to a body's top-level members. Values are rendered JSON."""

    set: dict[str, bytes] = {}
    """Replaced where present, else inserted."""
    drop: tuple[str, ...] = ()
    rename: dict[str, str] = {}
