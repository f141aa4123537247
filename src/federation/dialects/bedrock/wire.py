"""How one deployment is reached in this dialect: everything that can be prepared before a call.

The model and the kind of answer stand in the path, never in the body. Signing by SigV4 is
done after encoding, over the finished request; only a bearer token comes in `headers`.

Quirks read here, each optional; a model's overrides its provider's:

    default, set             {field: value}: members of the body's top, or of `inferenceConfig`
                             where the name is one of its own
    drop, rename             [field, ...], {ours: theirs}: members of the body's top
    sampling                 drop: no temperature and topP
    query                    {name: value}
    extra_fields             {top_k: place}: where a sampling field of the model's maker stands in
                             `additionalModelRequestFields`; dots lead inside
    reasoning_control        thinking | budget: thinking{type,budget_tokens}; adaptive:
                             thinking{type: adaptive} and outputConfig.effort; effort:
                             reasoning_effort; reasoning_object: reasoningConfig of Nova;
                             enable_thinking; chat_template_kwargs
    thinking_always_on, effort_levels, effort_rename, effort_none, effort_none_value
    reasoning_replay         always | tool_turns | signed (default): which reasoning of earlier
                             turns is sent
    structured_output        output_config | tool: how an answer after a schema is had; by
                             default from the model's abilities
    cache_breakpoints        most cache points (4)
    cache_min_tokens         present: the model has a prompt cache
    usage_excludes_cached    false: the input count includes cached tokens (default: it does not)
    throttle_status, payment_status, loading_status  [status, ...]
"""

from __future__ import annotations

from typing import Final

import msgspec

from federation.dialects.address import (
    NOWHERE,
    Reach,
    accepting,
    query_terms,
    shared_headers,
    split_address,
    with_query,
)
from federation.dialects.aws_eventstream import CONTENT_TYPE
from federation.dialects.bedrock.paths import CONVERSE, COUNT, STREAM, target
from federation.dialects.faces import HeaderPairs
from federation.dialects.quirks import (
    Quirks,
    in_json,
    listed,
    mapping,
    quirks_of,
    statuses,
    words,
)
from federation.dialects.wires import HostWire
from federation.domain.catalogue import Ability, Deployment
from federation.domain.routes import Settings

_INFERENCE: Final[tuple[str, ...]] = ("maxTokens", "temperature", "topP", "stopSequences")
_SAMPLING: Final = frozenset(("temperature", "topP"))
_MARKS: Final = 4
_WHOLE_SECRET: Final = 8
_SECRET: Final = 16
"""A part shorter than this is no secret but a region or the like."""
_PARTS: Final = msgspec.json.Decoder(dict[str, str])


class Thinks(msgspec.Struct, frozen=True):
    """How a model's reasoning is steered."""

    control: str = ""
    always: bool = False
    levels: tuple[str, ...] = ()
    rename: dict[str, str] = {}
    none: bool = True
    """Effort none is accepted where the control is an effort."""
    none_value: str = "none"
    replay: str = "signed"


class Wire(HostWire, frozen=True):
    """A deployment, ready to be called. Holds a secret."""

    model: str
    whole_target: str
    stream_target: str
    count_target: str
    whole: HeaderPairs
    """Headers of a request for a whole answer."""
    streamed: HeaderPairs
    drop: frozenset[str]
    rename: dict[str, str]
    default: dict[str, bytes]
    set: dict[str, bytes]
    inference_default: dict[str, bytes]
    """Members of `inferenceConfig` for calls that have none, as JSON."""
    inference_set: dict[str, bytes]
    no_sampling: frozenset[str]
    """Members of `inferenceConfig` that the row refuses."""
    top_k: tuple[str, ...]
    """The way to the field for top_k in the maker's own fields; empty: none."""
    thinks: Thinks
    forced_tools: bool
    output_config: bool
    """Structured output is had by `outputConfig`."""
    caches: bool
    marks: int
    excludes_cached: bool


def prepare(deployment: Deployment, settings: Settings, reach: Reach = NOWHERE) -> Wire:
    """Prepare a deployment for calls. Raises `ValueError` as `address.split_address` does, and
    for a constant header that no request can carry."""
    quirks = quirks_of(deployment)
    origin, base = split_address(deployment.provider.base_url, private=reach.private)
    terms = query_terms(quirks, reach.query)
    model = deployment.model
    shared = shared_headers(deployment.provider.auth.extra, reach.headers)
    inner, outer = _defaults(quirks, settings)
    fixed = in_json(mapping(quirks, "set"))
    marks = quirks.get("cache_breakpoints")
    return Wire(
        deployment=deployment.id,
        origin=origin,
        model=model.id,
        whole_target=with_query(base + target(model.id, CONVERSE), terms),
        stream_target=with_query(base + target(model.id, STREAM), terms),
        count_target=with_query(base + target(model.id, COUNT), terms),
        whole=accepting(b"application/json", shared),
        streamed=accepting(CONTENT_TYPE, shared),
        drop=frozenset(listed(quirks, "drop")),
        rename=words(quirks, "rename"),
        default=outer,
        set={name: value for name, value in fixed.items() if name not in _INFERENCE},
        inference_default=inner,
        inference_set={name: value for name, value in fixed.items() if name in _INFERENCE},
        no_sampling=_SAMPLING if quirks.get("sampling") == "drop" else frozenset(),
        top_k=_way(quirks),
        thinks=_thinks(quirks),
        forced_tools=not model.abilities or Ability.FORCED_TOOLS in model.abilities,
        output_config=_has_output(quirks, model.abilities),
        caches=model.price.rates.cached is not None or "cache_min_tokens" in quirks,
        marks=marks if isinstance(marks, int) else _MARKS,
        excludes_cached=quirks.get("usage_excludes_cached") is not False,
        throttles=statuses(quirks, "throttle_status"),
        unpaid=statuses(quirks, "payment_status"),
        loading=statuses(quirks, "loading_status"),
        secrets=_secrets(reach.secret),
    )


def _secrets(secret: str) -> tuple[bytes, ...]:
    """The texts of a credential that is one text, a pair, or a JSON object of parts."""
    texts = secret.split(":")
    if secret.lstrip().startswith("{"):
        try:
            texts = [secret, *_PARTS.decode(secret).values()]
        except msgspec.DecodeError:
            texts = [secret]
    least = _SECRET if len(texts) > 1 else _WHOLE_SECRET
    return tuple(text.encode() for text in texts if len(text) >= least)


def _thinks(quirks: Quirks) -> Thinks:
    none_value = quirks.get("effort_none_value")
    return Thinks(
        control=str(quirks.get("reasoning_control", "")),
        always=quirks.get("thinking_always_on") is True,
        levels=tuple(listed(quirks, "effort_levels")),
        rename=words(quirks, "effort_rename"),
        none=quirks.get("effort_none") is not False,
        none_value=none_value if isinstance(none_value, str) else "none",
        replay=str(quirks.get("reasoning_replay", "signed")),
    )


def _has_output(quirks: Quirks, abilities: frozenset[Ability]) -> bool:
    said = quirks.get("structured_output")
    if isinstance(said, str):
        return said == "output_config"
    return not abilities or Ability.JSON_SCHEMA in abilities


def _way(quirks: Quirks) -> tuple[str, ...]:
    place = mapping(quirks, "extra_fields").get("top_k")
    return tuple(place.split(".")) if isinstance(place, str) else ()


def _defaults(quirks: Quirks, settings: Settings) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Defaults inside `inferenceConfig`, and at the top."""
    values = dict(mapping(quirks, "default"))
    if settings.max_tokens_default is not None:
        values.setdefault("maxTokens", settings.max_tokens_default)
    if settings.temperature_default is not None and quirks.get("sampling") != "drop":
        values.setdefault("temperature", min(settings.temperature_default, 1.0))
    rendered = in_json(values)
    inner = {name: rendered.pop(name) for name in _INFERENCE if name in rendered}
    return inner, rendered
