"""The official client's idea of requests, and a server on loopback that speaks for us."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from anthropic.types import message_count_tokens_params, message_create_params
from anthropic.types.beta import message_create_params as beta_params
from pydantic import BaseModel, TypeAdapter

from federation.dialects.anthropic.upstream import AnthropicUpstream, prepare
from federation.domain.catalogue import Ability, Auth, Deployment, Model, Provider, Tier
from federation.domain.routes import Settings
from federation.schema.http import ClientReply, ClientRequest

Answer = Callable[[ClientRequest], ClientReply]

OLDER = frozenset(Ability)
"""What a model of the 4.5 generation can do."""


def make_upstream(
    *,
    quirks: dict[str, object] | None = None,
    model: str = "claude-x",
    model_quirks: dict[str, object] | None = None,
    abilities: frozenset[Ability] = OLDER,
    max_output: int | None = 64_000,
    base_url: str = "https://api.acme.test/v1",
    auth: Auth | None = None,
    settings: Settings | None = None,
    **others: Any,
) -> AnthropicUpstream:
    """A deployment of a row with these facts."""
    signing = auth or Auth("header", "x-api-key", "", {"anthropic-version": "2023-06-01"})
    provider = Provider(
        "acme", "Acme", Tier.FRONTIER, "anthropic", base_url, auth=signing, quirks=quirks or {}
    )
    known = Model(model, max_output=max_output, abilities=abilities, quirks=model_quirks or {})
    deployment = Deployment(f"acme/{model}", provider, known, usable=True)
    return prepare(deployment, settings or Settings(), **others)


def make_request(body: Any, headers: dict[bytes, bytes] | None = None) -> ClientRequest:
    """A messages call with this body."""
    data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return ClientRequest("POST", "/v1/messages", "", headers or {}, data)


def materialized(value: Any) -> Any:
    """The value with its lazily validated iterables drawn, so that every item is checked.

    Blocks of an answer are taken as models, which keep what they do not know: that counts as
    unknown here.
    """
    if isinstance(value, BaseModel):
        assert not value.model_extra
        return materialized(value.model_dump(exclude_unset=True))
    if isinstance(value, Mapping):
        return {name: materialized(item) for name, item in value.items()}
    if isinstance(value, list | tuple | Iterator) or type(value).__name__ == "ValidatorIterator":
        return [materialized(item) for item in value]
    return value


class VendorRequests:
    """Checks bodies against the official client's request types, unknown members included."""

    def __init__(self) -> None:
        kinds: dict[str, Any] = {
            "messages": message_create_params.MessageCreateParamsBase,
            "beta": beta_params.MessageCreateParamsBase,
            "count": message_count_tokens_params.MessageCountTokensParams,
        }
        self._adapters = {name: TypeAdapter(kind, config=None) for name, kind in kinds.items()}

    def check(self, body: Mapping[str, Any], kind: str = "messages") -> None:
        """Raise where the official client could not have sent this body."""
        # The newest version of the API has no sampling; the one that we speak upstream has.
        apart = ("stream", "temperature", "top_p", "top_k", "anthropic_version")
        known = {name: value for name, value in body.items() if name not in apart}
        assert materialized(self._adapters[kind].validate_python(known)) == known


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """A server on loopback whose answers are made by a function; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            size = int(self.headers.get("content-length", 0))
            headers = {k.lower().encode(): v.encode() for k, v in self.headers.items()}
            path, _, query = self.path.partition("?")
            reply = answer(ClientRequest("POST", path, query, headers, self.rfile.read(size)))
            assert isinstance(reply.body, bytes)
            self.send_response(reply.status)
            for name, value in reply.headers:
                self.send_header(name.decode(), value.decode())
            self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
