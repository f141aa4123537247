"""What a row changes of a request's top-level fields, forwarded or written anew.

A row may drop fields, take only some, rename them, and set or default values. The order
matters: what the row sets wins over what it drops, and a default never replaces a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

from msgspec import Raw

from federation.dialects.losses import Losses
from federation.schema.glance import Edits, Span

_OWN: Final = "federation"
_OURS: Final = (_OWN,)


class Row(Protocol):
    """The part of a deployment's wire that speaks of fields."""

    @property
    def drop(self) -> frozenset[str]:
        """Fields that the host does not take."""
        ...

    @property
    def accepts(self) -> frozenset[str] | None:
        """The only fields that it takes; None: all."""
        ...

    @property
    def rename(self) -> dict[str, str]:
        """The vendor's names to the host's."""
        ...

    @property
    def default(self) -> dict[str, bytes]:
        """Values for fields that a call does not name, as JSON."""
        ...

    @property
    def set(self) -> dict[str, bytes]:
        """Values that every call has, as JSON."""
        ...


def edits_of(
    row: Row, spans: Mapping[str, Span], values: dict[str, bytes], rename: dict[str, str]
) -> Edits:
    """The edits that give a forwarded body these values and leave out what is not taken; our
    own member never goes on."""
    drop: tuple[str, ...] = _OURS if _OWN in spans else ()
    if row.drop:
        drop += tuple([name for name in spans if name in row.drop])
    accepts = row.accepts
    if accepts is not None:
        drop += tuple([name for name in spans if name not in accepts and name not in drop])
        values = {name: value for name, value in values.items() if name in accepts}
    return Edits(values, drop, rename)


def dropped(row: Row, names: Iterable[str]) -> tuple[str, ...]:
    """Fields of a client that a deployment does not take; for a warning header."""
    accepts = row.accepts
    if accepts is None:
        return tuple([name for name in names if name in row.drop]) if row.drop else ()
    return tuple(
        [name for name in names if name in row.drop or (name not in accepts and name != _OWN)]
    )


def leave_out(body: dict[str, Any], row: Row, losses: Losses, features: Mapping[str, str]) -> None:
    """Take out of a body that was written anew what the host does not take, and note it as the
    feature that its field stands for. Raises as `Losses.note` does."""
    drop, accepts = row.drop, row.accepts
    if drop or accepts is not None:
        for name in list(body):
            if name in drop or (accepts is not None and name not in accepts):
                losses.note(features.get(name, "unknown_field"), name)
                del body[name]


def apply_row(body: dict[str, Any], row: Row, losses: Losses, features: Mapping[str, str]) -> None:
    """Change a body that was written anew. Raises as `Losses.note` does."""
    leave_out(body, row, losses, features)
    accepts = row.accepts
    for name, new in row.rename.items():
        if name in body:
            value = body.pop(name)
            body.setdefault(new, value)
    for name, rendered in row.default.items():
        if name not in body and (accepts is None or name in accepts):
            body[name] = Raw(rendered)
    for name, rendered in row.set.items():
        body[name] = Raw(rendered)
