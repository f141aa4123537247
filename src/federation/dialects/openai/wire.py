"""How one deployment is reached in this dialect: everything that can be prepared before a call.

Catalogue rows describe differences by quirks; a model's quirk overrides its provider's. The
ones read here, each optional:

    output_limit_field        max_tokens | max_completion_tokens: the one name that is accepted
    stream_usage              option (default) | always | x_groq | none: how usage is had in
                              streams; `none` rejects `stream_options`, only `option` needs it
    rename                    {ours: theirs}
    drop                      [field, ...]: not accepted
    accepts_only              [field, ...]: anything else is dropped
    default                   {field: value}: added where the client sent none
    set                       {field: value}: always set
    sampling                  drop: no temperature and its kin
    single_choice             true: no `n`
    output_limit_required     true: a limit is sent where the client sets none
    path                      what follows the base address, or {chat: ..., chat_stream: ...};
                              `{model}` in it stands for the model's name
    query                     {name: value}
    usage_excludes_reasoning  true: reasoning tokens are not part of the completion's
    usage_excludes_cached     true: cached tokens are not part of the prompt's
    usage_cached_field        where cached tokens are counted, if in a place of its own
    finish_reason_empty       true: an empty finish reason is one
    cost_field                usage.cost: where the answer states its price in USD
    throttle_status           [status, ...]: mean "slow down" like 429
    payment_status            [status, ...]: mean "out of funds" like 402
    loading_status            [status, ...]: mean that the model is being loaded

Quirks that ask for a change of content are read by `row`.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import msgspec

from federation.dialects.address import (
    NOWHERE,
    Reach,
    accepting,
    query_terms,
    secrets_of,
    shared_headers,
    split_address,
    with_query,
)
from federation.dialects.openai.row import Row, is_plain, read_row
from federation.dialects.openai.tables import SAMPLING
from federation.dialects.quirks import (
    Quirks,
    accepted,
    in_json,
    listed,
    mapping,
    path_of,
    quirks_of,
    statuses,
    words,
)
from federation.dialects.wires import FieldWire
from federation.domain.catalogue import Deployment, Model
from federation.domain.routes import Settings

_PATH: Final = "/chat/completions"
_OUTPUT: Final = 4096
"""Tokens to ask for where a limit must be sent and nobody knows the model's own."""
_LIMITS: Final = ("max_tokens", "max_completion_tokens")
_KEPT: Final = frozenset(("model", "messages"))


class Wire(FieldWire, frozen=True):
    """A deployment, ready to be called; `encode` adds the body. Holds a secret."""

    target: str
    model: bytes
    """The upstream model name, as JSON; empty where the body must not name it."""
    touched: frozenset[str]
    """Fields that this row drops or renames."""
    limits: tuple[str, ...]
    """Names of the output limit, any of which stops `max_tokens_default`."""
    stream_option: bool
    """Usage must be asked for, and may be."""
    reasoning_apart: bool
    cost_field: str
    stream_target: str = ""
    """Where streams are asked for, if elsewhere."""
    cached_apart: bool = False
    cached_field: str = ""
    finish_empty: bool = False
    row: Row = Row()
    plain: bool = True
    """Nothing in the row can ask for a change of content."""
    limit: str = ""
    """The name of the output limit, where only one is accepted."""
    known: frozenset[str] = frozenset()
    """Fields beside the vendor's that the row speaks of, so that they may be sent."""
    unsteered: bool = True
    """The row says nothing about how reasoning is asked for."""
    forms: dict[bytes, tuple[bytes, bytes] | None] = msgspec.field(default_factory=dict)
    """What goes before and behind the conversation, by `Glance.frame`; `forward` fills it."""


def prepare(deployment: Deployment, settings: Settings, reach: Reach = NOWHERE) -> Wire:
    """Prepare a deployment for calls. Raises `ValueError` as `address.split_address` does, and
    for a constant header that no request can carry."""
    quirks = quirks_of(deployment)
    origin, path = split_address(deployment.provider.base_url, private=reach.private)
    targets = _targets(quirks, path, reach.query, deployment.model.id)
    shared = shared_headers(deployment.provider.auth.extra, reach.headers)
    row = read_row(quirks, deployment.model)
    return Wire(
        deployment=deployment.id,
        origin=origin,
        target=targets[0],
        stream_target=targets[1],
        whole=accepting(b"application/json", shared),
        streamed=accepting(b"text/event-stream", shared),
        secrets=secrets_of(reach.secret),
        row=row,
        plain=is_plain(row),
        **_request_habits(quirks, settings, deployment.model),
        **_answer_habits(quirks),
    )


def _targets(quirks: Quirks, path: str, query: str, model: str) -> tuple[str, str]:
    """The request-targets for whole answers and for streams."""
    terms = query_terms(quirks, query)
    return (
        with_query(path + _path(quirks, "chat", model), terms),
        with_query(path + _path(quirks, "chat_stream", model), terms),
    )


def _request_habits(quirks: Quirks, settings: Settings, model: Model) -> dict[str, Any]:
    """Which fields the host takes, under which names."""
    drop = _dropped(quirks)
    rename = words(quirks, "rename")
    limit = quirks.get("output_limit_field")
    if limit in _LIMITS:
        rename[_LIMITS[1 - _LIMITS.index(limit)]] = limit
    usage = str(quirks.get("stream_usage", "option"))
    accepts = accepted(quirks, _KEPT, rename)
    return {
        "model": b"" if "model" in drop else msgspec.json.encode(model.id),
        "touched": drop | frozenset(rename),
        "drop": drop,
        "accepts": accepts,
        "known": frozenset((*rename, *rename.values(), *(accepts or ()))),
        "rename": rename,
        "default": _defaults(quirks, settings, drop, str(limit or _LIMITS[0]), model.max_output),
        "set": in_json(mapping(quirks, "set")),
        "limit": str(limit or ""),
        "limits": (*_LIMITS, *(rename[name] for name in _LIMITS if name in rename)),
        "stream_option": usage == "option" and "stream_options" not in drop,
        "unsteered": "reasoning_control" not in quirks and not _speaks_of_effort(quirks),
    }


def _answer_habits(quirks: Quirks) -> dict[str, Any]:
    """How the host's answers, counts and errors are to be read."""
    return {
        "reasoning_apart": quirks.get("usage_excludes_reasoning") is True,
        "cached_apart": quirks.get("usage_excludes_cached") is True,
        "cached_field": str(quirks.get("usage_cached_field", "")).removeprefix("usage."),
        "cost_field": str(quirks.get("cost_field", "")).removeprefix("usage."),
        "finish_empty": quirks.get("finish_reason_empty") is True,
        "throttles": statuses(quirks, "throttle_status"),
        "unpaid": statuses(quirks, "payment_status"),
        "loading": statuses(quirks, "loading_status"),
    }


def _path(quirks: Quirks, kind: str, model: str) -> str:
    return path_of(quirks, _PATH, kind, "chat").replace("{model}", quote(model, safe=""))


def _dropped(quirks: Quirks) -> frozenset[str]:
    drop = set(listed(quirks, "drop"))
    if quirks.get("sampling") == "drop":
        drop.update(SAMPLING)
    if quirks.get("single_choice") is True:
        drop.add("n")
    if quirks.get("stream_usage") == "none":
        drop.add("stream_options")
    return frozenset(drop)


def _defaults(
    quirks: Quirks,
    settings: Settings,
    drop: frozenset[str],
    limit: str,
    max_output: int | None,
) -> dict[str, bytes]:
    values = dict(mapping(quirks, "default"))
    if settings.max_tokens_default is not None:
        values.setdefault(limit, settings.max_tokens_default)
    elif quirks.get("output_limit_required") is True:
        values.setdefault(limit, max_output or _OUTPUT)
    if settings.temperature_default is not None:
        values.setdefault("temperature", settings.temperature_default)
    return in_json({name: value for name, value in values.items() if name not in drop})


def _speaks_of_effort(quirks: Quirks) -> bool:
    return any(name.startswith("effort_") for name in quirks) or "thinking_always_on" in quirks
