"""The work of `federation key`."""

from __future__ import annotations

import re
import time
from typing import Any

from rich.text import Text

from federation.cli import output
from federation.cli.client import Unreachable, part
from federation.cli.failures import CommandFailed, Exit
from federation.cli.new_key import NewKey
from federation.cli.place import Place
from federation.cli.shown_once import need_reader, shown_once
from federation.config.nearest import nearest
from federation.domain.access import Role
from federation.errors import FederationError

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SPAN = re.compile(r"([0-9]{1,9})([smhdw]?)\Z")


def seconds(text: str | None) -> int | None:
    """A span such as 12h or 30d in seconds."""
    if text is None:
        return None
    found = _SPAN.match(text.strip().lower())
    if found is None or int(found[1]) == 0:
        raise CommandFailed(
            f"'{text}' is no span of time.",
            hint="Write 90s, 15m, 12h, 30d or 8w.",
            code="usage",
            exit_code=Exit.USAGE,
        )
    return int(found[1]) * _UNITS[found[2]]


def _remark(error: Unreachable) -> str:
    return f"{error.message} Done in the store itself; a gateway knows it from its next start."


def create(place: Place, wish: NewKey, *, as_json: bool) -> None:
    """Make a key and show its secret. One that could not be shown is revoked."""
    _check_name(wish.name)
    need_reader()
    remark, strange = "", list[str]()
    try:
        gateway = place.gateway()
        if wish.models or wish.providers:
            strange = _strangers(wish, gateway.get("/v1/models"), gateway.get("/v1/providers"))
        key = gateway.post("/v1/keys", wish.body())
    except Unreachable as error:
        if place.url is not None:
            raise
        from federation.cli import direct  # noqa: PLC0415 - start-up time

        key, remark = direct.create_key(place, wish), _remark(error)
    for warning in strange:
        output.note(f"warning: {warning}")
    with shown_once(lambda: _revoked_unseen(place, key["id"])):
        if as_json:
            output.print_json(key)
        else:
            text = Text()
            text.append(str(key["secret"]), style="bold green")
            text.append(f"\n\nid {key['id']}, role {key['role']}, {_until(key)}")
            output.panel(text, f"Key for {key['name']}: shown this once")
    if remark:
        output.note(remark)


def _revoked_unseen(place: Place, key: str) -> str:
    try:
        _end(place, key)
    except (CommandFailed, FederationError) as failure:
        return f"{key} is good yet and could not be revoked: {failure.message}"
    return f"{key} is revoked: nobody knows its secret."


def _check_name(name: str | None) -> None:
    if name is not None and not name.strip():
        raise CommandFailed(
            "The name is empty.",
            hint="Say what the key is for: it is how you know it again in the list.",
            code="usage",
            exit_code=Exit.USAGE,
        )


def _strangers(wish: NewKey, models: Any, providers: Any) -> list[str]:
    """What the key is kept to and this gateway does not have; it may be there tomorrow."""
    ids = [row["id"] for row in models["data"]]
    known = {
        "model": [*ids, *(name.partition("/")[2] for name in ids)],
        "provider": [row["id"] for row in providers["data"]],
    }
    return [
        f"this gateway has no {kind} '{name}'{nearest(name, known[kind])}"
        for kind, names in (("model", wish.models), ("provider", wish.providers))
        for name in names
        if name not in known[kind]
    ]


def list_all(place: Place, tenant: str | None, *, everything: bool, as_json: bool) -> None:
    """Print the keys, without secrets; of one tenant alone where it is named."""
    remark = ""
    try:
        keys = place.gateway().pages("/v1/keys", {"tenant": tenant} if tenant else None)
    except Unreachable as error:
        if place.url is not None:
            raise
        from federation.cli import direct  # noqa: PLC0415 - start-up time

        keys, remark = (
            direct.list_keys(place, tenant),
            f"{error.message} This is what the store holds.",
        )
    shown = [key for key in keys if everything or _state(key) == "valid"]
    if as_json:
        output.print_json({"object": "list", "data": shown})
    else:
        output.table(
            ("=Id", "Name", "Role", "Tenant", "For", "Ends in", "Models", "Providers", "State"),
            [
                (
                    key["id"],
                    key["name"],
                    key["role"],
                    key["tenant"],
                    key.get("user") or key.get("team"),
                    f"…{key['hint']}" if key.get("hint") else "",
                    key["models"] or "all",
                    key["providers"] or "all",
                    _shown_state(key),
                )
                for key in shown
            ],
        )
        if len(shown) < len(keys):
            output.note(f"{len(keys) - len(shown)} revoked or expired: --all shows them.")
    if remark:
        output.note(remark)


def revoke(place: Place, key: str, *, as_json: bool) -> None:
    """End a key."""
    ended, remark = _end(place, key)
    if as_json:
        output.print_json(ended)
    else:
        output.say(f"{ended['id']} ({ended['name']}) is revoked.")
    if remark:
        output.note(remark)


def _end(place: Place, key: str) -> tuple[dict[str, Any], str]:
    """End a key at the gateway, or in the store; and what is to be said of how."""
    try:
        return place.gateway().delete(f"/v1/keys/{part(key)}"), ""
    except Unreachable as error:
        if place.url is not None:
            raise
        from federation.cli import direct  # noqa: PLC0415 - start-up time

        return direct.revoke_key(place, key), _remark(error)


def show(place: Place, key: str, *, as_json: bool) -> None:
    """Print one key."""
    _shown(place.gateway().get(f"/v1/keys/{part(key)}"), as_json=as_json)


def changes(
    *,
    name: str | None,
    role: Role | None,
    models: list[str] | None,
    providers: list[str] | None,
    expires: str | None,
    team: str | None,
    user: str | None,
    scopes: list[str] | None = None,
) -> dict[str, Any]:
    """As `PATCH /v1/keys/{key}` wants it; what is None stays."""
    _check_name(name)
    wanted: dict[str, Any] = {"name": name, "role": role and role.value, "team": team, "user": user}
    for field, names in (("models", models), ("providers", providers), ("scopes", scopes)):
        wanted[field] = [] if names == ["all"] else names
    found = {field: value for field, value in wanted.items() if value is not None}
    if expires is not None:
        found["expires_in_s"] = None if expires.strip().lower() == "never" else seconds(expires)
    return found


def change(place: Place, key: str, wanted: dict[str, Any], *, as_json: bool) -> None:
    """Change a key."""
    if not wanted:
        raise CommandFailed(
            "Nothing is to be changed.",
            hint="Say what: --help lists the options.",
            code="usage",
            exit_code=Exit.USAGE,
        )
    _shown(place.gateway().patch(f"/v1/keys/{part(key)}", wanted), as_json=as_json)


def rotate(place: Place, key: str, overlap: str, *, as_json: bool) -> None:
    """Give a key a new secret and show it."""
    overlap_s = 0 if overlap.strip() == "0" else seconds(overlap)
    need_reader()
    made = place.gateway().post(f"/v1/keys/{part(key)}/rotate", {"overlap_s": overlap_s})
    until = made["old_secret_until_ms"]
    old = "works no more" if until is None else f"works until {output.minute(until)} UTC"
    with shown_once(lambda: f"Nobody knows {key}'s new one: rotate it again. The old one {old}."):
        if as_json:
            output.print_json(made)
            return
        text = Text()
        text.append(str(made["secret"]), style="bold green")
        text.append(f"\n\nid {made['id']}; the old secret {old}")
        output.panel(text, f"New secret for {made['name']}: shown this once")


def _shown(key: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.print_json(key)
        return
    facts = {name: key[name] for name in ("id", "name", "tenant", "role", "team", "user", "hint")}
    facts |= {name: key.get(name) or "all" for name in ("models", "providers", "scopes")}
    output.facts([*facts.items(), ("state", _shown_state(key))])


def _state(key: dict[str, Any]) -> str:
    if key.get("revoked_ms") is not None:
        return "revoked"
    expires = key.get("expires_ms")
    return "expired" if expires is not None and expires <= time.time() * 1000 else "valid"


def _shown_state(key: dict[str, Any]) -> Text:
    state = _state(key)
    if state == "valid":
        return Text(_until(key), style="green")
    return Text(state, style="red")


def _until(key: dict[str, Any]) -> str:
    expires = key.get("expires_ms")
    if expires is None:
        return "valid for good"
    return f"valid until {output.minute(expires)} UTC"
