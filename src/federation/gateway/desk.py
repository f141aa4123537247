"""The front desk of a worker: which path is answered by whom, and who may ask.

Every path but health and the pages of control needs a key. A key is looked up before a
body is read into, so that strangers cost next to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from federation.dialects.operations.table import find_client
from federation.dialects.table import CLIENTS
from federation.domain.access import Role, VirtualKey
from federation.domain.asker import identify
from federation.errors import (
    FederationError,
    Forbidden,
    InvalidRequest,
    LoopDetected,
    MethodNotAllowed,
    NotFound,
    Unavailable,
)
from federation.gateway import listing
from federation.gateway.call import direct
from federation.gateway.client_listings import asker, shown, tells, told
from federation.gateway.passing import Passing, is_passed
from federation.gateway.paths import (
    chat_dialect,
    count_dialect,
    error_dialect,
    is_model,
    is_operation,
    is_passage,
    keyed_by_query,
)
from federation.gateway.responses.lookup import Lookup
from federation.gateway.route_endpoint import RouteEndpoint
from federation.gateway.world import World
from federation.schema.http import ClientReply, ClientRequest
from federation.telemetry.metrics import REFUSED

JSON = [(b"content-type", b"application/json")]
_SERVER = "*"
"""What a client names that asks about the server and nothing on it (RFC 9110, section 9.3.7)."""
_ALLOWED = [(b"allow", b"DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT")]
_HEALTH = ("/health", "/health/ready")
_TWICE = "This client adds '/v1' itself: leave it out of the base URL."
_LONG = 200
"""Characters of a path that are told."""
_SLASHES = re.compile("/{2,}")
_KEPT = "To go on with a conversation, send `previous_response_id` to /v1/responses."
_PASSED = "Where its operator allows it, /passthrough/{provider}/... reaches a provider's own."
_UNSERVED: dict[str, str] = {
    **dict.fromkeys(("conversations", "assistants", "threads"), _KEPT),
    **dict.fromkeys(
        ("files", "uploads", "batches", "fine_tuning", "vector_stores", "containers", "realtime"),
        _PASSED,
    ),
}
"""What clients of a known language ask for below /v1 and do not get here, with what to do."""
_INFER = "infer"
_INFERENCE_ROLES = frozenset((Role.ADMIN, Role.OWNER, Role.DEVELOPER))

Endpoint = Callable[[ClientRequest, VirtualKey], Awaitable[ClientReply]]


class Desk:
    """The worker's handler: `await desk(request)` answers any request."""

    def __init__(
        self,
        world: World,
        chats: Mapping[str, Endpoint],
        stored: Lookup,
        counts: Mapping[str, Endpoint],
        operations: Endpoint,
        passage: Endpoint,
        route: RouteEndpoint,
        passing: Passing,
    ) -> None:
        self._world = world
        self._operations = operations
        self._passage = passage
        self._passing = passing
        self._chats = {name: direct(chats[name]) for name in chats}
        self._stored = stored
        self._counts = counts
        self._posts: dict[str, Endpoint] = {"/v1/route": route, "/api/show": self._show}
        self._gets: dict[str, Endpoint] = {
            "/v1/models": self._models,
            "/models": self._models,
            "/v1/providers": self._providers,
            "/providers": self._providers,
        }

    def __call__(self, request: ClientRequest) -> Awaitable[ClientReply]:
        """Answer a request, or raise the `FederationError` that the listener renders: at once, or
        where it is awaited."""
        path, method = request.path, request.method
        via = request.headers.get(b"via")
        if via is not None and self._world.via in via:
            raise LoopDetected(
                "This request came from this gateway itself: a provider's base_url names it."
            )
        called = self._called(method, path)
        if called is not None:
            return called(request, self._caller(request))
        return self._rest(request)

    async def _rest(self, request: ClientRequest) -> ClientReply:
        """What is answered without a model."""
        path, method = request.path, request.method
        if method in ("GET", "HEAD"):
            if tells(request):
                return self._told(request)
            endpoint = self._gets.get(path)
            if endpoint is not None:
                return await endpoint(request, self.identify(request))
            if path.startswith("/v1/models/"):
                return self._model(request, self.identify(request))
            if path == "/health":
                return ClientReply(200, JSON, b'{"status":"ok"}')
            if path == "/health/ready":
                return await self._ready()
        if is_passed(path):
            return await self._passing(request)
        if path == _SERVER and method == "OPTIONS":
            return ClientReply(204, _ALLOWED, b"")
        raise self._unknown(path)

    def welcome(self, request: ClientRequest) -> None:
        """Raise what a request will get whatever its body, before a client that asks for leave
        sends it: there is nothing to call, or it may not call. Control knows its own askers."""
        path, method = request.path, request.method
        if self._called(method, path) is not None:
            self._caller(request)
        elif method not in ("GET", "HEAD") and not is_passed(path):
            raise self._unknown(path)

    def _called(self, method: str, path: str) -> Endpoint | None:
        """What answers those alone who may call models. Raises `MethodNotAllowed`."""
        found = None
        if method == "POST" or is_passage(path):
            found = self._chats.get(chat_dialect(path)) or self._post(path)
        return found or self._stored.endpoint(method, path)

    def _post(self, path: str) -> Endpoint | None:
        found = self._posts.get(path) or self._counts.get(count_dialect(path))
        if found is None and is_operation(path):
            return self._operations
        return self._passage if found is None and is_passage(path) else found

    def identify(self, request: ClientRequest) -> VirtualKey:
        """The virtual key that a request presents. Raises `Unauthorized`."""
        is_open = self._world.current().snapshot.settings.open
        query = request.query if request.query and keyed_by_query(request.path) else ""
        return identify(request.headers, self._world.keys.find, is_open=is_open, query=query)

    def _caller(self, request: ClientRequest) -> VirtualKey:
        """The key of somebody who may call models. Raises `Unauthorized`, `Forbidden`."""
        key = self.identify(request)
        if key.role not in _INFERENCE_ROLES:
            raise Forbidden(f"A key with the role {key.role.value!r} may not call models.")
        if not key.allows(_INFER):
            raise Forbidden(f"This key is limited to {', '.join(key.scopes)}: it calls no models.")
        return key

    def refusal(self, error: FederationError, path: str) -> ClientReply:
        """An error as `render_error` writes it, counted where no deployment was asked."""
        if not error.attempts:
            self._world.meter.add(REFUSED, (error.code,))
        return render_error(error, path)

    async def drain(self, within_s: float) -> None:
        """Let calls finish that no client waits for."""
        await self._stored.background.drain(within_s)

    def _reach(self, key: VirtualKey) -> listing.Reach:
        return listing.Reach(self._world.current(), key, int(self._world.wall() * 1000))

    def _told(self, request: ClientRequest) -> ClientReply:
        """What there is, or why it is not told, in the words of whoever asks."""
        try:
            return ClientReply(200, JSON, told(self._reach(self.identify(request)), request))
        except FederationError as error:
            return CLIENTS[asker(request)].render_error(error, error.call_id)

    async def _models(self, request: ClientRequest, key: VirtualKey) -> ClientReply:
        return ClientReply(200, JSON, listing.models(self._reach(key)))

    async def _show(self, request: ClientRequest, key: VirtualKey) -> ClientReply:
        return ClientReply(200, JSON, shown(self._reach(key), request))

    def _model(self, request: ClientRequest, key: VirtualKey) -> ClientReply:
        name = request.path.removeprefix("/v1/models/")
        return ClientReply(200, JSON, listing.model(self._reach(key), name))

    async def _providers(self, request: ClientRequest, key: VirtualKey) -> ClientReply:
        world = self._world
        body = listing.providers(
            world.current(), key, world.health, world.clock(), int(world.wall() * 1000)
        )
        return ClientReply(200, JSON, body)

    async def _ready(self) -> ClientReply:
        world = self._world
        if world.draining:
            raise Unavailable("Draining: this worker takes no new calls.", code="draining")
        situation = world.current()
        usable = sum(map(situation.serves, range(len(situation.lines))))
        if not usable:
            raise Unavailable(
                "No deployment is usable: set a provider's key or add a row to providers.yaml.",
                code="no_usable_deployment",
            )
        if world.stuck():
            raise Unavailable(
                "Records of calls cannot be written: is the data directory full, or read-only?",
                code="evidence_unwritable",
            )
        if (doubt := world.journal.doubt()) is not None:
            await doubt
        if not world.store_writable:
            raise Unavailable("The store cannot be written.", code="store_not_writable")
        body = {"status": "ready", "deployments": usable, "snapshot": situation.snapshot.version}
        return ClientReply(200, JSON, msgspec.json.encode(body))

    def _unknown(self, path: str) -> FederationError:
        allowed = self._methods(path)
        if path == _SERVER:
            return InvalidRequest("The target '*' is for OPTIONS alone: name a path.")
        if allowed:
            return MethodNotAllowed("This path does not answer that method.", *allowed)
        served = _UNSERVED.get(path[:_LONG].removeprefix("/v1/").partition("/")[0])
        if served is not None and path.startswith("/v1/"):
            what = f"This gateway does not serve {path[:_LONG]!r}."
            return NotFound(f"{what} {served}", code="unsupported_endpoint")
        plain = _SLASHES.sub("/", path[:_LONG]).rstrip("/")
        if plain != path and self._methods(plain):
            hint = f"It is {plain!r}: there is a slash too many, maybe in the client's base URL."
        else:
            hint = _TWICE if path.startswith("/v1/v1/") else "GET /docs lists what there is."
        return NotFound(f"There is nothing at {path[:_LONG]!r}. {hint}")

    def _methods(self, path: str) -> set[str]:
        """What a path of ours answers; none where there is nothing."""
        allowed = set[str]()
        if path in self._posts or chat_dialect(path) or count_dialect(path) or is_operation(path):
            allowed.add("POST")
        if path in self._gets or path in _HEALTH or is_model(path):
            allowed.add("GET")
        return allowed


def render_error(error: FederationError, path: str) -> ClientReply:
    """An error in the format of the face that the path belongs to."""
    operation = find_client(path)
    if operation is not None:
        return operation.render_error(error, error.call_id)
    return CLIENTS[error_dialect(path)].render_error(error, error.call_id)
