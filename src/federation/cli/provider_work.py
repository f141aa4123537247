"""The work of `federation provider`."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from federation.cli import output
from federation.cli.client import Unreachable, part
from federation.cli.failures import CommandFailed, Exit
from federation.cli.place import Place
from federation.config.nearest import nearest
from federation.dialects.upstream_names import CHAT_UPSTREAMS

TEST_S = 30.0


def _rows(place: Place) -> tuple[list[dict[str, Any]], str]:
    """The providers, and a remark where no gateway said it."""
    try:
        found: list[dict[str, Any]] = place.gateway().get("/v1/providers")["data"]
    except Unreachable as error:
        if place.url is not None:
            raise
        from federation.cli import offline  # noqa: PLC0415 - start-up time

        remark = f"{error.message} This is what the configuration says."
        return offline.providers(place), remark
    return found, ""


def list_all(place: Place, *, everything: bool, as_json: bool) -> None:
    """Print the providers that can be used, or all."""
    rows, remark = _rows(place)
    shown = [row for row in rows if everything or row.get("available")]
    if as_json:
        output.print_json({"object": "list", "data": shown})
        return
    if shown:
        output.table(
            (
                "=Provider",
                "?Name",
                "?=Tier",
                "?=Dialect",
                "?>Models",
                "?Regions",
                "?=Trains",
                "State",
            ),
            [_summary(row) for row in sorted(shown, key=lambda row: str(row["id"]))],
        )
    else:
        output.say("No provider can be used yet.")
    hidden = len(rows) - len(shown)
    if hidden:
        output.note(f"{hidden} more cannot be used yet: `federation provider list --all` says why.")
    if remark:
        output.note(remark)


def _summary(row: dict[str, Any]) -> list[object]:
    return [
        row["id"],
        row.get("name"),
        row.get("tier"),
        row.get("dialect"),
        len(row.get("models") or []),
        row.get("regions"),
        {"none": "no", "trains": "yes"}.get(str(row.get("data_use")), "unknown"),
        _state(row),
    ]


def _state(row: dict[str, Any]) -> Text:
    text = Text()
    if not row.get("enabled", True):
        text.append("disabled", style="yellow")
    elif row.get("available"):
        text.append("ready", style="green")
    elif row.get("dialect") not in CHAT_UPSTREAMS:
        text.append("dialect not spoken yet", style="dim")
    else:
        text.append(f"needs {row.get('needs') or 'a credential'}", style="dim")
    if row.get("simulated"):
        text.append(" (simulated)", style="yellow")
    return text


def show(place: Place, provider: str, *, as_json: bool) -> None:
    """Print one provider with its models."""
    rows, remark = _rows(place)
    row = next((row for row in rows if row["id"] == provider), None)
    if row is None:
        raise _unknown(provider, rows)
    if as_json:
        output.print_json(row)
        return
    output.facts(
        [
            ("Provider", f"{row['id']} ({row.get('name')})"),
            ("State", _state(row)),
            ("Tier", row.get("tier")),
            ("Dialect", row.get("dialect")),
            ("Regions", row.get("regions")),
            ("Certifications", row.get("certifications") or "none known"),
            ("Trains on data", {"none": "no", "trains": "yes"}.get(row["data_use"], "unknown")),
        ]
    )
    output.table(
        ("Model", ">Context", ">In $/M", ">Out $/M", ">Cached $/M", "Abilities", "Retires"),
        [_model(model) for model in row.get("models") or []],
    )
    if remark:
        output.note(remark)


def _model(model: dict[str, Any]) -> list[object]:
    price = model.get("price_usd_per_mtok") or {}
    return [
        model.get("model") or model.get("id"),
        model.get("context"),
        price.get("input", "unknown"),
        price.get("output", "unknown"),
        price.get("cached"),
        model.get("abilities"),
        model.get("retires"),
    ]


def _unknown(provider: str, rows: list[dict[str, Any]]) -> CommandFailed:
    from federation.catalogue import reader  # noqa: PLC0415 - start-up time

    if provider in reader.load():
        return CommandFailed(
            f"No model of '{provider}' is known here, so no call can reach it.",
            hint="`federation up` asks local servers for theirs; or list them in its row.",
            code="not_found",
        )
    hint = nearest(provider, [str(row["id"]) for row in rows])
    return CommandFailed(
        f"There is no provider '{provider}'{hint}{'' if hint else '.'}",
        hint="`federation provider list --all` lists them.",
        code="not_found",
    )


def ask(place: Place, provider: str, *, as_json: bool) -> None:
    """Ask a provider whether it answers, through the gateway or from here."""
    with output.working(f"Asking {provider} ...", quiet=as_json):
        try:
            path = f"/v1/providers/{part(provider)}/test"
            probe = place.gateway().post(path, timeout_s=TEST_S)
        except Unreachable:
            if place.url is not None:
                raise
            from federation.cli import direct  # noqa: PLC0415 - start-up time

            probe = direct.probe(place, provider)
    message = probe["message"]
    if not as_json:
        output.facts(
            [
                ("Provider", provider),
                ("Answers", bool(probe["ok"])),
                ("Status", probe["status"] or "none"),
                ("Latency", f"{probe['latency_ms']:.0f} ms"),
                ("Credential", probe["credential"]),
                ("", message),
            ]
        )
    if not probe["ok"]:  # as JSON, the failure is the document
        raise CommandFailed(
            f"{provider} does not pass: {message}",
            code="probe_failed",
            exit_code=Exit.FAILURE,
            details={name: value for name, value in probe.items() if name != "message"},
        )
    if as_json:
        output.print_json(probe)


def switch(place: Place, provider: str, *, enabled: bool, force: bool, as_json: bool) -> None:
    """Switch a provider, through the gateway or, where none runs, in its store."""
    verb = "enable" if enabled else "disable"
    remark = ""
    with output.working(f"Asking {provider} ...", quiet=as_json or not enabled or force):
        try:
            body = {"force": force} if enabled else None
            path = f"/v1/providers/{part(provider)}/{verb}"
            result = place.gateway().post(path, body, timeout_s=TEST_S)
        except Unreachable as error:
            if place.url is not None:
                raise
            from federation.cli import direct  # noqa: PLC0415 - start-up time

            result = direct.switch(place, provider, enabled=enabled)
            remark = f"{error.message} Written to the store; it holds from the next start."
    if as_json:
        output.print_json(result)
    else:
        output.say(f"{provider} is {'enabled' if result['enabled'] else 'disabled'}.")
    if remark:
        output.note(remark)
