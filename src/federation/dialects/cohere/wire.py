"""How one deployment is reached in this dialect: everything that can be prepared before a call.

Quirks of a row that are read here, each optional; a model's wins over its provider's:

    rename, drop, accepts_only, default, set    as in the other dialects, by our names of fields
    sampling                drop: no temperature and its kin
    temperature_max         highest temperature accepted
    image_urls              false: pictures inline only
    tool_choice             [none, required]: the only values accepted
    json_mode               false: no `json_object` without a schema
    json_schema_excludes    [tools, documents]: what a schema cannot stand beside
    thinking_always_on      reasoning cannot be switched off
    path, query             what follows the base address
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
from federation.dialects.cohere.tables import SAMPLING
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

_PATH: Final = "/chat"
_KEPT: Final = frozenset(("model", "messages", "stream"))


class Wire(FieldWire, frozen=True):
    """A deployment, ready to be called; `encode` adds the body. Holds a secret."""

    target: str
    model: Raw
    """The upstream model name, as JSON."""
    reasons: bool
    always_reasons: bool
    image_urls: bool
    json_mode: bool
    tool_choices: frozenset[str] | None
    schema_excludes: frozenset[str]
    temperature_max: float | None


def prepare(deployment: Deployment, settings: Settings, reach: Reach = NOWHERE) -> Wire:
    """Prepare a deployment for calls; see `bound.PrepareWire` for what is raised."""
    quirks = quirks_of(deployment)
    origin, path = split_address(deployment.provider.base_url, private=reach.private)
    shared = shared_headers(deployment.provider.auth.extra, reach.headers)
    drop = named(quirks, "drop") or frozenset()
    if quirks.get("sampling") == "drop":
        drop |= frozenset(SAMPLING)
    return Wire(
        deployment=deployment.id,
        origin=origin,
        target=with_query(path + path_of(quirks, _PATH, "chat"), query_terms(quirks, reach.query)),
        whole=accepting(b"application/json", shared),
        streamed=accepting(b"text/event-stream", shared),
        model=Raw(msgspec.json.encode(deployment.model.id)),
        drop=drop,
        accepts=accepted(quirks, _KEPT, words(quirks, "rename")),
        rename=words(quirks, "rename"),
        default=_defaults(quirks, settings, drop),
        set=in_json(mapping(quirks, "set")),
        reasons=Ability.REASONING in deployment.model.abilities,
        always_reasons=quirks.get("thinking_always_on") is True,
        image_urls=quirks.get("image_urls") is not False,
        json_mode=quirks.get("json_mode") is not False,
        tool_choices=named(quirks, "tool_choice"),
        schema_excludes=named(quirks, "json_schema_excludes") or frozenset(),
        temperature_max=number(quirks, "temperature_max"),
        throttles=statuses(quirks, "throttle_status"),
        unpaid=statuses(quirks, "payment_status"),
        loading=statuses(quirks, "loading_status"),
        secrets=secrets_of(reach.secret),
    )


def _defaults(quirks: Quirks, settings: Settings, drop: frozenset[str]) -> dict[str, bytes]:
    values = dict(mapping(quirks, "default"))
    if settings.max_tokens_default is not None:
        values.setdefault("max_tokens", settings.max_tokens_default)
    if settings.temperature_default is not None:
        values.setdefault("temperature", settings.temperature_default)
    return in_json({name: value for name, value in values.items() if name not in drop})
