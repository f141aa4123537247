"""Every change by the management API is on record: before it is done, and with what came of it.

`asked` is written by `access.authorize`, which knows who asks; the rest here, around the whole
application. The trap: what cannot be put on record is not done, but what is done cannot be
undone because its second record could not be written; `asked` alone then says "perhaps".
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from federation.control.changes import Change, gather, versions
from federation.control.control import Control
from federation.control.notebook import Notebook
from federation.control.pseudonyms import PseudonymDesk
from federation.domain.access import VirtualKey
from federation.domain.tenancy import User
from federation.errors import EvidenceUnwritable, Unavailable
from federation.evidence.records import Action, Changed

log = logging.getLogger(__name__)

READING = frozenset({"GET", "HEAD", "OPTIONS"})
_STATE = "recorded"
_BODY_LIMIT = 256 * 1024
_MADE = (200, 201)
_USERS = " /v1/admin/users"
_SOMEBODY = "{user}"
"""A user for whom there is no pseudonym now."""


class _Made(msgspec.Struct):
    id: str = ""
    tenant: str = ""


_made = msgspec.json.Decoder(_Made).decode


def asked(
    notebook: Notebook, scope: Scope, route: str, key: VirtualKey, phase: str, subject: str
) -> None:
    """Put on record that somebody asks for a change of `subject`, or was `refused` one.

    Raises `EvidenceUnwritable`; nothing may be done then.
    """
    if scope["method"] in READING or _STATE in scope.get("state", {}):
        return
    record = Action(
        at_ms=notebook.now_ms(),
        id=f"act_{secrets.token_hex(12)}",
        phase=phase,
        actor=key.id,
        tenant=key.tenant,
        role=key.role.value,
        action=f"{scope['method']} {route}",
        subject=subject[:500],
    )
    notebook.write(record)
    if phase == "asked":
        scope.setdefault("state", {})[_STATE] = record


def noted(notebook: Notebook, key: VirtualKey, action: str, subject: str) -> None:
    """Put on record that somebody reads what tells of others: one record, `done`, before they get
    it. Raises `EvidenceUnwritable`. Blocks."""
    record = Action(
        at_ms=notebook.now_ms(),
        id=f"act_{secrets.token_hex(12)}",
        phase="done",
        actor=key.id,
        tenant=key.tenant,
        role=key.role.value,
        action=action,
        subject=subject,
        status=200,
    )
    notebook.write(record)


def told_of(names: PseudonymDesk | None, tenant: str, user: str) -> str:
    """What a record calls a user. Raises `Unavailable` where the keys for it cannot be reached.
    Blocks."""
    return _SOMEBODY if names is None else names.stands_for(tenant, user)


@dataclass(slots=True)
class _Watched:
    """Holds back the head of an answer until it is known what was made."""

    control: Control
    scope: Scope
    send: Send
    changes: list[Change]
    head: Message | None = None
    body: bytearray = field(default_factory=bytearray)
    done: bool = False

    async def __call__(self, message: Message) -> None:
        record = self.scope.get("state", {}).get(_STATE)
        if record is None or self.done:
            await self.send(message)
            return
        if message["type"] == "http.response.start":
            self.head = message
            return
        self.body += message.get("body", b"")[:_BODY_LIMIT]
        status = self.head["status"] if self.head is not None else 0
        made = await self._made(record) if status in _MADE else ""
        self.finish(record, status, made, await asyncio.to_thread(self._versions, self._called))
        if self.head is not None:
            await self.send(self.head)
        await self.send(message)

    async def _made(self, record: Action) -> str:
        try:
            made = _made(bytes(self.body))
        except msgspec.MsgspecError:
            return ""
        if _USERS not in record.action:
            return made.id[:200]
        try:
            return await asyncio.to_thread(told_of, self.control.names, made.tenant, made.id)
        except Unavailable:
            return ""

    def broken_off(self, record: Action) -> None:
        """Write what was done before something failed. Nothing here waits for a key of names."""
        self.finish(record, 500, "", self._versions(lambda _: _SOMEBODY))

    def _versions(self, called: Callable[[User], str]) -> tuple[Changed, ...]:
        return versions(self.control.keys.ring.hash_key, self.changes, called)

    def _called(self, user: User) -> str:
        try:
            return told_of(self.control.names, user.tenant, user.id)
        except Unavailable:
            return _SOMEBODY

    def finish(self, record: Action, status: int, made: str, changed: tuple[Changed, ...]) -> None:
        """Write what came of it, once."""
        self.done, notebook = True, self.control.oversight.notebook
        after = msgspec.structs.replace(
            record,
            at_ms=notebook.now_ms(),
            phase="done",
            status=status,
            made=made,
            changed=changed,
            unnamed=len(self.changes) - len(changed),
        )
        try:
            notebook.write(after)
        except EvidenceUnwritable as error:
            log.error("what came of a change is not on record", extra={"reason": error.message})  # noqa: TRY400


class Recorded:
    """The application behind, with its changes on record."""

    def __init__(self, behind: ASGIApp) -> None:
        self._behind = behind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["method"] in READING:
            await self._behind(scope, receive, send)
            return
        scope.setdefault("state", {})
        watched = _Watched(scope["app"].state.control, scope, send, gather())
        try:
            await self._behind(scope, receive, watched)
        finally:
            record = scope["state"].get(_STATE)
            if record is not None and not watched.done:
                watched.broken_off(record)
