"""The API of a control process whose violations, policies and records a test looks at."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
from control_plane import ADMIN, Plane, plane

from federation.api.app import create_app
from federation.control.permissions import KeyWish
from federation.credentials.subjects import as_key
from federation.domain.access import Role, VirtualKey
from federation.domain.policies import Policy
from federation.domain.tenancy import User
from federation.schema.records import AttemptRecord, CallEnded, CallStarted
from federation.storage.calls import SqlCalls
from federation.storage.engine import open_engine
from federation.storage.journal import JournalWriter
from federation.storage.journal_reader import PlainReader

AT_MS = 999_000_000
"""When calls of these tests end; the clock of the plane stands at 1,000,000,000."""


@dataclass
class Rig:
    plane: Plane
    client: httpx.AsyncClient
    directory: Path
    writers: dict[str, JournalWriter] = field(default_factory=dict)

    def write(self, *records: CallStarted | CallEnded, writer: str = "w0") -> None:
        """Lines as a worker writes them."""
        journal = self.writers.get(writer)
        if journal is None:
            journal = self.writers[writer] = JournalWriter(self.plane.journal, writer)
        for record in records:
            journal.append(record)

    def die(self, writer: str) -> None:
        """The worker's process is gone."""
        self.writers.pop(writer).close()

    async def key(self, role: Role = Role.ADMIN, tenant: str = "default", **more: Any) -> Key:
        """A new key: its id and its secret."""
        wish = KeyWish("made", role, tenant, **more)
        return Key(*await self.plane.control.keys.mint(await self.admin(), wish))

    async def admin(self) -> VirtualKey:
        """The admin key."""
        found = self.plane.control.keys.keys.find(ADMIN)
        assert found is not None
        return found

    async def approver(self) -> Key:
        """A new key that the operator has named as one that approves."""
        made, files = await self.key(), self.plane.files
        named = files.loaded.approvers | {made.id}
        files.loaded = replace(files.loaded, approvers=named)
        self.plane.control.configuration.reload()
        return made

    async def person(self, name: str, role: Role = Role.ADMIN) -> str:
        """The token of somebody who has signed in."""
        control = self.plane.control
        user = User(name, "default", name, 0, role)
        await control.tenancy.users.put(await self.admin(), user)
        await control.keys.refresh()
        await control.sign_in.renew()
        granted = await control.sign_in.open(as_key(user))
        return granted.access

    async def ask(
        self, method: str, path: str, by: str | Key = ADMIN, **more: Any
    ) -> httpx.Response:
        secret = by if isinstance(by, str) else by.secret
        headers = {"authorization": f"Bearer {secret}"}
        return await self.client.request(method, path, headers=headers, **more)

    async def said(self, method: str, path: str, by: str | Key = ADMIN, **more: Any) -> Any:
        """What a request that succeeds is answered."""
        reply = await self.ask(method, path, by, **more)
        assert reply.status_code < 300, reply.text
        return reply.json()

    async def violations(self, by: str | Key = ADMIN, **query: Any) -> list[dict[str, Any]]:
        await self.plane.control.ledger.catch_up()
        found = await self.said("GET", "/v1/violations", by, params=query)
        rows: list[dict[str, Any]] = found["data"]
        return rows

    def records(self, *kinds: str) -> list[dict[str, Any]]:
        """What control itself put on record, of these kinds, in order."""
        reader = PlainReader(self.directory / "evidence" / "journal")
        found = []
        for writer in reader.writers():
            for line in reader.read(writer, 1, 0).lines:
                record = json.loads(line.json)["record"]
                if not kinds or record["type"] in kinds:
                    found.append(record)
        return found

    async def govern(self, *policies: Policy) -> None:
        """Put these policies into the files, and in force."""
        files, control = self.plane.files, self.plane.control
        files.loaded = replace(files.loaded, policies=policies)
        assert control.configuration.reload()
        await control.publish_snapshot()


@dataclass(frozen=True)
class Key:
    key: VirtualKey
    secret: str

    @property
    def id(self) -> str:
        return self.key.id


def ended(call: str, tenant: str = "default", key: str = "key_1", **more: Any) -> CallEnded:
    """The end of a call; one that was answered, if nothing else is said."""
    given: dict[str, Any] = {
        "outcome": "ok",
        "status": 200,
        "deployment": "acme/large",
        "attempts": (AttemptRecord("acme/large", AT_MS, 200),),
        "started_ms": AT_MS,
    }
    given |= more
    return CallEnded(
        call=call,
        at_ms=AT_MS,
        tenant=tenant,
        key=key,
        operation="chat",
        requested="auto",
        **given,
    )


def refused(call: str, rule: str = "eu-only@1+abc.data_residency", **more: Any) -> CallEnded:
    """A call that a policy refused."""
    given: dict[str, Any] = {
        "outcome": "error",
        "status": 403,
        "deployment": "",
        "attempts": (),
        "refusals": {rule: 2},
        "policies": (rule.rpartition(".")[0],),
    }
    return ended(call, **(given | more))


@asynccontextmanager
async def overseen(directory: Path) -> AsyncIterator[Rig]:
    """A plane behind its API."""
    built = plane(directory)
    # Reports count what the ledger keeps, so this one keeps it where they look.
    engine = open_engine(directory / "oversight.db", synchronous="OFF")
    ledger = built.control.ledger
    ledger._calls = ledger._ingest._calls = SqlCalls(engine)
    await built.control.publish_snapshot()
    transport = httpx.ASGITransport(create_app(built.control), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://control") as client:
        rig = Rig(built, client, directory)
        try:
            yield rig
        finally:
            for writer in rig.writers.values():
                writer.close()
            built.control.oversight.close()
            engine.dispose()
