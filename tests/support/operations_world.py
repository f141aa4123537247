"""Deployments, make-believe providers and a gateway in miniature, for operations but chat."""

from __future__ import annotations

import base64
import json
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from federation.dialects.operations import table, upstream
from federation.dialects.operations.upstream import OperationUpstream
from federation.domain.catalogue import Auth, Deployment, Model, Provider, Tier
from federation.errors import FederationError
from federation.schema.http import ClientReply, ClientRequest, WireReply, WireRequest

Answer = Callable[[WireRequest], WireReply]

COHERE = {"invoke_body": "cohere"}


def deployment(
    operation: str,
    dialect: str = "openai",
    *,
    model: str = "acme-1",
    base_url: str = "https://api.acme.test/v1",
    quirks: dict[str, object] | None = None,
    model_quirks: dict[str, object] | None = None,
    provider_operations: tuple[str, ...] = ("chat",),
    model_operations: tuple[str, ...] | None = None,
    auth: Auth | None = None,
    dimensions: int | None = None,
) -> Deployment:
    """A deployment of one model that does one operation."""
    provider = Provider(
        "acme",
        "Acme",
        Tier.FRONTIER,
        dialect,
        base_url,
        auth=auth or Auth(),
        quirks=quirks or {},
        operations=provider_operations,
    )
    offered = Model(
        model,
        operations=model_operations or (operation,),
        quirks=model_quirks or {},
        dimensions=dimensions,
    )
    return Deployment(f"acme/{model}", provider, offered, usable=True)


def prepared(operation: str, dialect: str = "openai", **facts: Any) -> OperationUpstream[Any, Any]:
    """An upstream for such a deployment."""
    codec = table.OPERATION_UPSTREAMS[operation, dialect]
    return upstream.prepare(
        codec,
        deployment(operation, dialect, **facts),
        headers=((b"authorization", b"Bearer sk-upstream-secret"),),
        secret="sk-upstream-secret",
    )


def request(
    path: str, body: dict[str, Any] | bytes, headers: dict[bytes, bytes] | None = None
) -> ClientRequest:
    """A client's request; a body that is no bytes is JSON."""
    if not isinstance(body, bytes):
        body = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return ClientRequest("POST", path, "", headers or {}, body)


def vector_of(text: str, size: int = 4) -> list[float]:
    """A vector that only this text has, of numbers that float32 holds exactly."""
    seed = sum(text.encode()) + len(text)
    return [((seed * (place + 3)) % 257) / 256 for place in range(size)]


def _packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _reply(body: Any, headers: dict[bytes, bytes] | None = None) -> WireReply:
    return WireReply(
        200,
        {b"content-type": b"application/json", **(headers or {})},
        json.dumps(body).encode(),
    )


def _openai(sent: WireRequest) -> WireReply:
    body = json.loads(sent.body)
    given = body["input"] if isinstance(body["input"], list) else [body["input"]]
    texts = [item if isinstance(item, str) else json.dumps(item) for item in given]
    size = body.get("dimensions") or body.get("output_dimension") or 4
    form = body.get("encoding_format") or body.get("embedding_type") or "float"
    vectors = [vector_of(text, size) for text in texts]
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": _packed(vector) if form == "base64" else vector,
        }
        for index, vector in enumerate(vectors)
    ]
    used = sum(map(len, texts))
    return _reply(
        {
            "object": "list",
            "data": data,
            "model": body["model"],
            "usage": {"prompt_tokens": used, "total_tokens": used},
        }
    )


def _cohere(sent: WireRequest) -> WireReply:
    body = json.loads(sent.body)
    texts = body.get("texts") or body.get("images") or [json.dumps(i) for i in body["inputs"]]
    size = body.get("output_dimension") or 4
    vectors = [vector_of(text, size) for text in texts]
    forms: dict[str, Any] = {}
    for form in body["embedding_types"]:
        if form == "base64":
            forms[form] = [_packed(vector) for vector in vectors]
        elif form == "float":
            forms[form] = vectors
        else:
            forms[form] = [[int(number * 100) for number in vector] for vector in vectors]
    used = sum(map(len, texts))
    return _reply(
        {
            "id": "embd-1",
            "embeddings": forms,
            "texts": texts,
            "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": used}},
            "response_type": "embeddings_by_type",
        }
    )


def _bedrock_cohere(sent: WireRequest) -> WireReply:
    reply = _cohere(sent)
    body = json.loads(reply.body)
    used = body.pop("meta")["billed_units"]["input_tokens"]
    return _reply(body, {b"x-amzn-bedrock-input-token-count": b"%d" % used})


def _titan(sent: WireRequest) -> WireReply:
    body = json.loads(sent.body)
    vector = vector_of(body["inputText"], body.get("dimensions") or 4)
    return _reply(
        {
            "embedding": vector,
            "embeddingsByType": {"float": vector},
            "inputTextTokenCount": len(body["inputText"]),
        }
    )


def _gemini(sent: WireRequest) -> WireReply:
    body = json.loads(sent.body)
    single = sent.target.endswith(":embedContent")
    entries = [body] if single else body["requests"]
    vectors = []
    for entry in entries:
        if not single:
            assert entry["model"] == "models/" + unquote(sent.target).split("/")[-1].split(":")[0]
        size = entry.get("outputDimensionality") or 4
        text = "".join(part.get("text", "") for part in entry["content"]["parts"])
        vectors.append({"values": vector_of(text, size)})
    used = {"promptTokenCount": 7}
    if single:
        return _reply({"embedding": vectors[0], "usageMetadata": used})
    return _reply({"embeddings": vectors, "usageMetadata": used})


def _ollama(sent: WireRequest) -> WireReply:
    body = json.loads(sent.body)
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    return _reply(
        {
            "model": body["model"],
            "embeddings": [vector_of(text, body.get("dimensions") or 4) for text in texts],
            "total_duration": 1,
            "prompt_eval_count": sum(map(len, texts)),
        }
    )


def _rerank(sent: WireRequest) -> WireReply:
    body = json.loads(sent.body)
    texts = [item if isinstance(item, str) else item["text"] for item in body["documents"]]
    scores = sorted(((len(text), index) for index, text in enumerate(texts)), reverse=True)
    places = [{"index": index, "relevance_score": size / 128} for size, index in scores][
        : body.get("top_n") or body.get("top_k")
    ]
    if sent.target.endswith("/v2/rerank"):
        meta = {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}
        return _reply({"id": "rr-1", "results": places, "meta": meta})
    name = "data" if "return_documents" in body and "top_n" not in body and "top_k" in body else ""
    used = {"total_tokens": sum(map(len, texts))}
    return _reply({"model": body["model"], name or "results": places, "usage": used})


PROVIDERS: dict[str, tuple[str, str, dict[str, object], Answer]] = {
    "openai": ("openai", "https://api.acme.test/v1", {}, _openai),
    "cohere": ("cohere", "https://api.acme.test/v2", {}, _cohere),
    "gemini": ("gemini", "https://api.acme.test/v1beta", {}, _gemini),
    "ollama": ("ollama", "http://localhost:11434", {}, _ollama),
    "titan": ("bedrock", "https://bedrock.acme.test", {"invoke_body": "titan"}, _titan),
    "bedrock_cohere": (
        "bedrock",
        "https://bedrock.acme.test",
        {"invoke_body": "cohere"},
        _bedrock_cohere,
    ),
    "voyage": ("voyage", "https://api.acme.test/v1", {}, _openai),
    "jina": ("jina", "https://api.acme.test/v1", {}, _openai),
}
"""Embedding providers: dialect, base address, quirks of the model, and how they answer."""

RERANKERS: dict[str, tuple[str, str]] = {
    "openai": ("openai", "https://api.acme.test/v1"),
    "cohere": ("cohere", "https://api.acme.test/v2"),
    "jina": ("jina", "https://api.acme.test/v1"),
    "voyage": ("voyage", "https://api.acme.test/v1"),
}


class Miniature:
    """Answers clients as the gateway would, over one deployment that answers at once."""

    def __init__(self, operation: str, target: OperationUpstream[Any, Any], answer: Answer) -> None:
        self.operation = operation
        self.target = target
        self.answer = answer
        self.received: list[ClientRequest] = []
        self.sent: list[WireRequest] = []
        self.losses: tuple[str, ...] = ()

    def __call__(self, given: ClientRequest) -> ClientReply:
        """Forward or translate; errors in the client's words."""
        self.received.append(given)
        face = table.find_client(given.path)
        assert face is not None, given.path
        try:
            seen = face.glance(given)
            face = table.client_of(seen)
            if self.target.forwards == seen.dialect:
                return self._forwarded(given, seen)
            assert face.parse is not None
            assert face.render is not None
            asked = face.parse(given, seen)
            encoded = self.target.encode(asked)
            self.losses = encoded.losses
            self.sent += encoded.requests
            answered = self.target.decode(asked, [self.answer(one) for one in encoded.requests])
            body = face.render(answered, asked)
        except FederationError as error:
            return face.render_error(error, "call-1")
        return ClientReply(200, [(b"content-type", b"application/json")], body)

    def _forwarded(self, given: ClientRequest, seen: Any) -> ClientReply:
        wire = self.target.forward(seen, given)
        self.sent.append(wire)
        reply = self.answer(wire)
        if reply.status != 200:
            raise self.target.decode_error(reply.status, reply.headers, reply.body)
        kind = [(b"content-type", upstream.content_type(reply.headers))]
        if self.target.is_stream(seen, reply.headers):
            tap = self.target.tap(seen, reply.headers)
            body = b"".join(
                tap.feed(reply.body[at : at + 7]) for at in range(0, len(reply.body), 7)
            )
            return ClientReply(200, kind, body + tap.close())
        self.target.read_answer(seen, reply)
        return ClientReply(200, kind, reply.body)


@contextmanager
def loopback(answer: Callable[[ClientRequest], ClientReply]) -> Iterator[str]:
    """A real HTTP server on loopback that answers so; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            path, _, query = self.path.partition("?")
            headers = {k.lower().encode(): v.encode() for k, v in self.headers.items()}
            given = ClientRequest("POST", unquote(path), query, headers, self.rfile.read(size))
            reply = answer(given)
            assert isinstance(reply.body, bytes)
            self.send_response(reply.status)
            for name, value in reply.headers:
                self.send_header(name.decode(), value.decode())
            self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def embedder(name: str, **facts: Any) -> Miniature:
    """A gateway over one embeddings deployment of this make-believe provider."""
    dialect, base_url, quirks, answer = PROVIDERS[name]
    target = prepared(
        "embeddings",
        dialect,
        base_url=base_url,
        model_quirks={**quirks, **facts.pop("quirks", {})},
        **facts,
    )
    return Miniature("embeddings", target, answer)


def reranker(name: str, **facts: Any) -> Miniature:
    """A gateway over one rerank deployment of this make-believe provider."""
    dialect, base_url = RERANKERS[name]
    return Miniature("rerank", prepared("rerank", dialect, base_url=base_url, **facts), _rerank)
