"""Changes top-level members of a JSON body in place and leaves every other byte as it is.

The places come from the tokenizer. A member that goes takes one comma with it; what stands
between two members that stay is kept, white space and all.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from federation.schema.glance import Edits, Span

_Change: TypeAlias = tuple[int, int, bytes]


def splice(body: bytes, spans: dict[str, Span], end: int, edits: Edits) -> bytes:
    """The body with the edits made.

    `spans` are its members in document order, `end` is the offset of its closing brace. No
    name ever stands twice in the result: a rename onto a name that stays, is set, or was
    already renamed to, drops the member instead. `set` wins over `drop`.
    """
    changes: list[_Change] = []
    gone: frozenset[str] = frozenset()
    if len(edits.set) == 1 and not (edits.drop or edits.rename):
        # Nearly every call: another name for the model.
        [(name, value)] = edits.set.items()
        if (span := spans.get(name)) is not None:
            return b"".join((body[: span.value], value, body[span.end :]))
    if edits.drop or edits.rename:
        changes, gone = _removals(spans, edits)
    added: list[bytes] = []
    for name, value in edits.set.items():
        span = spans.get(name)
        if span is None:
            added.append(b"%b:%b" % (msgspec.json.encode(name), value))
        elif name not in gone:
            changes.append((span.value, span.end, value))
    if len(changes) > 1:
        changes.sort()
    if added:
        comma = b"," if len(spans) > len(gone) else b""
        changes.append((end, end, comma + b",".join(added)))
    pieces: list[bytes] = []
    at = 0
    for start, stop, value in changes:
        pieces += (body[at:start], value)
        at = stop
    pieces.append(body[at:])
    return b"".join(pieces)


def _removals(spans: dict[str, Span], edits: Edits) -> tuple[list[_Change], frozenset[str]]:
    """The changes that renames and drops make, and the names that go."""
    drop = {name for name in edits.drop if name not in edits.set}
    taken = {name for name in (*spans, *edits.set) if name not in drop}
    changes: list[_Change] = []
    gone: set[str] = set()
    places = list(spans.items())
    before: int | None = None
    for index, (name, span) in enumerate(places):
        new = edits.rename.get(name, name)
        if name in drop or (new != name and new in taken):
            gone.add(name)
            if before is not None:
                changes.append((before, span.end, b""))
            elif index + 1 < len(places):
                changes.append((span.key, places[index + 1][1].key, b""))
            else:
                changes.append((span.key, span.end, b""))
        elif new != name:
            taken.add(new)
            changes.append((span.key, span.value, msgspec.json.encode(new) + b":"))
        if name not in gone or before is not None:
            before = span.end
    return changes, frozenset(gone)
