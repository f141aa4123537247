"""The work of `federation tenant import`: what a file says, part by part.

The trap: a secret is told by one answer and by no other. So a file is sent in parts that a gateway
answers in good time, each under a name of its own by which a lost answer is asked for again, and
what was told is shown whatever comes after it.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from federation.cli import output
from federation.cli.client import Answered, Gateway, Unreachable
from federation.cli.failures import CommandFailed
from federation.cli.place import Place
from federation.cli.shown_once import need_reader, shown_once
from federation.config import document

_FILE_LIMIT: Final = 64 * 1024 * 1024
_PART: Final = 500
"""Objects in a part. A gateway's worker waits 30 seconds for what it passes on."""
_PART_S: Final = 90.0
_AGAIN_S: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""How long to wait before a lost answer is asked for again."""
_LOST: Final = ("control_unavailable", "request_under_way")
_LOST_BY_PROXIES: Final = (502, 504)
_KINDS: Final = ("teams", "users", "keys")
"""What belongs to a tenant, in the order in which one needs the other."""
_SUMS: Final = ("made", "changed", "unchanged")
_HINT: Final = (
    "What is told above was done. Import again: it stays as it is, and the rest is made. "
    "`federation key rotate ID` gives a new secret to a key whose own was not shown."
)


def bring(place: Place, file: Path, *, as_json: bool) -> None:
    """Make and change what a file says; new keys' secrets are shown this once.

    Raises `CommandFailed` where it ends half-way; what was told until then has been shown, or is
    in the failure's details for `--json`.
    """
    gateway, wanted = place.gateway(), _read(file)
    need_reader()
    done: dict[str, Any] = {"object": "import"} | dict.fromkeys(_SUMS, 0)
    done |= {"ended": [], "keys": [], "problem": None}
    failure, heard = None, False
    try:
        for part, goes_on in _parts(wanted):
            told = _told(gateway, part)
            heard = True
            _add(done, told, goes_on=goes_on)
            if not as_json:
                _show(told["keys"])
            if problem := told.get("problem"):
                failure = CommandFailed(problem["message"], code=problem["code"] or "failed")
                break
    except CommandFailed as error:
        failure = error
    except KeyboardInterrupt:
        failure = CommandFailed("The import was interrupted.", code="interrupted")
    if failure is not None and not heard and not _may_be_done(failure):
        raise failure
    if failure is not None:
        failure.hint, failure.details = _HINT, {**failure.details, **done}
    if not as_json:
        _sum_up(done)
    elif failure is None:
        with shown_once(lambda: _unseen(done["keys"])):
            output.print_json(done)
    if failure is not None:
        raise failure


def _may_be_done(failure: CommandFailed) -> bool:
    """Whether a part may have been done without an answer that tells it."""
    return _is_lost(failure) or failure.code == "interrupted"


def _told(gateway: Gateway, part: Any) -> Any:
    """What came of a part. A lost answer is asked for again, and is the same then."""
    name, waits = secrets.token_hex(16), iter(_AGAIN_S)
    lost = False
    while True:
        try:
            return gateway.post("/v1/admin/tenancy", part, timeout_s=_PART_S, once=name)
        except CommandFailed as failure:
            lost = _is_lost(failure) or (lost and isinstance(failure, Unreachable))
            wait_s = next(waits, None) if lost else None
            if wait_s is None:
                raise
        time.sleep(wait_s)


def _is_lost(failure: CommandFailed) -> bool:
    if isinstance(failure, Answered):
        return failure.code in _LOST or failure.status in _LOST_BY_PROXIES
    return isinstance(failure, Unreachable) and failure.asked


def _parts(whole: Any) -> Iterator[tuple[Any, bool]]:
    """A document as several that say the same one after the other, and of each whether its first
    tenant was in the one before. What no gateway would take stays in one."""
    units = list(_units(whole))
    if len(units) <= _PART:
        yield whole, False
        return
    for start in range(0, len(units), _PART):
        tenants: dict[int, dict[str, Any]] = {}
        for n, tenant, kind, entry in units[start : start + _PART]:
            head = {name: [] if name in _KINDS else value for name, value in tenant.items()}
            said = tenants.setdefault(n, head)
            if kind:
                said[kind].append(entry)
        yield whole | {"tenants": list(tenants.values())}, bool(units[start][2])


def _units(whole: Any) -> Iterator[tuple[int, dict[str, Any], str, Any]]:
    """Every tenant, and after it all that belongs to it; nothing where that cannot be told."""
    tenants = whole.get("tenants") if isinstance(whole, dict) else None
    if not isinstance(tenants, list) or not all(map(_is_tenant, tenants)):
        return
    for n, tenant in enumerate(tenants):
        yield n, tenant, "", None
        for kind in _KINDS:
            for entry in tenant.get(kind, ()):
                yield n, tenant, kind, entry


def _is_tenant(said: Any) -> bool:
    return isinstance(said, dict) and all(isinstance(said.get(kind, []), list) for kind in _KINDS)


def _add(done: dict[str, Any], told: Mapping[str, Any], *, goes_on: bool) -> None:
    for name in _SUMS:
        done[name] += told[name]
    # A tenant that goes on in another part is one object all the same.
    done["unchanged"] -= goes_on
    done["ended"] += told["ended"]
    done["keys"] += told["keys"]
    done["problem"] = told.get("problem")


def _show(keys: list[dict[str, Any]]) -> None:
    with shown_once(lambda: _unseen(keys)):
        for key in keys:
            output.say(f"{key['id']}  {key['secret']}  {key['name']}")


def _unseen(keys: list[dict[str, Any]]) -> str:
    """What to do about keys of which the secrets are lost. They are not revoked: a later import
    would leave them out as ended."""
    ids = ", ".join(key["id"] for key in keys)
    return (
        f"These keys were made, and nobody knows their secrets: {ids or 'none'}. "
        "`federation key rotate ID` gives one another."
    )


def _sum_up(done: Mapping[str, Any]) -> None:
    output.note(
        f"{done['made']} made, {done['changed']} changed, {done['unchanged']} as they were."
        + (f" Left out, for they have ended: {', '.join(done['ended'])}." if done["ended"] else "")
        + (" The secrets above are shown this once." if done["keys"] else "")
    )


def _read(file: Path) -> Any:
    try:
        if file.stat().st_size > _FILE_LIMIT:
            raise CommandFailed(f"{file} is larger than {_FILE_LIMIT >> 20} MB.")
        data = file.read_bytes()
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror}.") from error
    if file.suffix == ".json":
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            raise CommandFailed(f"{file} is no JSON: {error}.") from error
    found = document.parse(data, str(file))
    if found.problems:
        raise CommandFailed("\n".join(map(str, found.problems)))
    # A name such as 2.50 is read as an exact number, and meant as it stands.
    return json.loads(json.dumps(found.value, default=str))
