"""The management API with sessions, in front of a control process whose stores are in memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
from control_plane import ADMIN, Plane, plane

from federation.api.app import create_app
from federation.config.sign_in_settings import IssuerSettings, SignInSettings
from federation.control.permissions import KeyWish
from federation.domain.access import Role
from federation.domain.sign_in import ClaimRules, TrustedIssuer
from federation.domain.tenancy import User
from federation.transport.client import Client

PUBLIC = "https://gateway.test"
PEER = "203.0.113.7"


@dataclass
class Rig:
    plane: Plane
    client: httpx.AsyncClient
    transport: Client

    async def aclose(self) -> None:
        await self.client.aclose()
        await self.transport.aclose()

    async def post(
        self, path: str, body: Any = None, peer: str = PEER, **more: Any
    ) -> httpx.Response:
        headers = {"x-federation-peer": peer} | more.pop("headers", {})
        return await self.client.post(path, json=body, headers=headers, **more)

    async def get(self, path: str, secret: str = "", **more: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {secret}"} if secret else {}
        return await self.client.get(path, headers=headers | {"x-federation-peer": PEER}, **more)

    async def key(self, role: Role = Role.OWNER, tenant: str = "default", **more: Any) -> str:
        keys = self.plane.control.keys
        admin = keys.keys.find(ADMIN)
        assert admin is not None
        return (await keys.mint(admin, KeyWish("made", role, tenant, **more)))[1]

    async def tokens(self, secret: str, **more: Any) -> dict[str, Any]:
        reply = await self.post("/auth/token", {"api_key": secret} | more)
        assert reply.status_code == 200, reply.text
        found: dict[str, Any] = reply.json()
        return found

    async def refresh(self, token: str, peer: str = PEER) -> httpx.Response:
        return await self.post("/auth/refresh", {"refresh_token": token}, peer)

    async def user(self, name: str, role: Role = Role.OWNER, **more: Any) -> User:
        control = self.plane.control
        admin = control.keys.keys.find(ADMIN)
        assert admin is not None
        made = User(name, more.pop("tenant", "default"), name, 0, role, **more)
        return await control.tenancy.users.add(admin, made)

    async def configure(self, **sign_in: Any) -> None:
        """Put other settings of sign-in in force."""
        files, control = self.plane.files, self.plane.control
        files.loaded = replace(files.loaded, sign_in=SignInSettings(**sign_in))
        control.configuration.reload()
        control.configuration.reading = replace(control.configuration.reading, loaded=files.loaded)
        await control.publish_snapshot()


def row(url: str, rules: ClaimRules | None = None, **more: Any) -> IssuerSettings:
    """An issuer on this machine."""
    bearer = more.get("bearer", False)
    trusted = TrustedIssuer(
        "corp", url, "federation" if bearer else "", 3_600, rules or ClaimRules()
    )
    return IssuerSettings(trusted, private=True, **more)


async def started(directory: Path) -> Rig:
    built = plane(directory)
    transport = Client()
    built.control.sign_in.issuers.transport = transport
    await built.control.publish_snapshot()
    app = create_app(built.control)
    asgi = httpx.ASGITransport(app, raise_app_exceptions=False)
    client = httpx.AsyncClient(transport=asgi, base_url=PUBLIC)
    return Rig(built, client, transport)
