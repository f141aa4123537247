"""Users' names by the management API: for who may see them, and of one's own tenant."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from control_plane import ADMIN
from tenancy_rig import Rig, started

from federation.domain.access import Role
from federation.errors import Unavailable
from federation.schema.link import NamesSeen
from federation.schema.records import CallEnded
from federation.storage.journal import JournalWriter

NAMES = "/v1/admin/data/names"
ANNA = "anna@example.org"


class Named:
    """The API over a gateway whose worker is this test."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        assert rig.plane.control.names is not None
        self.desk = rig.plane.control.names
        self.custody = self.desk._retention.custody
        self.journal = JournalWriter(rig.plane.journal, "w0-1-1")
        self.calls = 0

    async def call(
        self, user: str, tenant: str = "default", *, old: bool = False, about: str = "{}"
    ) -> str:
        """A call of a user, who is kept; what its record calls them. `about` is its tag `who`,
        with the user in its braces."""
        subject = user if old else self.custody.name(tenant, user)
        if not old:
            self.desk.hear(NamesSeen(tenant, {subject: user}))
            await self.desk._keep()
        self.calls += 1
        now_ms = int(self.rig.plane.clock() * 1000)
        record = (f"call_{self.calls}", now_ms, tenant, "key_1", "chat", "auto", "ok", 200)
        session, tags = f"of {subject}", {"who": about.format(subject)}
        self.journal.append(
            CallEnded(*record, started_ms=now_ms, user=subject, session=session, tags=tags)
        )
        return subject

    async def ask(self, method: str, path: str, secret: str | None = None, **more: Any) -> Any:
        reply = await self.rig.ask(method, path, secret=secret or ADMIN, **more)
        assert reply.status_code == 200, reply.text
        return reply.json()


@pytest.fixture
async def named(tmp_path: Path) -> AsyncIterator[Named]:
    made = Named(await started(tmp_path, beside=True))
    yield made
    made.journal.close()
    await made.desk.close()
    await made.rig.client.aclose()


async def test_calls_show_names_to_who_may_see_people_and_pseudonyms_to_others(
    named: Named,
) -> None:
    subject = await named.call(ANNA)
    for secret, who in (
        (await named.rig.key(Role.OWNER), ANNA),
        (await named.rig.key(Role.AUDITOR), ANNA),
        (await named.rig.key(Role.DEVELOPER), subject),
        (await named.rig.key(Role.VIEWER), subject),
    ):
        (listed,) = (await named.ask("GET", "/v1/calls", secret))["data"]
        story = await named.ask("GET", "/v1/calls/call_1", secret)
        for shown in (listed, story):
            assert (shown["user"], shown["session"]) == (who, f"of {who}")
            assert shown["tags"] == {"who": who}


async def test_costs_are_asked_by_name_by_pseudonym_and_over_tenants(named: Named) -> None:
    subject = await named.call(ANNA)
    await named.call(ANNA, old=True)
    await named.call("ben")
    await named.rig.ask("POST", "/v1/admin/tenants", json={"id": "other"})
    theirs = await named.call(ANNA, "other")
    costs = "/v1/analytics/costs?user="

    by_name = await named.ask("GET", f"{costs}anna%40example.org&tenant=default&group_by=user")
    everywhere = await named.ask("GET", f"{costs}anna%40example.org")
    by_subject = await named.ask("GET", f"{costs}{subject}")

    # A call from before there were pseudonyms stands in a line of its own.
    assert [each["group"]["user"] for each in by_name["data"]] == [ANNA, ANNA]
    assert by_name["total"]["calls"] == 2
    assert everywhere["total"]["calls"] == 3
    assert by_subject["total"]["calls"] == 1
    lines = await named.ask("GET", "/v1/analytics/lines?user=anna%40example.org")
    assert [each["user"] for each in lines["data"]] == [subject, ANNA, theirs]
    assert len((await named.ask("GET", "/v1/analytics/lines"))["data"]) == 4


async def test_costs_by_tag_are_asked_and_told_by_the_names_in_tags(named: Named) -> None:
    subject = await named.call(ANNA)
    chat = await named.call("ben-müller", about="desk 7, {}: night")
    await named.call("7-of-nine", about="desk 7, nobody: night")
    await named.call(ANNA, old=True)
    await named.rig.ask("POST", "/v1/admin/tenants", json={"id": "other"})
    theirs = await named.call(ANNA, "other")
    costs = "/v1/analytics/costs"

    async def counted(tag: str, secret: str | None = None, tenant: str = "") -> int:
        path = f"{costs}?{urlencode({'tag': tag})}{tenant}"
        calls: int = (await named.ask("GET", path, secret))["total"]["calls"]
        return calls

    assert await counted(f"who={ANNA}") == 3, "of every tenant, and from before"
    assert await counted(f"who={ANNA}", tenant="&tenant=default") == 2
    assert await counted(f"who={ANNA}", await named.rig.key(Role.OWNER, "other")) == 1
    assert await counted(f"who={subject}") == 1
    assert await counted(f"who={theirs}", tenant="&tenant=default") == 0
    assert await counted("who=Anna@Example.org") == 2, "as a name is found in tags"
    assert await counted("who=desk 7, ben-müller: night") == 1
    assert await counted("who=desk 7, nobody: night") == 1
    assert await counted("who=nobody") == 0

    by_tag = f"{costs}?group_by=tag&tenant=default"
    groups = {each["group"]["tag"] for each in (await named.ask("GET", by_tag))["data"]}
    told = {f"who={ANNA}", "who=desk 7, ben-müller: night", "who=desk 7, nobody: night"}
    assert groups == told
    reader = await named.rig.key(Role.DEVELOPER)
    seen = (await named.ask("GET", f"{costs}?group_by=tag", reader))["data"]
    assert {each["group"]["tag"] for each in seen} == {
        f"who={subject}",
        f"who=desk 7, {chat}: night",
        "who=desk 7, nobody: night",
        f"who={ANNA}",
    }


async def test_a_tag_that_names_nobody_is_asked_for_whatever_becomes_of_names(
    named: Named, monkeypatch: pytest.MonkeyPatch
) -> None:
    await named.call(ANNA, about="night")
    plain, person = (
        f"/v1/analytics/costs?{urlencode({'tag': f'who={x}'})}" for x in ("night", ANNA)
    )

    def shut(*_: object) -> str:
        raise Unavailable("The root key is away.", code="sealing_key_missing")

    with monkeypatch.context() as away:
        away.setattr(named.custody, "name", shut)
        assert (await named.ask("GET", plain))["total"]["calls"] == 1
    monkeypatch.setattr("federation.control.pseudonyms.MOST_TENANTS", 0)
    assert (await named.ask("GET", plain))["total"]["calls"] == 1
    refused = await named.rig.ask("GET", person, secret=ADMIN)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "tenant")


async def test_one_is_told_for_the_other(named: Named) -> None:
    assert (await named.rig.ask("POST", NAMES, json={"user": ANNA})).status_code == 404
    subject = await named.call(ANNA)
    whole = {"object": "name", "tenant": "default", "user": ANNA, "subject": subject}

    assert await named.ask("POST", NAMES, json={"user": ANNA}) == whole
    assert await named.ask("POST", NAMES, json={"subject": subject}) == whole
    nobody = await named.ask("POST", NAMES, json={"subject": "p_" + "0" * 32})
    assert nobody["user"] is None
    for body in ({}, {"user": ANNA, "subject": subject}, {"user": ""}, {"subject": ANNA}):
        assert (await named.rig.ask("POST", NAMES, json=body)).status_code == 400
    developer = await named.rig.key(Role.DEVELOPER)
    refused = await named.rig.ask("POST", NAMES, secret=developer, json={"subject": subject})
    assert refused.status_code == 403


async def test_a_tenants_pseudonyms_are_its_own(named: Named) -> None:
    await named.rig.ask("POST", "/v1/admin/tenants", json={"id": "other"})
    subject = await named.call(ANNA)
    theirs = await named.call(ANNA, "other")
    owner = await named.rig.key(Role.OWNER, "other")

    assert theirs != subject
    mine = await named.ask("POST", NAMES, owner, json={"user": ANNA})
    assert (mine["tenant"], mine["subject"]) == ("other", theirs)
    assert (await named.ask("POST", NAMES, owner, json={"subject": subject}))["user"] is None
    out = await named.rig.ask("POST", NAMES, secret=owner, json={"user": ANNA, "tenant": "default"})
    assert out.status_code == 404
    found = await named.ask("GET", f"/v1/analytics/costs?user={subject}", owner)
    assert found["total"]["calls"] == 0


async def test_who_looks_somebody_up_is_on_record(named: Named) -> None:
    subject = await named.call(ANNA)
    assert (await named.rig.ask("POST", NAMES, json={"subject": ANNA})).status_code == 400
    for body in ({"user": ANNA}, {"subject": subject}):
        await named.ask("POST", NAMES, json=body)
        journals = named.rig.plane.journal.parent.rglob("notes-*")
        notes = b"".join(path.read_bytes() for path in journals if path.is_file())
        assert b"named" in notes
        assert subject.encode() in notes
        assert [line for line in notes.splitlines() if ANNA.encode() in line] == []


async def test_what_is_done_to_a_user_is_on_record_under_what_stands_for_them(named: Named) -> None:
    """A record is for ever, and a person may want to be forgotten."""
    rig, users = named.rig, "/v1/admin/users"
    made = await rig.ask("POST", users, json={"id": ANNA, "role": "viewer"})
    assert (made.status_code, made.json()["id"]) == (201, ANNA)
    await rig.ask("POST", "/v1/admin/tenants", json={"id": "other"})
    theirs = await rig.ask("POST", f"{users}?tenant=other", json={"id": ANNA, "tenant": "other"})
    assert theirs.status_code == 201, theirs.text
    assert (await rig.ask("PATCH", f"{users}/{ANNA}", json={"name": "A"})).status_code == 200
    viewer = await rig.key(Role.VIEWER)
    assert (await rig.ask("DELETE", f"{users}/{ANNA}", secret=viewer)).status_code == 403
    gone = await rig.ask("DELETE", f"{users}/{ANNA}?tenant=other")
    assert gone.status_code == 204, gone.text

    evidence = (rig.plane.journal.parent / "evidence").rglob("*")
    notes = b"".join(path.read_bytes() for path in evidence if path.is_file())
    assert [line for line in notes.splitlines() if ANNA.encode() in line] == []
    here, there = (named.custody.name(tenant, ANNA) for tenant in ("default", "other"))
    for action, subject in (("PATCH", here), ("DELETE", there)):
        words = f'"action":"{action} {users}/{{user}}","subject":"{users}/{subject}"'
        assert notes.count(words.encode()) == 2, "asked and done"
    assert notes.count(f'"made":"{here}"'.encode()) == 2, "by what made and by what changed it"
    changed = f'"changed":[{{"kind":"user","id":"{here}","tenant":"default","before":'
    assert notes.count(changed.encode()) == 1, "by what changed it"
