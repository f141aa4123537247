"""The work of `federation data`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from federation.cli import output
from federation.cli.client import part
from federation.cli.place import Place
from federation.domain.pseudonyms import is_pseudonym

_PATH = "/v1/admin/data"


def list_payloads(place: Place, tenant: str | None, user: str | None, *, as_json: bool) -> None:
    """Print what is kept, unopened."""
    query = _given({"tenant": tenant, "user": user})
    found = place.gateway().pages(f"{_PATH}/payloads", query)
    if as_json:
        output.print_json({"object": "list", "data": found})
        return
    output.table(
        ("=Call", "Tenant", "Subject", "At", "Until", "Bytes"),
        [
            (*(each[name] for name in ("call", "tenant", "subject", "at", "expires_at")),
             str(each["size"]))
            for each in found
        ],
    )  # fmt: skip


def show(place: Place, call: str, *, as_json: bool) -> None:
    """Print a content."""
    found = place.gateway().get(f"{_PATH}/payloads/{part(call)}")
    if as_json:
        output.print_json(found)
        return
    proofs = {True: "yes: it is what the record commits to", False: "NO", None: "no record"}
    output.facts(
        (
            ("call", found["call"]),
            ("tenant", found["tenant"]),
            ("user", found["user"]),
            ("at", found["at"]),
            ("kept until", found["expires_at"]),
            ("proven", proofs[found["proven"]]),
            ("whole", "no: only a part was kept" if found["cut"] else "yes"),
            ("kept", "hashes" if found["hashed"] else "all"),
        )
    )
    output.say(f"\nrequest:\n{found['request']}\n\nanswer:\n{found['answer']}")


def erase(place: Place, tenant: str | None, user: str, *, as_json: bool) -> None:
    """Erase a person's contents."""
    body = _given({"tenant": tenant, "user": user})
    found = place.gateway().post(f"{_PATH}/erasures", body)
    if as_json:
        output.print_json(found)
    elif found["state"] == "done":
        output.say(f"Erased: {found['keys']} keys were destroyed ({found['id']}).")
        if not found["keys"]:
            output.note(f"Nothing was kept of that person in the tenant {found['tenant']}.")
    else:
        holds = ", ".join(found["holds"])
        output.say(f"It waits for a legal hold: {holds} ({found['id']}).")
    if not as_json and found.get("keys_missing"):
        output.note("Contents of the tenant are sealed with keys that are not here: are these the")
        output.note("keys that go with the data? What is this person's among them is not erased.")


def list_erasures(place: Place, tenant: str | None, *, as_json: bool) -> None:
    """Print erasures."""
    found = place.gateway().get(f"{_PATH}/erasures", _given({"tenant": tenant}))
    if as_json:
        output.print_json(found)
        return
    output.table(
        ("=Id", "Tenant", "Subject", "State", "Asked", "Done", "Keys"),
        [
            (
                *(each[name] for name in ("id", "tenant", "subject", "state", "asked_at")),
                each["done_at"] or "",
                str(each["keys"]),
            )
            for each in found["data"]
        ],
    )


def name(place: Place, tenant: str | None, who: str, *, as_json: bool) -> None:
    """Print a user and the pseudonym."""
    kind = "subject" if is_pseudonym(who) else "user"
    found = place.gateway().post(f"{_PATH}/names", _given({"tenant": tenant, kind: who}))
    if as_json:
        output.print_json(found)
        return
    user = found["user"] or "nobody who is known: erased, or never named"
    facts = (("tenant", found["tenant"]), ("user", user), ("pseudonym", found["subject"]))
    output.facts(facts)


def hold(place: Place, tenant: str | None, user: str | None, reason: str, *, as_json: bool) -> None:
    """Set a hold."""
    body = _given({"tenant": tenant, "user": user, "reason": reason})
    found = place.gateway().post(f"{_PATH}/holds", body)
    if as_json:
        output.print_json(found)
    else:
        output.say(f"Held: {found['id']}, until it is released.")
        if found.get("erased"):
            erased = ", ".join(found["erased"])
            output.note(f"An erasure came first: what it reached is gone ({erased}).")


def list_holds(place: Place, tenant: str | None, *, as_json: bool) -> None:
    """Print the holds in force."""
    found = place.gateway().get(f"{_PATH}/holds", _given({"tenant": tenant}))
    if as_json:
        output.print_json(found)
        return
    output.table(
        ("=Id", "Tenant", "Subject", "Reason", "By", "Since"),
        [
            (
                each["id"],
                each["tenant"],
                each["subject"] or "everyone",
                each["reason"],
                each["by"],
                each["created_at"],
            )
            for each in found["data"]
        ],
    )


def release(place: Place, hold: str, *, as_json: bool) -> None:
    """End a hold."""
    place.gateway().delete(f"{_PATH}/holds/{part(hold)}")
    if as_json:
        output.print_json({"object": "hold", "id": hold, "released": True})
    else:
        output.say(f"{hold} is released.")


def keys(place: Place, tenant: str | None, *, root: bool, as_json: bool) -> None:
    """Print how the keys stand."""
    query = _given({"tenant": tenant, "root": "true" if root else None})
    _stands(place.gateway().get(f"{_PATH}/keys", query), as_json=as_json)


def rotate(place: Place, wanted: Mapping[str, object], *, as_json: bool) -> None:
    """Rotate, and print how the keys stand."""
    _stands(place.gateway().post(f"{_PATH}/keys/rotate", _given(wanted)), as_json=as_json)


def _stands(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.print_json(found)
        return
    output.facts(
        (
            ("newest", found["newest"] or "none yet"),
            ("rewrapped now", str(found["done"])),
            ("left under older ones", str(found["left"])),
        )
    )
    output.table(
        ("=Key", "Wraps"), [(key, str(count)) for key, count in sorted(found["keys"].items())]
    )


def _given(wanted: Mapping[str, object]) -> dict[str, Any]:
    return {name: value for name, value in wanted.items() if value is not None}
