"""Reasoning with its states, in the array `reasoning_details` that clients send back.

Plain reasoning stands in `reasoning_content`; only reasoning with a state (a signature, a
sealed form, an id) is written here too, whole, because a client must be able to return it.
An entry's `index` is the place of the part in its message, so that reasoning between tool
calls comes back to where it stood. The official clients merge streamed entries of equal
index into one, so entries are read by their members and not by their `type`.

Reference: https://openrouter.ai/docs/use-cases/reasoning-tokens
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.schema.parts import Part, Thinking

BETWEEN_THOUGHTS: Final = "\n\n"
"""Sets the plain texts of two thoughts apart, in a message and in a stream."""
TEXT, SUMMARY, ENCRYPTED = "reasoning.text", "reasoning.summary", "reasoning.encrypted"


class Detail(msgspec.Struct):
    """One entry, as any host writes it."""

    type: str | None = ""
    text: str | None = None
    summary: str | None = None
    data: str | None = None
    signature: str | None = None
    id: str | None = None
    index: int | None = None
    format: str | None = None


class _Group(msgspec.Struct):
    """Entries that belong to one part. What they say is put together once: there may be as many
    as a body has room for."""

    index: int | None
    texts: list[str] = []
    signatures: list[str] = []
    seals: list[str] = []
    id: str = ""
    format: str = ""
    summary: bool = False

    def add(self, entry: Detail) -> None:
        if text := entry.text or entry.summary:
            self.texts.append(text)
        if entry.signature:
            self.signatures.append(entry.signature)
        if entry.data:
            self.seals.append(entry.data)
        self.id = self.id or entry.id or ""
        self.format = self.format or entry.format or ""
        self.summary = self.summary or bool(entry.summary) or entry.type == SUMMARY

    def part(self) -> Thinking:
        return Thinking(
            "".join(self.texts),
            "".join(self.signatures),
            "".join(self.seals),
            self.id,
            summary=self.summary,
            extra={"format": Raw(msgspec.json.encode(self.format))} if self.format else {},
        )


DETAILS: Final = msgspec.json.Decoder(list[Detail])


def read_details(entries: list[Detail], text: str) -> list[tuple[int | None, Thinking]]:
    """The reasoning parts and where each stood. `text` is the message's plain reasoning: it
    is used where the entries hold states alone."""
    groups: list[_Group] = []
    for entry in entries:
        last = groups[-1] if groups else None
        if last is None or not _continues(last, entry):
            last = _Group(entry.index)
            groups.append(last)
        last.add(entry)
    if groups and text and not any(group.texts for group in groups):
        groups[0].texts = [text]
    return [(group.index, group.part()) for group in groups]


def _continues(group: _Group, entry: Detail) -> bool:
    if group.index is not None or entry.index is not None:
        return group.index == entry.index
    return bool(entry.signature) and not (entry.text or entry.data or group.signatures)


def has_state(part: Thinking) -> bool:
    """Whether a part must be written as an entry to come back whole."""
    return bool(part.signature or part.sealed or part.id)


def write_details(part: Thinking, index: int) -> list[dict[str, Any]]:
    """The entries for a part with a state."""
    shared: dict[str, Any] = {"index": index}
    if part.id:
        shared["id"] = part.id
    if "format" in part.extra:
        shared["format"] = part.extra["format"]
    entries: list[dict[str, Any]] = []
    if part.summary and part.text:
        entries.append({"type": SUMMARY, "summary": part.text})
    elif part.text or part.signature or not part.sealed:
        entries.append({"type": TEXT, "text": part.text})
    if part.signature:
        if not entries:
            entries.append({"type": TEXT, "text": ""})
        entries[0]["signature"] = part.signature
    if part.sealed:
        entries.append({"type": ENCRYPTED, "data": part.sealed})
    return [{**entry, **shared} for entry in entries]


def weave(thoughts: list[tuple[int | None, Thinking]], others: list[Part]) -> tuple[Part, ...]:
    """The parts of a message in one order: each thought at its place, the rest around them."""
    rest = iter(others)
    woven: list[Part] = []
    for place, thought in thoughts:
        while place is not None and len(woven) < place:
            part = next(rest, None)
            if part is None:
                break
            woven.append(part)
        woven.append(thought)
    return (*woven, *rest)


def thought_signature(extra_content: Raw | None) -> str:
    """The signature of a tool call or text, from `extra_content.google.thought_signature`.

    Reference: https://ai.google.dev/gemini-api/docs/thought-signatures
    """
    if extra_content is None:
        return ""
    try:
        found = _EXTRA.decode(extra_content) or _Extra()
    except msgspec.DecodeError:
        return ""
    return (found.google and found.google.thought_signature) or ""


def signature_member(signature: str) -> dict[str, Any]:
    """What `thought_signature` reads."""
    return {"google": {"thought_signature": signature}}


class _Google(msgspec.Struct):
    thought_signature: str | None = None


class _Extra(msgspec.Struct):
    google: _Google | None = None


_EXTRA: Final = msgspec.json.Decoder(_Extra | None)
