"""How one deployment is reached in this dialect: everything that can be prepared before a call.

Quirks of a row that are read here, each optional; a model's wins over its provider's:

    rename, drop, accepts_only, default, set    fields of the call, not of its options
    sampling            drop: no temperature and its kin
    temperature_max     highest temperature accepted
    context_option      the option that sets the context size, which is then sent where a call
                        would not fit the default
    effort_levels       [low, medium, high]: the model takes levels of thinking
    thinking_always_on  thinking cannot be switched off
    json_mode           false: no `json` without a schema
    path, query         what follows the base address
    throttle_status, payment_status, loading_status

Whether a model reasons is not a quirk but an ability of the model.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

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
from federation.dialects.ollama.tables import SAMPLING
from federation.dialects.quirks import (
    Quirks,
    accepted,
    in_json,
    mapping,
    named,
    number,
    path_of,
    quirks_of,
    statuses,
    words,
)
from federation.dialects.wires import FieldWire
from federation.domain.catalogue import Ability, Deployment
from federation.domain.routes import Settings

_PATH: Final = "/api/chat"
_KEPT: Final = frozenset(("model", "messages", "stream"))


class Wire(FieldWire, frozen=True):
    """A deployment, ready to be called; `encode` adds the body. Holds a secret."""

    target: str
    model: Raw
    """The upstream model name, as JSON."""
    drop_options: frozenset[str]
    reasons: bool
    always_reasons: bool
    levels: frozenset[str]
    json_mode: bool
    temperature_max: float | None
    max_output: int | None
    """For calls that set no limit."""
    temperature: float | None
    """For calls that set none."""
    context_option: str
    context: int | None
    """Most tokens of context that the model has."""
    touches_options: bool
    """A forwarded call's options may have to change."""


def prepare(deployment: Deployment, settings: Settings, reach: Reach = NOWHERE) -> Wire:
    """Prepare a deployment for calls; see `bound.PrepareWire` for what is raised."""
    quirks = quirks_of(deployment)
    origin, path = split_address(deployment.provider.base_url, private=reach.private)
    shared = shared_headers(deployment.provider.auth.extra, reach.headers)
    no_sampling = quirks.get("sampling") == "drop"
    return Wire(
        deployment=deployment.id,
        origin=origin,
        target=with_query(path + path_of(quirks, _PATH, "chat"), query_terms(quirks, reach.query)),
        whole=accepting(b"application/json", shared),
        streamed=accepting(b"application/x-ndjson", shared),
        model=Raw(msgspec.json.encode(deployment.model.id)),
        drop=named(quirks, "drop") or frozenset(),
        drop_options=frozenset(SAMPLING) if no_sampling else frozenset(),
        accepts=accepted(quirks, _KEPT, words(quirks, "rename")),
        rename=words(quirks, "rename"),
        default=in_json(mapping(quirks, "default")),
        set=in_json(mapping(quirks, "set")),
        reasons=Ability.REASONING in deployment.model.abilities,
        always_reasons=quirks.get("thinking_always_on") is True,
        levels=named(quirks, "effort_levels") or frozenset(),
        json_mode=quirks.get("json_mode") is not False,
        temperature_max=number(quirks, "temperature_max"),
        max_output=settings.max_tokens_default,
        temperature=None if no_sampling else settings.temperature_default,
        context_option=str(quirks.get("context_option", "")),
        context=deployment.model.context,
        touches_options=_touches_options(quirks, settings),
        throttles=statuses(quirks, "throttle_status"),
        unpaid=statuses(quirks, "payment_status"),
        loading=statuses(quirks, "loading_status"),
        secrets=secrets_of(reach.secret),
    )


def _touches_options(quirks: Quirks, settings: Settings) -> bool:
    return bool(
        quirks.get("sampling") == "drop"
        or quirks.get("context_option")
        or settings.max_tokens_default is not None
        or settings.temperature_default is not None
    )
