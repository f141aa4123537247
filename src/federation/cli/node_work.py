"""The work of `federation node`."""

from __future__ import annotations

from typing import Any

from federation.cli import output
from federation.cli.client import part
from federation.cli.place import Place

_PROBE_S = 30.0


def register(place: Place, wanted: dict[str, Any], *, as_json: bool) -> None:
    """Register a node and say whether it is ready."""
    told = place.gateway().post("/admin/nodes", wanted, timeout_s=_PROBE_S)
    _show(told, as_json=as_json)
    if not as_json and told["state"] == "loading":
        output.note(f"It is asked again every 10 seconds. {told['probe']['message']}")


def list_all(place: Place, *, as_json: bool) -> None:
    """Print the nodes."""
    found = place.gateway().get("/admin/nodes")
    if as_json:
        output.print_json(found)
    elif not found["data"]:
        output.say("No node is registered.")
    else:
        output.table(
            ("Node", "State", "Address", "Language", "Region", "Models"),
            [
                (
                    node["id"],
                    node["state"],
                    node["base_url"],
                    node["dialect"],
                    node["region"],
                    ", ".join(node["models"]),
                )
                for node in found["data"]
            ],
        )


def drain(place: Place, node: str, *, as_json: bool) -> None:
    """Send it no new calls."""
    _show(place.gateway().post(f"/admin/nodes/{part(node)}/drain"), as_json=as_json)


def remove(place: Place, node: str, *, as_json: bool) -> None:
    """Forget it."""
    _show(place.gateway().delete(f"/admin/nodes/{part(node)}"), as_json=as_json)


def _show(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.print_json(told)
    else:
        output.say(f"The node '{told['id']}' is {told['state']}.")
