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

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from federation import __version__
from federation.dialects.aws_eventstream import CONTENT_TYPE
from federation.dialects.bedrock.paths import CONVERSE, COUNT, STREAM, target
from federation.domain.catalogue import Ability, Deployment
from federation.domain.routes import Settings
from federation.schema.http import Origin

HeaderPairs = tuple[tuple[bytes, bytes], ...]

_PORTS: Final = {"http": 80, "https": 443}
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


class Wire(msgspec.Struct, frozen=True):
    """A deployment, ready to be called. Holds a secret."""

    deployment: str
    origin: Origin
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
    throttles: frozenset[int]
    unpaid: frozenset[int]
    loading: frozenset[int]
    secrets: tuple[bytes, ...] = ()
    """What must never reach a client; error bodies are searched for it."""

    def __repr__(self) -> str:
        return f"Wire({self.deployment!r})"


def prepare(
    deployment: Deployment,
    settings: Settings,
    *,
    headers: HeaderPairs = (),
    query: str = "",
    secret: str = "",
    private: bool = False,
) -> Wire:
    """Prepare a deployment for calls.

    `headers` and `query` are what its signer made ahead; `secret` is searched for in errors.
    `private` is leave to connect to loopback and private addresses. Raises `ValueError` for a
    base address that is not an absolute http(s) URL, has user information, a query or a
    placeholder that nobody filled in, and for a constant header with a line break.
    """
    quirks = {**deployment.provider.quirks, **deployment.model.quirks}
    origin, base = _split(deployment.provider.base_url, private)
    terms = [query] if query else []
    if _mapping(quirks, "query"):
        terms.append(urlencode({name: str(v) for name, v in _mapping(quirks, "query").items()}))
    tail = "?" + "&".join(terms) if terms else ""
    model = deployment.model
    shared = (
        (b"content-type", b"application/json"),
        (b"accept-encoding", b"identity"),
        (b"user-agent", f"federation/{__version__}".encode()),
        *_constant(deployment.provider.auth.extra),
        *headers,
    )
    inner, outer = _defaults(quirks, settings)
    fixed = _rendered(_mapping(quirks, "set"))
    marks = quirks.get("cache_breakpoints")
    return Wire(
        deployment=deployment.id,
        origin=origin,
        model=model.id,
        whole_target=base + target(model.id, CONVERSE) + tail,
        stream_target=base + target(model.id, STREAM) + tail,
        count_target=base + target(model.id, COUNT) + tail,
        whole=((b"accept", b"application/json"), *shared),
        streamed=((b"accept", CONTENT_TYPE), *shared),
        drop=frozenset(_names(quirks, "drop")),
        rename={name: str(other) for name, other in _mapping(quirks, "rename").items()},
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
        throttles=_statuses(quirks, "throttle_status"),
        unpaid=_statuses(quirks, "payment_status"),
        loading=_statuses(quirks, "loading_status"),
        secrets=_secrets(secret),
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


def _thinks(quirks: Mapping[str, object]) -> Thinks:
    none_value = quirks.get("effort_none_value")
    return Thinks(
        control=str(quirks.get("reasoning_control", "")),
        always=quirks.get("thinking_always_on") is True,
        levels=tuple(_names(quirks, "effort_levels")),
        rename={name: str(other) for name, other in _mapping(quirks, "effort_rename").items()},
        none=quirks.get("effort_none") is not False,
        none_value=none_value if isinstance(none_value, str) else "none",
        replay=str(quirks.get("reasoning_replay", "signed")),
    )


def _has_output(quirks: Mapping[str, object], abilities: frozenset[Ability]) -> bool:
    said = quirks.get("structured_output")
    if isinstance(said, str):
        return said == "output_config"
    return not abilities or Ability.JSON_SCHEMA in abilities


def _way(quirks: Mapping[str, object]) -> tuple[str, ...]:
    place = _mapping(quirks, "extra_fields").get("top_k")
    return tuple(place.split(".")) if isinstance(place, str) else ()


def _split(base_url: str, private: bool) -> tuple[Origin, str]:
    url = urlsplit(base_url)
    odd = "{" in base_url or url.username is not None or url.query or url.fragment
    if url.scheme not in _PORTS or not url.hostname or odd:
        raise ValueError(f"not a usable base address: {url.scheme}://{url.hostname or ''}")
    port = url.port or _PORTS[url.scheme]
    path = quote(url.path.rstrip("/"), safe="/:@!$&'()*+,;=~%")
    return Origin(url.scheme, url.hostname, port, private=private), path


def _constant(headers: Mapping[str, str]) -> HeaderPairs:
    for name, value in headers.items():
        if not (name + value).isprintable() or not name.isascii():
            raise ValueError(f"not a usable constant header: {name!r}")
    return tuple((name.lower().encode(), value.encode()) for name, value in headers.items())


def _defaults(
    quirks: Mapping[str, object], settings: Settings
) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Defaults inside `inferenceConfig`, and at the top."""
    values = dict(_mapping(quirks, "default"))
    if settings.max_tokens_default is not None:
        values.setdefault("maxTokens", settings.max_tokens_default)
    if settings.temperature_default is not None and quirks.get("sampling") != "drop":
        values.setdefault("temperature", min(settings.temperature_default, 1.0))
    rendered = _rendered(values)
    inner = {name: rendered.pop(name) for name in _INFERENCE if name in rendered}
    return inner, rendered


def _rendered(values: Mapping[str, Any]) -> dict[str, bytes]:
    return {name: msgspec.json.encode(value) for name, value in values.items()}


def _mapping(quirks: Mapping[str, object], name: str) -> dict[str, Any]:
    value = quirks.get(name)
    return value if isinstance(value, dict) else {}


def _names(quirks: Mapping[str, object], name: str) -> list[str]:
    values = quirks.get(name)
    return [str(value) for value in values] if isinstance(values, list | tuple) else []


def _statuses(quirks: Mapping[str, object], name: str) -> frozenset[int]:
    values = quirks.get(name)
    return frozenset(values) if isinstance(values, list | tuple) else frozenset()
