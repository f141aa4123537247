"""What clients of this dialect ask about models: which there are, and what one can do.

Clients choose by these answers, so a model's abilities are told in the server's words. What
only a file on a disk has (size, quantization, template) is told as empty, never made up.

Reference: https://docs.ollama.com/api/tags, https://docs.ollama.com/api-reference/show-model-details
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from federation.dialects.malformed import missing
from federation.dialects.ollama.moments import write_moment
from federation.domain.catalogue import Ability, Model
from federation.errors import InvalidRequest

SPOKEN: Final = "0.33.2"
"""The version of the server whose calls are answered here; clients refuse older ones."""


class _Show(msgspec.Struct):
    model: str | None = None
    name: str | None = None


_SHOW: Final = msgspec.json.Decoder(_Show)


def render_version() -> bytes:
    """The answer to `GET /api/version`."""
    return msgspec.json.encode({"version": SPOKEN})


def render_tags(models: Iterable[tuple[str, Model | None]], created: int = 0) -> bytes:
    """The answer to `GET /api/tags`: public names, each with the model behind it where there
    is one, and a moment in Unix seconds for all of them."""
    moment = write_moment(created)
    return msgspec.json.encode(
        {
            "models": [
                {
                    "name": name,
                    "model": name,
                    "modified_at": moment,
                    "size": 0,
                    "digest": hashlib.sha256(name.encode()).hexdigest(),
                    "details": _details(model),
                }
                for name, model in models
            ]
        }
    )


def read_show(body: bytes) -> str:
    """The model that a `POST /api/show` asks about. Raises `InvalidRequest`."""
    try:
        found = _SHOW.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidRequest(
            "The body must be a JSON object with a 'model'.", code="invalid_json"
        ) from None
    name = found.model or found.name
    if not name:
        raise missing("model")
    return name


def render_show(model: Model | None) -> bytes:
    """The answer to `POST /api/show`; None for a name that stands for several models."""
    info: dict[str, Any] = {}
    family = (model.family if model is not None else "") or "unknown"
    info["general.architecture"] = family
    if model is not None:
        info["general.basename"] = model.name or model.id
        if model.context is not None:
            info[f"{family}.context_length"] = model.context
    return msgspec.json.encode(
        {
            "modelfile": "",
            "parameters": "",
            "template": "",
            "license": "",
            "modified_at": write_moment(0),
            "details": _details(model),
            "model_info": info,
            "capabilities": _capabilities(model),
        }
    )


def _details(model: Model | None) -> dict[str, Any]:
    family = model.family if model is not None else ""
    return {
        "parent_model": "",
        "format": "",
        "family": family,
        "families": [family] if family else [],
        "parameter_size": "",
        "quantization_level": "",
    }


def _capabilities(model: Model | None) -> list[str]:
    if model is None:
        return ["completion", "tools"]
    known = ["completion"] if "chat" in model.operations else []
    if "embeddings" in model.operations:
        known.append("embedding")
    if Ability.TOOLS in model.abilities:
        known.append("tools")
    if "image" in model.input_modalities:
        known.append("vision")
    if Ability.REASONING in model.abilities:
        known.append("thinking")
    return known
