"""What workers and control say to each other of stored responses, as MessagePack.

Asked and answered over control's own socket, one message each way. Control never looks into
`payload`: it keeps it sealed, and hands it back to the tenant that it belongs to.
"""

from __future__ import annotations

import msgspec

PATH = "/internal/responses"
"""Where control is asked. Workers pass no client on to paths that begin like this."""
HEADER = b"x-federation-internal"
"""Says that a worker asks; see `storage.keyring.internal_key`."""

QUEUED, IN_PROGRESS = "queued", "in_progress"
COMPLETED, CANCELLED, FAILED = "completed", "cancelled", "failed"
RUNNING = frozenset((QUEUED, IN_PROGRESS))
"""Statuses of a response that is not over: only these may still change."""

LONGEST = 512
"""Responses of one conversation."""

MISSING, TOO_LONG, TOO_LARGE = "missing", "too_long", "too_large"
"""Why a conversation cannot be had: a response of it is not there, or it is over a limit."""


class Save(msgspec.Struct, frozen=True, tag="save"):
    """Keep a response. One that is there is replaced while it runs, and else left alone."""

    tenant: str
    id: str
    payload: bytes
    previous: str = ""
    """The response that it continues."""
    status: str = COMPLETED
    writer: str = ""
    """The worker that still works on it."""
    items: tuple[str, ...] = ()
    """Ids of its output items, by which a later call may refer to them."""
    subject: str = ""
    """Whose it is, as `schema.payloads.Payload` has it."""


class Find(msgspec.Struct, frozen=True, tag="find"):
    """One response."""

    tenant: str
    id: str


class Chain(msgspec.Struct, frozen=True, tag="chain"):
    """A response and all that it continues, oldest first."""

    tenant: str
    id: str


class Owners(msgspec.Struct, frozen=True, tag="owners"):
    """The responses that these output items belong to."""

    tenant: str
    items: tuple[str, ...]


class Mark(msgspec.Struct, frozen=True, tag="mark"):
    """Change the status of a response that runs; nothing happens to one that is over."""

    tenant: str
    id: str
    status: str


class Remove(msgspec.Struct, frozen=True, tag="remove"):
    """Delete a response."""

    tenant: str
    id: str


class Running(msgspec.Struct, frozen=True, tag="running"):
    """Which responses this worker is still expected to finish."""

    writer: str


class Held(msgspec.Struct, frozen=True):
    """A stored response. `status` is right where the payload's own says something older."""

    id: str
    status: str
    payload: bytes


class Done(msgspec.Struct, frozen=True, tag="done"):
    """Whether what was asked for happened: False where there is no such response, or it is
    over."""

    done: bool


class Found(msgspec.Struct, frozen=True, tag="found"):
    """Responses, in the order asked for; or why there are none (`MISSING`, ...)."""

    held: tuple[Held, ...] = ()
    fault: str = ""


class Ids(msgspec.Struct, frozen=True, tag="ids"):
    """Responses by name."""

    ids: tuple[str, ...]


Asked = Save | Find | Chain | Owners | Mark | Remove | Running
Answered = Done | Found | Ids
