"""The work of `federation policy propose|approve|history` and the like: a gateway is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from federation.cli import output
from federation.cli.client import part
from federation.cli.failures import CommandFailed, why
from federation.cli.place import Place

_PROPOSALS = "/v1/policies/proposals"
_APPROVALS = "/v1/policies/approvals"


def propose(place: Place, file: Path, reason: str, *, as_json: bool) -> None:
    """Propose the policy of a file."""
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{file} cannot be read: {why(error)}.") from error
    if not text.strip():
        raise CommandFailed(f"{file} is empty: it holds no policy.", code="no_policy")
    _proposed(place, {"policy": text, "reason": reason}, as_json=as_json)


def change(place: Place, name: str, what: str, reason: str, *, as_json: bool) -> None:
    """Propose that a policy is enforced, or retired."""
    _proposed(place, {"name": name, "change": what, "reason": reason}, as_json=as_json)


def ask(place: Place, wanted: dict[str, Any], *, as_json: bool) -> None:
    """Ask for an approval that policies demand."""
    made = place.gateway().post(_APPROVALS, wanted)
    if as_json:
        output.print_json(made)
    else:
        _approve_hint(made)


def decide(place: Place, proposal: str, verb: str, words: str, *, as_json: bool) -> None:
    """Approve, reject or withdraw a proposal."""
    path = f"{_PROPOSALS}/{part(proposal)}/{verb}"
    made = place.gateway().post(path, {"words": words})
    if as_json:
        output.print_json(made)
    else:
        output.say(f"{made['id']}: {made['name']} is {made['stage']}.")


def history(place: Place, name: str | None, *, as_json: bool) -> None:
    """Print versions."""
    found = place.gateway().get(_PROPOSALS, {"name": name} if name else None)
    if as_json:
        output.print_json(found)
        return
    output.table(
        ("=Proposal", "Policy", ">Version", "Change", "Stage", "Proposed", "By", "Decided by"),
        [
            (
                each["id"],
                each["name"],
                each["version"],
                each["change"],
                each["stage"],
                output.minute(each["proposed_ms"]),
                each["proposed_by"],
                each["decided_by"],
            )
            for each in found["data"]
        ],
    )


def show(place: Place, proposal: str, *, as_json: bool) -> None:
    """Print one version, and what it changes."""
    found = place.gateway().get(f"{_PROPOSALS}/{part(proposal)}")
    if as_json:
        output.print_json(found)
    else:
        _version(found)


def approvals(place: Place, *, as_json: bool) -> None:
    """Print approvals."""
    found = place.gateway().get(_APPROVALS)
    if as_json:
        output.print_json(found)
        return
    output.table(
        ("=Proposal", "Name", "Tenant", "Key", "Stage", "Until", "Proposed by", "Decided by"),
        [
            (
                each["id"],
                each["name"],
                each["tenant"] or "all",
                each["key"] or "all",
                each["stage"],
                output.minute(each["until_ms"]),
                each["proposed_by"],
                each["decided_by"],
            )
            for each in found["data"]
        ],
    )


def _proposed(place: Place, body: dict[str, Any], *, as_json: bool) -> None:
    made = place.gateway().post(_PROPOSALS, body)
    if as_json:
        output.print_json(made)
        return
    _version(made)
    _approve_hint(made)


def _version(found: dict[str, Any]) -> None:
    output.facts(
        [
            ("Proposal", found["id"]),
            ("Policy", f"{found['name']}, version {found['version']}"),
            ("Change", found["change"]),
            ("Stage", found["stage"]),
            ("Proposed by", f"{found['proposed_by']}, {output.minute(found['proposed_ms'])} UTC"),
            ("Reason", found["reason"]),
            ("Decided by", found["decided_by"]),
            ("Decision", found["decision"]),
        ]
    )
    for each in found["changes"]:
        output.say(f"{each['policy']}: {each['what']}", "bold")
        for line in each["details"]:
            output.say(f"  {line}")


def _approve_hint(made: dict[str, Any]) -> None:
    output.note(f"Another person has to say `federation policy approve {made['id']}`.")
