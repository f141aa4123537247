"""The work of `federation violation`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from federation.cli import output
from federation.cli.client import part
from federation.cli.place import Place

_PATH = "/v1/violations"


def list_all(place: Place, wanted: Mapping[str, object], *, as_json: bool) -> None:
    """Print violations."""
    found = place.gateway().pages(_PATH, wanted)
    if as_json:
        output.print_json({"object": "list", "data": found})
        return
    output.table(
        ("=Id", "Severity", "State", "Kind", "Rule", "Tenant", "Key", ">Seen", "Last", "Due"),
        [
            (
                each["id"],
                each["severity"],
                each["state"],
                each["kind"],
                _rule(each),
                each["tenant"],
                each["key"],
                each["count"],
                output.minute(each["last_ms"]),
                output.minute(each["due_ms"]),
            )
            for each in found
        ],
    )


def show(place: Place, violation: str, *, as_json: bool) -> None:
    """Print one with its calls and remedies."""
    found = place.gateway().get(f"{_PATH}/{part(violation)}")
    if as_json:
        output.print_json(found)
        return
    _facts(found)
    output.say(f"\nSeen in: {', '.join(found['calls'])}")
    if found["remedies"]:
        output.table(
            ("=Remedy", "Action", "About", "State", "Proposed by", "Decided by"),
            [
                (
                    each["id"],
                    each["action"],
                    each["subject"],
                    each["state"],
                    each["proposed_by"],
                    each["decided_by"],
                )
                for each in found["remedies"]
            ],
        )


def move(place: Place, violation: str, verb: str, note: str, *, as_json: bool) -> None:
    """Acknowledge or resolve one, and show it."""
    body = {"note": note}
    found = place.gateway().post(f"{_PATH}/{part(violation)}/{verb}", body)
    if as_json:
        output.print_json(found)
    else:
        _facts(found)


def remedy(place: Place, violation: str, action: str, subject: str, *, as_json: bool) -> None:
    """Do or propose something about one."""
    body = {"action": action, "subject": subject}
    _said(place.gateway().post(f"{_PATH}/{part(violation)}/remedies", body), as_json=as_json)


def decide(place: Place, remedy_id: str, verb: str, *, as_json: bool) -> None:
    """Approve, reject or undo a remedy."""
    _said(place.gateway().post(f"/v1/remedies/{part(remedy_id)}/{verb}"), as_json=as_json)


def _said(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.print_json(found)
        return
    output.say(f"{found['id']}: {found['action']} {found['subject']} is {found['state']}.")
    if found["state"] == "proposed":
        output.note(f"Another person has to say `federation violation approve {found['id']}`.")


def _facts(found: dict[str, Any]) -> None:
    output.facts(
        [
            ("Violation", found["id"]),
            ("Kind", found["kind"]),
            ("Rule", _rule(found)),
            ("Control", found["control"]),
            ("Severity", found["severity"] + (" (escalated)" if found["escalated"] else "")),
            ("State", found["state"]),
            ("Tenant", found["tenant"]),
            ("Key", found["key"]),
            ("Seen", f"{found['count']} times, from {output.minute(found['first_ms'])} UTC"),
            ("Due", f"{output.minute(found['due_ms'])} UTC"),
            ("Note", found["note"]),
        ]
    )


def _rule(found: dict[str, Any]) -> str:
    return f"{found['policy']}.{found['rule']}" if found["policy"] else str(found["rule"])
