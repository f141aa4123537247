"""How one deployment is reached in this dialect: everything that can be prepared before a call.

The model stands in the path. A row's address may end where the models begin (`.../models`)
or before; the longer form of the same interface differs in nothing else. Quirks read here,
each optional:

    drop                      [field, ...]: not accepted, of the body or `generationConfig`
    default                   {field: value}: added where the client sent none
    set                       {field: value}: always set
    sampling                  drop: no temperature and its kin
    single_choice             true: no `candidateCount`
    query                     {name: value}
    role_required             true: every content must carry a role
    tool_call_ids             false: calls and results carry no id
    tool_choice               [auto, none, required, named]: the only ones accepted
    tool_schema_strip         [key, ...]: not accepted in tool schemas
    tool_result_string        true: results hold no pictures or files
    image_urls                false: nothing by remote address
    json_schema_excludes      [tools, stream]: what a response format cannot go with
    reasoning_control         budget: thinking is counted in tokens, not told by a level
    reasoning_replay          signed: function calls must carry a signature
    effort_levels             [level, ...]: the only thinking levels accepted
    thinking_always_on        true: thinking cannot be switched off
    throttle_status           [status, ...]: mean "slow down" like 429
    payment_status            [status, ...]: mean "out of funds" like 402
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

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
from federation.dialects.faces import HeaderPairs
from federation.dialects.gemini.paths import COUNT, GENERATE, STREAM
from federation.dialects.gemini.tables import CONFIG_FIELDS, LEVELS, SAMPLING
from federation.dialects.quirks import (
    Quirks,
    in_json,
    listed,
    mapping,
    named,
    quirks_of,
    statuses,
)
from federation.dialects.wires import HostWire
from federation.domain.catalogue import Ability, Deployment
from federation.domain.routes import Settings

MODELS: Final = "/models"
LONG_FORM: Final = "vertex"
"""What rows of the longer form of the interface name as their dialect."""
LONG_MODELS: Final = "/publishers/google/models"
"""Where the models of a row lie whose address stops at the location."""

_IN_CONFIG: Final = "generationConfig."


class Wire(HostWire, frozen=True):
    """A deployment, ready to be called. Holds a secret."""

    whole: str
    """The request-target for a whole answer."""
    events: str
    """For a stream of server-sent events."""
    array: str
    """For a stream that is one JSON array."""
    count: str
    whole_headers: HeaderPairs
    stream_headers: HeaderPairs
    model: str
    """The upstream model's resource name."""
    long_form: bool
    """The longer form of the interface, which counts tokens of other members."""
    drop: frozenset[str]
    config_drop: frozenset[str]
    default: dict[str, bytes]
    config_default: dict[str, bytes]
    set: dict[str, bytes]
    config_set: dict[str, bytes]
    roles: bool
    ids: bool
    choices: frozenset[str] | None
    """Values of `tool_choice` that are accepted; None: all."""
    strip: frozenset[str]
    media_results: bool
    remote: bool
    excludes: frozenset[str]
    budget: bool
    signed: bool
    levels: tuple[str, ...]
    always_thinks: bool
    thinks: bool
    """The model reasons, as far as its row knows."""


def prepare(deployment: Deployment, settings: Settings, reach: Reach = NOWHERE) -> Wire:
    """Prepare a deployment for calls. Raises `ValueError` as `address.split_address` does, and
    for a constant header that no request can carry."""
    quirks = quirks_of(deployment)
    long_form = deployment.provider.dialect == LONG_FORM
    origin, path = split_address(deployment.provider.base_url, private=reach.private)
    name, base = _resource(deployment.model.id, path, LONG_MODELS if long_form else MODELS)
    terms = query_terms(quirks, reach.query)
    shared = shared_headers(deployment.provider.auth.extra, reach.headers)
    drop, config_drop = _parted(_dropped(quirks))
    default, config_default = _rendered(_defaults(quirks, settings))
    fixed, config_fixed = _rendered(mapping(quirks, "set"))
    abilities = deployment.model.abilities
    return Wire(
        deployment=deployment.id,
        origin=origin,
        whole=_target(base, GENERATE, terms),
        events=_target(base, STREAM, ["alt=sse", *terms]),
        array=_target(base, STREAM, terms),
        count=_target(base, COUNT, terms),
        whole_headers=accepting(b"application/json", shared),
        stream_headers=accepting(b"text/event-stream, application/json", shared),
        model=name,
        long_form=long_form,
        drop=frozenset(drop),
        config_drop=frozenset(config_drop),
        default={name: value for name, value in default.items() if name not in drop},
        config_default={k: value for k, value in config_default.items() if k not in config_drop},
        set=fixed,
        config_set=config_fixed,
        roles=quirks.get("role_required") is True,
        ids=quirks.get("tool_call_ids") is not False,
        choices=named(quirks, "tool_choice"),
        strip=named(quirks, "tool_schema_strip") or frozenset(),
        media_results=quirks.get("tool_result_string") is not True,
        remote=quirks.get("image_urls") is not False,
        excludes=named(quirks, "json_schema_excludes") or frozenset(),
        budget=quirks.get("reasoning_control") == "budget",
        signed=quirks.get("reasoning_replay") == "signed",
        levels=tuple(listed(quirks, "effort_levels")) or LEVELS,
        always_thinks=quirks.get("thinking_always_on") is True,
        thinks=not abilities or Ability.REASONING in abilities,
        throttles=statuses(quirks, "throttle_status"),
        unpaid=statuses(quirks, "payment_status"),
        secrets=secrets_of(reach.secret),
    )


def _resource(model: str, path: str, models: str) -> tuple[str, str]:
    """The model's resource name, and the path up to the method."""
    plain = model.removeprefix("models/")
    if plain.startswith("tunedModels/"):
        return plain, f"{path.removesuffix(MODELS)}/{quote(plain, safe='/@')}"
    base = path if path.endswith(MODELS) else path + models
    return f"models/{plain}", f"{base}/{quote(plain, safe='@')}"


def _target(base: str, method: str, terms: list[str]) -> str:
    return with_query(f"{base}:{method}", terms)


def _dropped(quirks: Quirks) -> dict[str, None]:
    names = listed(quirks, "drop")
    if quirks.get("sampling") == "drop":
        names += SAMPLING
    if quirks.get("single_choice") is True:
        names.append("candidateCount")
    return dict.fromkeys(names)


def _defaults(quirks: Quirks, settings: Settings) -> dict[str, Any]:
    values = dict(mapping(quirks, "default"))
    if settings.max_tokens_default is not None:
        values.setdefault("maxOutputTokens", settings.max_tokens_default)
    if settings.temperature_default is not None:
        values.setdefault("temperature", settings.temperature_default)
    return values


def _parted(fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Members of the body, and those of `generationConfig`."""
    outer: dict[str, Any] = {}
    inner: dict[str, Any] = {}
    for name, value in fields.items():
        plain = name.removeprefix(_IN_CONFIG)
        within = plain != name or plain in CONFIG_FIELDS
        (inner if within else outer)[plain] = value
    return outer, inner


def _rendered(fields: Mapping[str, Any]) -> tuple[dict[str, bytes], dict[str, bytes]]:
    return _parted(in_json(fields))
