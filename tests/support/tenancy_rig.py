"""The management API in front of a control process, asked with one key or another."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import httpx
from control_plane import ADMIN, Plane, plane
from fastapi import FastAPI

from federation.api.app import create_app
from federation.control.control import Control
from federation.control.permissions import KeyWish
from federation.domain.access import Role
from federation.storage.tenancy_memory import MemoryAnswers


@dataclass
class Rig:
    plane: Plane
    app: FastAPI
    client: httpx.AsyncClient

    @property
    def answers(self) -> MemoryAnswers:
        return cast("MemoryAnswers", self.plane.control.once._store)

    async def key(self, role: Role, tenant: str = "default", **more: Any) -> str:
        """The secret of a new key."""
        keys = self.plane.control.keys
        admin = keys.keys.find(ADMIN)
        assert admin is not None
        return (await keys.mint(admin, KeyWish("made", role, tenant, **more)))[1]

    async def ask(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        secret: str = ADMIN,
        **more: Any,
    ) -> httpx.Response:
        said = {"authorization": f"Bearer {secret}"} | (headers or {})
        return await self.client.request(method, path, headers=said, **more)

    async def status(self, secret: str, path: str = "/v1/stats") -> int:
        return (await self.ask("GET", path, secret=secret)).status_code


@lru_cache(1)
def _application() -> FastAPI:
    return create_app(cast("Control", None))


async def started(directory: Path, *, beside: bool = False) -> Rig:
    """One over stores in memory; `beside` another that is in use.

    An application takes longer to build than all that a test does, and all of its state is
    the control process behind it.
    """
    directory.mkdir(exist_ok=True)
    built = plane(directory)
    await built.control.publish_snapshot()
    app = create_app(built.control) if beside else _application()
    app.state.control = built.control
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    client = httpx.AsyncClient(transport=transport, base_url="http://control")
    return Rig(built, app, client)
