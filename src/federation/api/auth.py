"""Routes of signing in: tokens for a key or a code, refreshing, ending, and who one is.

The trap: these are open to everyone, so they answer a wrong secret, an unknown one and one that
has ended alike, and count failures by where they come from (`credentials.lockout`).
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Cookie, Query, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from federation.api.access import Asker, ControlPlane
from federation.api.auth_models import (
    DoorsView,
    RefreshBody,
    RevokeBody,
    RevokedView,
    SelfView,
    TokenBody,
    TokensView,
)
from federation.control.permissions import rights
from federation.control.sign_in import Granted
from federation.control.sign_in_people import CALLBACK, STATE_S
from federation.control.sign_in_sources import source_of
from federation.credentials.issuing import jwks
from federation.domain.asker import presented
from federation.domain.hands import own_ids
from federation.errors import InvalidRequest

router = APIRouter(tags=["sign-in"])

COOKIE = "federation_sign_in"
_NEVER_KEPT = {"cache-control": "no-store", "pragma": "no-cache"}
Asked = Annotated[str, Query(max_length=4_096)]


@router.post("/auth/token", response_model=TokensView)
async def token(
    control: ControlPlane, request: Request, body: TokenBody | None = None
) -> JSONResponse:
    """Sign in: an access token that is good for a while, and a refresh token for the next."""
    asked = body or TokenBody()
    source = _source(control, request)
    if asked.grant_type == "api_key":
        secret = asked.api_key or presented(dict(request.scope["headers"]))
        if not secret:
            message = "Send your API key as 'api_key', or where calls have it."
            raise InvalidRequest(message, param="api_key")
        scopes = [each.value for each in asked.scopes]
        return _tokens(await control.sign_in.with_key(secret, scopes, source))
    if not asked.code or not asked.code_verifier or not asked.redirect_uri:
        message = "A code goes with its 'code_verifier' and 'redirect_uri'."
        raise InvalidRequest(message, param="code")
    exchanged = (asked.code, asked.code_verifier, asked.redirect_uri, source)
    return _tokens(await control.people.exchange(*exchanged))


@router.post("/auth/refresh", response_model=TokensView)
async def refresh(control: ControlPlane, request: Request, body: RefreshBody) -> JSONResponse:
    """The next tokens of a session. An old refresh token ends the session: two have it."""
    source = _source(control, request)
    return _tokens(await control.sign_in.refresh(body.refresh_token, source))


@router.post("/auth/revoke")
async def revoke(control: ControlPlane, body: RevokeBody) -> RevokedView:
    """End the session of a token; every worker refuses its access tokens within a second."""
    await control.sign_in.revoke(body.token, everywhere=body.everywhere)
    return RevokedView()


@router.get("/auth/me")
async def me(asker: Asker) -> SelfView:
    """Who you are to this gateway, and what you may do."""
    return SelfView(
        id=own_ids(asker)[-1],
        name=asker.name,
        tenant=asker.tenant,
        team=asker.team,
        user=asker.user,
        role=asker.role,
        permissions=sorted(rights(asker.role, asker.scopes)),
    )


@router.get("/auth/jwks.json")
async def keys(control: ControlPlane) -> dict[str, Any]:
    """The public keys of our access tokens."""
    return jwks(control.sign_in.ring)


@router.get("/auth/issuers")
async def issuers(control: ControlPlane) -> DoorsView:
    """Where people can sign in."""
    public = control.configuration.reading.loaded.sign_in.public_url
    return DoorsView(issuers=control.sign_in.issuers.doors(), login_url=f"{public}/auth/login")


@router.get("/auth/login", response_class=RedirectResponse, status_code=302)
async def login(
    control: ControlPlane,
    issuer: Asked,
    redirect_uri: Asked,
    code_challenge: Asked,
    state: Asked = "",
) -> Response:
    """Send a person's browser to an identity provider; it comes back to `redirect_uri` with a
    `code` for `POST /auth/token`."""
    door = control.people
    departure = await door.depart(issuer, redirect_uri, code_challenge, state)
    response = RedirectResponse(departure.url, 302, headers=_NEVER_KEPT)
    secure = control.configuration.reading.loaded.sign_in.public_url.startswith("https:")
    response.set_cookie(
        COOKIE,
        departure.cookie,
        max_age=STATE_S,
        path=CALLBACK,
        secure=secure,
        httponly=True,
        samesite="lax",
    )
    return response


@router.get(CALLBACK, response_class=RedirectResponse, status_code=302)
async def callback(
    control: ControlPlane,
    request: Request,
    state: Asked,
    code: Asked = "",
    error: Asked = "",
    federation_sign_in: Annotated[str, Cookie(max_length=512)] = "",
) -> Response:
    """Where identity providers send a browser back to."""
    source = _source(control, request)
    place = await control.people.arrive(code, state, federation_sign_in, error, source)
    response = RedirectResponse(place, 302, headers=_NEVER_KEPT)
    response.delete_cookie(COOKIE, path=CALLBACK)
    return response


def _tokens(granted: Granted) -> JSONResponse:
    view = TokensView(
        access_token=granted.access,
        expires_in=granted.expires_s,
        refresh_token=granted.refresh,
        refresh_expires_ms=granted.session.expires_ms,
        session=granted.session.id,
    )
    return JSONResponse(view.model_dump(), headers=_NEVER_KEPT)


def _source(control: ControlPlane, request: Request) -> str:
    headers = request.headers
    trusted = control.configuration.reading.loaded.server.trusted_proxies
    return source_of(
        headers.get("x-federation-peer", ""), headers.get("x-forwarded-for", ""), trusted
    )
