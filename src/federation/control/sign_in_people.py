"""People who sign in at an identity provider, by way of the gateway (RFC 6749, RFC 7636, RFC 8252).

A program (the command line, the dashboard) sends a person's browser here, the browser goes on to
the provider and comes back, and the program gets a code which it exchanges for tokens. The
provider's code and secret never leave the gateway.

Nothing is kept between these steps, so that any replica can take the next one: what has to be
remembered travels sealed in the state and in the code. The trap is a browser that brings back
somebody else's state: it is bound to a cookie of the browser that set out.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec

from federation.config.sign_in_settings import IssuerSettings, SignInSettings
from federation.control.sign_in import Granted, SignInDesk
from federation.control.sign_in_issuers import asked
from federation.control.tenancy import Tenancy
from federation.credentials import oidc
from federation.credentials.bearers import verifying_keys
from federation.credentials.claims import Claims
from federation.credentials.subjects import refused, user_of
from federation.domain.access import DEFAULT_TENANT, Role, VirtualKey
from federation.domain.tenancy import User
from federation.errors import CallerError, InvalidRequest, NotFound
from federation.storage.sealing import Sealer, Unsealable

log = logging.getLogger(__name__)

T = TypeVar("T", bound=msgspec.Struct)

CALLBACK: Final = "/auth/callback"
STATE_S: Final = 600
CODE_S: Final = 60
_LONGEST: Final = 4_096
_LOOPBACK: Final = ("127.0.0.1", "::1")
_OURSELVES: Final = VirtualKey("sign_in", b"", "sign-in", DEFAULT_TENANT, Role.ADMIN, 0)


class _State(msgspec.Struct, array_like=True):
    """What the browser carries to the provider and back."""

    issuer: str
    nonce: str
    verifier: str
    redirect: str
    challenge: str
    wanted: str
    browser: bytes
    until_s: int


class _Code(msgspec.Struct, array_like=True):
    """What the program exchanges for tokens."""

    session: str
    tenant: str
    user: str
    redirect: str
    challenge: str
    until_s: int


@dataclass(frozen=True, slots=True)
class Departure:
    """Where a browser goes to, and the cookie that it takes along."""

    url: str
    cookie: str = field(repr=False)


class PeopleDoor:
    """Sign-in of people. `key` seals what travels; `clock` is Unix seconds."""

    def __init__(
        self,
        desk: SignInDesk,
        tenancy: Tenancy,
        settings: Callable[[], SignInSettings],
        key: bytes,
        clock: Callable[[], float],
    ) -> None:
        self._desk = desk
        self._tenancy = tenancy
        self._settings = settings
        self._sealer = Sealer(hmac.digest(key, b"federation/sign-in-state/1", "sha256"))
        self._clock = clock

    async def depart(self, name: str, redirect: str, challenge: str, wanted: str) -> Departure:
        """Send a browser to a provider. Raises `NotFound` for one that there is not,
        `InvalidRequest` for a place that nobody may be sent back to, `UpstreamError`."""
        row = self._row(name)
        if not self._may_return(redirect):
            message = (
                "'redirect_uri' should be http://127.0.0.1:<port>/... or http://[::1]:<port>/... "
                "for a program, or below the gateway's own public_url."
            )
            raise InvalidRequest(message, param="redirect_uri")
        if not oidc.is_challenge(challenge):
            message = "'code_challenge' should be the SHA-256 of a verifier, in base64url."
            raise InvalidRequest(message, param="code_challenge")
        if len(wanted) > 512:
            raise InvalidRequest("'state' has at most 512 characters.", param="state")
        endpoints = await self._desk.issuers.endpoints(row)
        cookie, nonce = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        verifier = secrets.token_urlsafe(48)
        until_s = int(self._clock()) + STATE_S
        bound = hashlib.sha256(cookie.encode()).digest()
        state = _State(name, nonce, verifier, redirect, challenge, wanted, bound, until_s)
        fields = {
            "client_id": row.client_id,
            "redirect_uri": self._callback(),
            "state": self._seal("state", state),
            "nonce": nonce,
        }
        url = oidc.authorization_url(endpoints, fields, row.scopes, oidc.challenge_of(verifier))
        return Departure(url, cookie)

    async def arrive(self, code: str, state: str, cookie: str, error: str, source: str) -> str:
        """A browser comes back from a provider: where to send it now, with a code or an error.

        Raises `InvalidRequest` where it did not set out from here, or not in time: then nobody
        can say where it should go.
        """
        self._desk.admit((source,))
        found = self._unseal("state", state, _State)
        bound = hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).digest()
        if (
            found is None
            or found.until_s <= self._clock()
            or not hmac.compare_digest(bound, found.browser)
        ):
            message = "This sign-in was not begun in this browser, or too long ago. Begin again."
            raise InvalidRequest(message, code="sign_in_lost")
        answer = {"state": found.wanted} if found.wanted else {}
        try:
            if error or not code:
                raise refused()
            user = await self._who(self._row(found.issuer), code, found)
        except CallerError as fault:
            log.warning("a sign-in was refused", extra={"issuer": found.issuer, "why": fault.code})
            self._desk.failed((source,))
            answer["error"] = "access_denied"
        else:
            until_s = int(self._clock()) + CODE_S
            session = f"ses_{secrets.token_hex(16)}"
            made = _Code(session, user.tenant, user.id, found.redirect, found.challenge, until_s)
            answer["code"] = self._seal("code", made)
        mark = "&" if urlsplit(found.redirect).query else "?"
        return f"{found.redirect}{mark}{urlencode(answer)}"

    async def exchange(self, code: str, verifier: str, redirect: str, source: str) -> Granted:
        """Tokens for a code, once. Raises `Unauthorized`, `RateLimited`.

        A code that is used again ends the session that it had opened: two have it.
        """
        found = self._unseal("code", code, _Code)
        names = (source,) if found is None else (source, f"code/{found.session}")
        self._desk.admit(names)
        if (
            found is None
            or found.until_s <= self._clock()
            or found.redirect != redirect
            or not oidc.answers(verifier, found.challenge)
        ):
            raise self._desk.failed(names)
        key = self._desk.bearers.of_session(f"user:{found.tenant}/{found.user}")
        return await self._desk.open(key, name=found.session)

    async def _who(self, row: IssuerSettings, code: str, state: _State) -> User:
        """Who came back, as a user in force. Raises `CallerError`, `UpstreamError`."""
        issuers = self._desk.issuers
        endpoints = await issuers.endpoints(row)
        fields = {
            "code": code,
            "redirect_uri": self._callback(),
            "code_verifier": state.verifier,
        }
        secret = await asyncio.to_thread(issuers.secret, row)
        request = oidc.code_request(
            endpoints,
            fields,
            row.client_id,
            secret,
            in_body=row.in_body,
            private=row.private,
        )
        token = oidc.read_id_token(await asked(issuers.transport, request))
        keys = verifying_keys(await issuers.keys(row))
        issuer, now_s = row.trusted.issuer, self._clock()
        claims = oidc.identity(token, keys, issuer, row.client_id, state.nonce, now_s)
        return await self._user(row, claims)

    async def _user(self, row: IssuerSettings, claims: Claims) -> User:
        said = user_of(row.trusted, claims.more)
        known = self._desk.bearers.user(said.tenant, said.id)
        if known is None and not row.trusted.rules.known:
            made = replace(said, created_ms=int(self._clock() * 1000))
            known = await self._added(made)
        if known is None or known.suspended:
            raise refused()
        return known

    async def _added(self, user: User) -> User:
        """Somebody who comes for the first time; without a team that there is not."""
        try:
            return await self._tenancy.users.add(_OURSELVES, user)
        except NotFound:
            if not user.team:
                raise
            return await self._tenancy.users.add(_OURSELVES, replace(user, team=""))

    def _row(self, name: str) -> IssuerSettings:
        row = self._desk.issuers.find(name)
        if row is None:
            raise NotFound(f"Nobody signs in at '{name}'.", param="issuer")
        return row

    def _callback(self) -> str:
        return self._settings().public_url + CALLBACK

    def _may_return(self, redirect: str) -> bool:
        """A program on the person's own machine, or a page of ours."""
        if len(redirect) > _LONGEST or not redirect.isascii() or not redirect.isprintable():
            return False
        try:
            parts = urlsplit(redirect)
            host, port = parts.hostname, parts.port
        except ValueError:
            return False
        if parts.username is not None or parts.fragment or "\\" in redirect:
            return False
        if parts.scheme == "http" and host in _LOOPBACK and port:
            return True
        own = self._settings().public_url
        return bool(own) and redirect.startswith(f"{own}/")

    def _seal(self, kind: str, value: msgspec.Struct) -> str:
        sealed = self._sealer.seal("sign-in", kind, msgspec.msgpack.encode(value))
        return urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def _unseal(self, kind: str, text: str, form: type[T]) -> T | None:
        """What was sealed here; None for any other text."""
        if len(text) > 2 * _LONGEST or not text.isascii():
            return None
        try:
            sealed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
            content = self._sealer.open("sign-in", kind, sealed)
        except (ValueError, Unsealable):
            return None
        return msgspec.msgpack.decode(content, type=form)
