"""Which paths belong to this face, and what they ask for: the model and the method stand there.

Reference: https://ai.google.dev/api#v1beta and, for the longer form,
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference
"""

from __future__ import annotations

import re
from typing import Final

from federation.errors import InvalidRequest
from federation.schema.http import ClientRequest

GENERATE, STREAM, COUNT = "generateContent", "streamGenerateContent", "countTokens"

_HOUSE: Final = "google"
_LONGEST: Final = 256
_PATH: Final = re.compile(
    r"/v1(?:(?:alpha|beta)\d*)?/"
    r"(?:projects/[^/]+/locations/[^/]+/)?(?:publishers/(?P<publisher>[^/]+)/)?"
    rf"models/(?P<model>.+):(?P<method>{GENERATE}|{STREAM}|{COUNT})",
    re.DOTALL,
)


def route(path: str) -> tuple[str, str] | None:
    """The model and the method that a percent-decoded path names; None for other paths.

    A publisher other than the vendor stays part of the name: its client turns `maker/model`
    into `publishers/maker/models/model`.
    """
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    publisher, model = match["publisher"], match["model"]
    if publisher is not None and publisher != _HOUSE:
        model = f"{publisher}/{model}"
    return model, match["method"]


def asked(request: ClientRequest) -> tuple[str, str]:
    """As `route`, for a request that was routed here. Raises `InvalidRequest`."""
    found = route(request.path)
    if found is None:
        raise InvalidRequest(
            "The path must end in models/{model}:generateContent, :streamGenerateContent or "
            ":countTokens.",
            param="model",
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
