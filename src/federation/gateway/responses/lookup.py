"""What clients may do with a response by its id: fetch it, list its input, cancel, delete.

Another tenant's response is answered exactly like one that is not there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

from federation.dialects.openai_responses import state
from federation.dialects.openai_responses.listing import input_items, read_page
from federation.domain.access import VirtualKey
from federation.errors import InvalidRequest, MethodNotAllowed, NotFound
from federation.gateway.responses.background import Background
from federation.gateway.responses.history import as_it_is, unpack
from federation.gateway.responses.store import ResponseStore
from federation.gateway.threads import off_loop
from federation.schema.http import ClientReply, ClientRequest
from federation.schema.storing import CANCELLED

_JSON = (b"content-type", b"application/json")
_PREFIXES = ("/v1/responses/", "/responses/")
_TERMS = 20

Answer = Callable[[ClientRequest, VirtualKey], Awaitable[ClientReply]]


class Lookup:
    """The endpoints below `/v1/responses/`; one for each worker."""

    def __init__(self, store: ResponseStore, background: Background) -> None:
        self._store = store
        self.background = background
        self._answers: dict[str, dict[str, Answer]] = {
            "": {"GET": self._retrieve, "HEAD": self._retrieve, "DELETE": self._delete},
            "input_items": {"GET": self._input_items, "HEAD": self._input_items},
            "cancel": {"POST": self._cancel},
        }

    def endpoint(self, method: str, path: str) -> Answer | None:
        """Who answers; None where the path is none of these. Raises `MethodNotAllowed`."""
        place = _place(path)
        found = self._answers.get(place[1]) if place is not None else None
        if found is None:
            return None
        answer = found.get(method)
        if answer is None:
            raise MethodNotAllowed("This path does not answer that method.", *found)
        return answer

    async def _retrieve(self, request: ClientRequest, key: VirtualKey) -> ClientReply:
        try:
            asked = dict(parse_qsl(request.query, max_num_fields=_TERMS))
        except ValueError:
            raise InvalidRequest("The query has too many terms.") from None
        if asked.get("stream", "false").lower() not in ("false", "0", ""):
            raise InvalidRequest(
                "A kept response is not streamed again. Fetch it without 'stream'.",
                code="stream_not_offered",
                param="stream",
            )
        found = await self._find(request, key)
        return ClientReply(200, [_JSON], state.retrieved(found))

    async def _input_items(self, request: ClientRequest, key: VirtualKey) -> ClientReply:
        page = read_page(request.query)
        found = await self._find(request, key)
        return ClientReply(200, [_JSON], input_items(found.input, page))

    async def _delete(self, request: ClientRequest, key: VirtualKey) -> ClientReply:
        name = _name(request)
        if not await self._store.remove(key.tenant, name):
            raise _missing(name)
        self.background.cancel(name)
        return ClientReply(200, [_JSON], state.deleted(name))

    async def _cancel(self, request: ClientRequest, key: VirtualKey) -> ClientReply:
        found = await self._find(request, key)
        after = state.cancelled(found)
        if after is not found:
            if await self._store.mark(key.tenant, found.id, CANCELLED):
                self.background.cancel(found.id)
            else:
                after = await self._find(request, key)
        return ClientReply(200, [_JSON], state.retrieved(after))

    async def _find(self, request: ClientRequest, key: VirtualKey) -> state.Stored:
        name = _name(request)
        held = await self._store.find(key.tenant, name)
        if held is None:
            raise _missing(name)

        def found() -> state.Stored:
            return as_it_is(unpack(held.payload).stored, held.status)

        return await off_loop(len(held.payload), found)


def _place(path: str) -> tuple[str, str] | None:
    """The id in a path, and what stands behind it."""
    for prefix in _PREFIXES:
        if path.startswith(prefix):
            name, _, rest = path[len(prefix) :].partition("/")
            return (name, rest) if name else None
    return None


def _name(request: ClientRequest) -> str:
    place = _place(request.path)
    return place[0] if place is not None else ""


def _missing(name: str) -> NotFound:
    return NotFound(
        f"The response '{name[:80]}' is not kept here.",
        code="response_not_found",
        param="response_id",
    )
