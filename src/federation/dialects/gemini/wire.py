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
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from federation import __version__
from federation.dialects.faces import HeaderPairs
from federation.dialects.gemini.paths import COUNT, GENERATE, STREAM
from federation.dialects.gemini.tables import CONFIG_FIELDS, LEVELS, SAMPLING
from federation.domain.catalogue import Ability, Deployment
from federation.domain.routes import Settings
from federation.schema.http import Origin

MODELS: Final = "/models"
LONG_FORM: Final = "vertex"
"""What rows of the longer form of the interface name as their dialect."""
LONG_MODELS: Final = "/publishers/google/models"
"""Where the models of a row lie whose address stops at the location."""

_PORTS: Final = {"http": 80, "https": 443}
_IN_CONFIG: Final = "generationConfig."


class Wire(msgspec.Struct, frozen=True):
    """A deployment, ready to be called. Holds a secret."""

    deployment: str
    origin: Origin
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
    throttles: frozenset[int]
    unpaid: frozenset[int]
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

    `headers` and `query` are what its signer made; `secret` is searched for in errors;
    `private` is leave to connect to loopback and private addresses. Raises `ValueError` for
    a base address that is not an absolute http(s) URL, has user information, a query or a
    placeholder that nobody filled in, and for a constant header with a line break.
    """
    quirks = {**deployment.provider.quirks, **deployment.model.quirks}
    long_form = deployment.provider.dialect == LONG_FORM
    origin, path = _split(deployment.provider.base_url, private)
    name, base = _resource(deployment.model.id, path, LONG_MODELS if long_form else MODELS)
    terms = [query] if query else []
    if isinstance(quirks.get("query"), dict):
        terms.append(urlencode({k: str(v) for k, v in _mapping(quirks, "query").items()}))
    shared = (
        (b"content-type", b"application/json"),
        (b"accept-encoding", b"identity"),
        (b"user-agent", f"federation/{__version__}".encode()),
        *_constant(deployment.provider.auth.extra),
        *headers,
    )
    drop, config_drop = _parted(_dropped(quirks))
    default, config_default = _rendered(_defaults(quirks, settings))
    fixed, config_fixed = _rendered(_mapping(quirks, "set"))
    choices = quirks.get("tool_choice")
    abilities = deployment.model.abilities
    return Wire(
        deployment=deployment.id,
        origin=origin,
        whole=_target(base, GENERATE, terms),
        events=_target(base, STREAM, ["alt=sse", *terms]),
        array=_target(base, STREAM, terms),
        count=_target(base, COUNT, terms),
        whole_headers=((b"accept", b"application/json"), *shared),
        stream_headers=((b"accept", b"text/event-stream, application/json"), *shared),
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
        choices=frozenset(choices) if isinstance(choices, list | tuple) else None,
        strip=frozenset(_names(quirks, "tool_schema_strip")),
        media_results=quirks.get("tool_result_string") is not True,
        remote=quirks.get("image_urls") is not False,
        excludes=frozenset(_names(quirks, "json_schema_excludes")),
        budget=quirks.get("reasoning_control") == "budget",
        signed=quirks.get("reasoning_replay") == "signed",
        levels=tuple(_names(quirks, "effort_levels")) or LEVELS,
        always_thinks=quirks.get("thinking_always_on") is True,
        thinks=not abilities or Ability.REASONING in abilities,
        throttles=_statuses(quirks, "throttle_status"),
        unpaid=_statuses(quirks, "payment_status"),
        secrets=(secret.encode(),) if len(secret) >= 8 else (),
    )


def _split(base_url: str, private: bool) -> tuple[Origin, str]:
    url = urlsplit(base_url)
    odd = "{" in base_url or url.username is not None or url.query or url.fragment
    if url.scheme not in _PORTS or not url.hostname or odd:
        raise ValueError(f"not a usable base address: {url.scheme}://{url.hostname or ''}")
    port = url.port or _PORTS[url.scheme]
    path = quote(url.path.rstrip("/"), safe="/:@!$&'()*+,;=~%")
    return Origin(url.scheme, url.hostname, port, private=private), path


def _resource(model: str, path: str, models: str) -> tuple[str, str]:
    """The model's resource name, and the path up to the method."""
    plain = model.removeprefix("models/")
    if plain.startswith("tunedModels/"):
        return plain, f"{path.removesuffix(MODELS)}/{quote(plain, safe='/@')}"
    base = path if path.endswith(MODELS) else path + models
    return f"models/{plain}", f"{base}/{quote(plain, safe='@')}"


def _target(base: str, method: str, terms: list[str]) -> str:
    return f"{base}:{method}" + ("?" + "&".join(terms) if terms else "")


def _constant(headers: Mapping[str, str]) -> HeaderPairs:
    for name, value in headers.items():
        if not (name + value).isprintable() or not name.isascii():
            raise ValueError(f"not a usable constant header: {name!r}")
    return tuple((name.lower().encode(), value.encode()) for name, value in headers.items())


def _dropped(quirks: Mapping[str, object]) -> dict[str, None]:
    names = _names(quirks, "drop")
    if quirks.get("sampling") == "drop":
        names += SAMPLING
    if quirks.get("single_choice") is True:
        names.append("candidateCount")
    return dict.fromkeys(names)


def _defaults(quirks: Mapping[str, object], settings: Settings) -> dict[str, Any]:
    values = dict(_mapping(quirks, "default"))
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
    return _parted({name: msgspec.json.encode(value) for name, value in fields.items()})


def _mapping(quirks: Mapping[str, object], name: str) -> dict[str, Any]:
    value = quirks.get(name)
    return value if isinstance(value, dict) else {}


def _names(quirks: Mapping[str, object], name: str) -> list[str]:
    values = quirks.get(name)
    return [str(value) for value in values] if isinstance(values, list | tuple) else []


def _statuses(quirks: Mapping[str, object], name: str) -> frozenset[int]:
    values = quirks.get(name)
    return frozenset(values) if isinstance(values, list | tuple) else frozenset()
