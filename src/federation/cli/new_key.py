"""A key that is asked for on the command line, before it is made at a gateway or in a store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from federation.domain.access import Role


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to be made."""

    name: str
    role: Role = Role.DEVELOPER
    models: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    expires_s: int | None = None
    tenant: str | None = None
    team: str = ""
    user: str = ""
    scopes: tuple[str, ...] = ()

    def body(self) -> dict[str, Any]:
        """As `POST /v1/keys` wants it."""
        wanted: dict[str, Any] = {
            "name": self.name,
            "role": self.role.value,
            "models": list(self.models),
            "providers": list(self.providers),
            "expires_in_s": self.expires_s,
            "tenant": self.tenant,
            "team": self.team,
            "user": self.user,
            "scopes": list(self.scopes),
        }
        return {key: value for key, value in wanted.items() if value not in (None, [], "")}
