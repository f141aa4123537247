"""Which paths belong to this face, and what they ask for: the model and the method stand there.

The trap: names of models hold slashes and colons (`provider/model`, `model:8b`), so that all that
a path says lies before its last colon. A client that takes a name with a slash for a resource's
leaves `models/` out (`/v1beta/provider/model:generateContent`).

Reference: https://ai.google.dev/api#v1beta and, for the longer form,
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from federation.errors import InvalidRequest
from federation.schema.http import ClientRequest

GENERATE, STREAM, COUNT = "generateContent", "streamGenerateContent", "countTokens"
EMBED, EMBED_BATCH = "embedContent", "batchEmbedContents"
CHATS: Final = frozenset((GENERATE, STREAM, COUNT))
EMBEDDINGS: Final = frozenset((EMBED, EMBED_BATCH))
_OTHERS: Final = frozenset(
    ("asyncBatchEmbedContent", "batchGenerateContent", "predict", "predictLongRunning")
)
"""What the vendor's models do, and none here: only so that errors are in its words."""
METHODS: Final = CHATS | EMBEDDINGS | _OTHERS

_HOUSE: Final = "google"
_LONGEST: Final = 256
_PATH: Final = re.compile(
    r"/v1(?:(?:alpha|beta)\d*)?/"
    r"(?:(?:projects/[^/]+/locations/[^/]+/)?(?:publishers/(?P<publisher>[^/]+)/)?"
    r"models/(?P<model>.+)|(?!projects/|publishers/)(?P<resource>[^/]+/.+))"
    r":(?P<method>[A-Za-z]+)",
    re.DOTALL,
)
_BEGINNINGS: Final = ("/v1beta", "/v1alpha", "/v1/projects/", "/v1/publishers/")


def route(path: str, methods: Collection[str] = CHATS) -> tuple[str, str] | None:
    """The model and the method that a percent-decoded path names; None for other paths, and
    for other methods.

    A publisher other than the vendor stays part of the name: its client turns `maker/model`
    into `publishers/maker/models/model`.
    """
    match = _PATH.fullmatch(path)
    if match is None or match["method"] not in methods:
        return None
    publisher, model = match["publisher"], match["model"] or match["resource"]
    if publisher is not None and publisher != _HOUSE:
        model = f"{publisher}/{model}"
    return model, match["method"]


def speaks(path: str) -> bool:
    """Whether errors on this path, be there anything or not, are in this face's words."""
    return path.startswith(_BEGINNINGS) or route(path, METHODS) is not None


def asked(request: ClientRequest, methods: Collection[str] = CHATS) -> tuple[str, str]:
    """As `route`, for a request that was routed here. Raises `InvalidRequest`."""
    found = route(request.path, methods)
    if found is None:
        listed = ", ".join(f":{method}" for method in sorted(methods))
        raise InvalidRequest(
            f"The path must end in models/{{model}} and one of {listed}.", param="model"
        )
    if len(found[0]) > _LONGEST:
        raise InvalidRequest(f"The model's name is over {_LONGEST} characters.", param="model")
    return found


def is_long_form(request: ClientRequest) -> bool:
    """Whether the path is the longer one, whose answers write citations differently."""
    return "/publishers/" in request.path


def wants_events(request: ClientRequest) -> bool:
    """Whether a stream is to come as server-sent events; else it is one JSON array."""
    terms = request.query.split("&")
    return "alt=sse" in terms or "$alt=sse" in terms or "%24alt=sse" in terms
