"""Setting, listing, showing and removing objects that tenants own by an id: budgets and limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from federation.cli import output
from federation.cli.client import part
from federation.cli.place import Place

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """How objects of a kind are reached and printed."""

    name: str
    path: str
    columns: tuple[str, ...]
    cells: Callable[[Row], tuple[object, ...]]
    shown: Callable[[Row], None]
    """Prints one for people."""

    def put(self, place: Place, wanted: Mapping[str, object], *, as_json: bool) -> None:
        """Set one and show it; fields that are None are left out."""
        body = {name: value for name, value in wanted.items() if value is not None}
        self._show(place.gateway().post(self.path, body), as_json=as_json)

    def list(self, place: Place, tenant: str | None, *, as_json: bool) -> None:
        """Print all."""
        found = place.gateway().pages(self.path, {"tenant": tenant} if tenant else None)
        if as_json:
            output.print_json({"object": "list", "data": found})
            return
        output.table(self.columns, [self.cells(row) for row in found])

    def show(self, place: Place, name: str, tenant: str | None, *, as_json: bool) -> None:
        """Print one."""
        self._show(place.gateway().get(self._one(name, tenant)), as_json=as_json)

    def remove(self, place: Place, name: str, tenant: str | None, *, as_json: bool) -> None:
        """End one."""
        place.gateway().delete(self._one(name, tenant))
        if as_json:
            output.print_json({"object": self.name, "id": name, "removed": True})
        else:
            output.say(f"{name} is no more.")

    def _one(self, name: str, tenant: str | None) -> str:
        query = "" if tenant is None else f"?{urlencode({'tenant': tenant})}"
        return f"{self.path}/{part(name)}{query}"

    def _show(self, row: Row, *, as_json: bool) -> None:
        if as_json:
            output.print_json(row)
        else:
            self.shown(row)
