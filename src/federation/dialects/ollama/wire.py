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

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from msgspec import Raw

from federation import __version__
from federation.dialects.faces import HeaderPairs
from federation.dialects.ollama.tables import SAMPLING
from federation.domain.catalogue import Ability, Deployment
from federation.domain.routes import Settings
from federation.schema.http import Origin

_PATH: Final = "/api/chat"
_PORTS: Final = {"http": 80, "https": 443}
_KEPT: Final = frozenset(("model", "messages", "stream"))


class Wire(msgspec.Struct, frozen=True):
    """A deployment, ready to be called; `encode` adds the body. Holds a secret."""

    deployment: str
    origin: Origin
    target: str
    whole: HeaderPairs
    """Headers of a request for a whole answer."""
    streamed: HeaderPairs
    model: Raw
    """The upstream model name, as JSON."""
    drop: frozenset[str]
    drop_options: frozenset[str]
    accepts: frozenset[str] | None
    rename: dict[str, str]
    default: dict[str, bytes]
    set: dict[str, bytes]
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
    """Prepare a deployment for calls; see `faces.Prepare`."""
    quirks = {**deployment.provider.quirks, **deployment.model.quirks}
    origin, path = _split(deployment.provider.base_url, private)
    shared = _shared(deployment, headers)
    accepts = _names(quirks, "accepts_only")
    highest = quirks.get("temperature_max")
    no_sampling = quirks.get("sampling") == "drop"
    return Wire(
        deployment=deployment.id,
        origin=origin,
        target=path + _target(quirks, query),
        whole=((b"accept", b"application/json"), *shared),
        streamed=((b"accept", b"application/x-ndjson"), *shared),
        model=Raw(msgspec.json.encode(deployment.model.id)),
        drop=_names(quirks, "drop") or frozenset(),
        drop_options=frozenset(SAMPLING) if no_sampling else frozenset(),
        accepts=_KEPT | accepts if accepts is not None else None,
        rename={name: str(new) for name, new in _mapping(quirks, "rename").items()},
        default=_rendered(_mapping(quirks, "default")),
        set=_rendered(_mapping(quirks, "set")),
        reasons=Ability.REASONING in deployment.model.abilities,
        always_reasons=quirks.get("thinking_always_on") is True,
        levels=_names(quirks, "effort_levels") or frozenset(),
        json_mode=quirks.get("json_mode") is not False,
        temperature_max=float(highest) if isinstance(highest, int | float) else None,
        max_output=settings.max_tokens_default,
        temperature=None if no_sampling else settings.temperature_default,
        context_option=str(quirks.get("context_option", "")),
        context=deployment.model.context,
        touches_options=_touches_options(quirks, settings),
        throttles=_statuses(quirks, "throttle_status"),
        unpaid=_statuses(quirks, "payment_status"),
        loading=_statuses(quirks, "loading_status"),
        secrets=(secret.encode(),) if len(secret) >= 8 else (),
    )


def _shared(deployment: Deployment, headers: HeaderPairs) -> HeaderPairs:
    """The headers of every request."""
    return (
        (b"content-type", b"application/json"),
        (b"accept-encoding", b"identity"),
        (b"user-agent", f"federation/{__version__}".encode()),
        *_constant(deployment.provider.auth.extra),
        *headers,
    )


def _target(quirks: Mapping[str, object], query: str) -> str:
    """What follows the base address."""
    terms = [query] if query else []
    if further := _mapping(quirks, "query"):
        terms.append(urlencode({name: str(value) for name, value in further.items()}))
    return _path(quirks) + ("?" + "&".join(terms) if terms else "")


def _touches_options(quirks: Mapping[str, object], settings: Settings) -> bool:
    return bool(
        quirks.get("sampling") == "drop"
        or quirks.get("context_option")
        or settings.max_tokens_default is not None
        or settings.temperature_default is not None
    )


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


def _path(quirks: Mapping[str, object]) -> str:
    path = quirks.get("path")
    if isinstance(path, dict):
        path = path.get("chat")
    return path if isinstance(path, str) else _PATH


def _rendered(values: Mapping[str, Any]) -> dict[str, bytes]:
    return {name: msgspec.json.encode(value) for name, value in values.items()}


def _mapping(quirks: Mapping[str, object], name: str) -> dict[str, Any]:
    value = quirks.get(name)
    return value if isinstance(value, dict) else {}


def _names(quirks: Mapping[str, object], name: str) -> frozenset[str] | None:
    values = quirks.get(name)
    return frozenset(str(v) for v in values) if isinstance(values, list | tuple) else None


def _statuses(quirks: Mapping[str, object], name: str) -> frozenset[int]:
    values = quirks.get(name)
    return frozenset(values) if isinstance(values, list | tuple) else frozenset()
