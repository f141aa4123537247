"""Signing in, as the management API says and hears it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from federation.api.models import Strict
from federation.control.permissions import Permission
from federation.domain.access import Role

_TOKEN = 8_192


class TokenBody(Strict):
    """How to sign in: with an API key (here, or where calls have it), or with a code."""

    grant_type: Literal["api_key", "authorization_code"] = "api_key"
    api_key: str | None = Field(default=None, max_length=512, description="Or in the header.")
    scopes: list[Permission] = Field(
        default=[],
        max_length=len(Permission),
        description="What the tokens are limited to; empty is all that the key may.",
    )
    code: str | None = Field(default=None, max_length=_TOKEN)
    code_verifier: str | None = Field(default=None, max_length=128)
    redirect_uri: str | None = Field(default=None, max_length=4_096)


class RefreshBody(Strict):
    """The last refresh token of a session."""

    refresh_token: str = Field(max_length=_TOKEN)


class RevokeBody(Strict):
    """A token, of either kind, whose session is to end."""

    token: str = Field(max_length=_TOKEN)
    everywhere: bool = Field(default=False, description="All sessions of who has it.")


class TokensView(BaseModel):
    """Tokens of a session. Each refresh token is good once."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - a word of RFC 6750
    expires_in: int = Field(description="Seconds that the access token is good for.")
    refresh_token: str
    refresh_expires_ms: int
    session: str


class RevokedView(BaseModel):
    """Said of every token, so that nobody learns which there are."""

    revoked: Literal[True] = True


class SelfView(BaseModel):
    """Who asks."""

    id: str = Field(description="The key's id, or `user:<tenant>/<id>`.")
    name: str
    tenant: str
    team: str
    user: str
    role: Role
    permissions: list[Permission]


class DoorsView(BaseModel):
    """Where people sign in: names for `GET /auth/login?issuer=`."""

    issuers: list[str]
    login_url: str = Field(description="Where to send a browser, so that its cookie comes back.")
