"""JSON that is nearly right: a valid document with some of its values put out of shape."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

ODD: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(["", "\u0000", "😀", "tool", "text", "NONE", "{}", "data:,"]),
    st.lists(st.one_of(st.none(), st.integers(), st.text(max_size=3)), max_size=3),
    st.dictionaries(st.text(max_size=4), st.one_of(st.none(), st.text(max_size=3)), max_size=3),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where values stand in a document, below its top."""
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    found: list[tuple[Any, ...]] = []
    for key, item in items:
        found.append((*path, key))
        found += places(item, (*path, key))
    return found


def with_value(document: Any, path: tuple[Any, ...], value: Any, *, gone: bool) -> Any:
    """A copy of the document with the value at a place replaced, or taken out."""
    if not path:
        return value
    head, *rest = path
    copy = dict(document) if isinstance(document, dict) else list(document)
    if rest:
        copy[head] = with_value(copy[head], tuple(rest), value, gone=gone)
    elif gone and isinstance(copy, dict):
        del copy[head]
    else:
        copy[head] = value
    return copy


@st.composite
def mutated(draw: st.DrawFn, documents: list[Any]) -> Any:
    """One of the documents with one or two values out of shape."""
    document = draw(st.sampled_from(documents))
    for _ in range(draw(st.integers(1, 2))):
        known = places(document)
        if not known:
            break
        path = draw(st.sampled_from(known))
        document = with_value(document, path, draw(ODD), gone=draw(st.booleans()))
    return document
