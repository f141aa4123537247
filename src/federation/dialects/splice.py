"""Changes top-level members of a JSON body in place and leaves every other byte as it is.

The places come from the tokenizer. A member that goes takes one comma with it, and what
stands between two members that stay is kept, white space and all.
"""

from __future__ import annotations

import msgspec

from federation.schema.glance import Edits, Span


def splice(body: bytes, spans: dict[str, Span], end: int, edits: Edits) -> bytes:
    """The body with the edits made.

    `spans` are its members in document order, `end` is the offset of its closing brace. A
    rename onto a name that the body has, or that is set, drops the old member: the result
    never holds a name twice. `set` wins over `drop`, and a member that is both set and
    renamed is renamed with its value.
    """
    if edits.drop or edits.rename:
        return _rebuild(body, spans, end, edits)
    pieces: list[bytes] = []
    at = 0
    added: list[bytes] = []
    places: list[tuple[int, int, bytes]] = []
    for name, value in edits.set.items():
        span = spans.get(name)
        if span is None:
            added.append(b'%b:%b' % (msgspec.json.encode(name), value))
        else:
            places.append((span.value, span.end, value))
    if len(places) > 1:
        places.sort()
    for start, stop, value in places:
        pieces += (body[at:start], value)
        at = stop
    if added:
        last = _last_end(spans)
        pieces += (body[at:last], b"," if spans else b"", b",".join(added))
        at = last
    if not pieces:
        return body
    pieces.append(body[at:])
    return b"".join(pieces) if end >= 0 else body


def _last_end(spans: dict[str, Span]) -> int:
    return next(reversed(spans.values())).end
