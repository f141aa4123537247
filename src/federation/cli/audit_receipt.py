"""The work of `federation audit receipt`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from federation.cli import output
from federation.cli.failures import CommandFailed, Exit
from federation.cli.place import Place
from federation.evidence.receipts import input_hash, output_hash

_SAID: Final = {
    True: "this is what the record says",
    False: "NOT THE SAME",
    None: "unproven: the record has no hash to hold it against",
}


def receipt(place: Place, call: str, said: Path | None, got: Path | None, *, as_json: bool) -> Exit:
    """Show the receipt of a call, and whether files are what it is about; the exit code."""
    path = f"/v1/calls/{quote(call, safe='')}"
    shown = place.gateway().get(path, {"receipt": "true"})["receipt"]
    if shown is None:
        raise CommandFailed(
            f"There is no receipt of {call} for you.",
            hint="It is for the key that made the call, once it has ended, and for who may read "
            "kept contents.",
            exit_code=Exit.REFUSED,
        )
    same = _compared(shown, said, got)
    if as_json:
        output.print_json({"call": call, **shown, "same": same})
    else:
        facts = [(name.capitalize(), _told(shown, name)) for name in ("salt", "input", "output")]
        output.facts(facts)
        for name, is_same in same.items():
            output.say(f"{name}: {_SAID[is_same]}")
    return Exit.OK if all(same.values()) else Exit.FAILURE


def _told(shown: dict[str, Any], name: str) -> str:
    fault = shown["unproven"].get(name)
    if fault is not None:
        return f"unproven: the gateway could not make this hash ({fault})"
    return shown[name] or "none: the gateway answered by itself"


def _compared(shown: dict[str, Any], said: Path | None, got: Path | None) -> dict[str, bool | None]:
    """By name, whether a file is what the record says; None where it says nothing of it."""
    salt = bytes.fromhex(shown["salt"])
    same: dict[str, bool | None] = {}
    if said is not None:
        same["input"] = input_hash(salt, _bytes(said)) == shown["input"]
    if got is not None:
        same["output"] = output_hash(salt, _bytes(got)) == shown["output"]
    return {name: None if name in shown["unproven"] else same[name] for name in same}


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandFailed(f"{path} cannot be read: {error.strerror}.") from error
