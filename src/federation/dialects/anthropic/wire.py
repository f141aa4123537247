"""How one deployment is reached in this language: everything prepared before a call.

A newcomer would get wrong that the API version is a header at most hosts and a member of
the body at others (`set: {anthropic_version: ...}`), and that some hosts have the model in
the path. Quirks that are read here, each optional, a model's before its provider's:

    rename, drop, accepts_only, default, set   changes of top-level fields, as everywhere
    sampling                drop: no temperature and its kin
    path                    what follows the base address, or {chat: ..., count_tokens: ...}
    query                   {name: value}
    model_in_path           the base address holds `{model}` and its verb, `:rawPredict`
    reasoning_control       adaptive | budget: how thinking is asked for
    thinking_always_on      thinking cannot be switched off
    effort_levels           [level, ...]: the only efforts accepted
    effort_none_value       the `thinking.type` that stands for none (`between_tools`)
    image_urls              false: no remote addresses
    cache_breakpoints       most cache marks in a request
    throttle_status, payment_status, loading_status   [status, ...]

`drop` may also name `anthropic-beta`: the host takes no such header.

Reference: https://platform.claude.com/docs/en/api/overview,
https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai
"""

from __future__ import annotations

from typing import Final
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
from federation.dialects.anthropic.tables import EFFORTS, MAX_TOKENS, STRICT_VERSION, VERSION
from federation.dialects.quirks import (
    Quirks,
    accepted,
    in_json,
    listed,
    mapping,
    quirks_of,
    statuses,
    words,
)
from federation.dialects.wires import FieldWire
from federation.domain.catalogue import Ability, Deployment
from federation.domain.routes import Settings
from federation.schema.http import Origin

_VERB, _STREAM_VERB = ":rawPredict", ":streamRawPredict"
_SAMPLING: Final = ("temperature", "top_p", "top_k")
_KEPT: Final = frozenset(("model", "messages", "max_tokens"))
_MARKS: Final = 4
BETAS: Final = "anthropic-beta"


class Wire(FieldWire, frozen=True):
    """A deployment, ready to be called. Holds a secret."""

    target: str
    stream_target: str
    count_target: str
    model: bytes
    """The upstream model name, as JSON."""
    model_in_path: bool
    abilities: frozenset[Ability]
    """Empty where nothing is known: then everything is tried."""
    most_output: int | None
    default_output: int
    adaptive: bool
    always_thinks: bool
    efforts: tuple[str, ...]
    off: str
    """The `thinking.type` that switches thinking off."""
    image_urls: bool
    marks: int

    def can(self, ability: Ability) -> bool:
        """Whether the model has an ability, or nothing is known of it."""
        return not self.abilities or ability in self.abilities

    @property
    def sampling(self) -> bool:
        """Whether temperature and its kin are taken."""
        return "temperature" not in self.drop


def prepare_wire(deployment: Deployment, settings: Settings, reach: Reach = NOWHERE) -> Wire:
    """Prepare a deployment for calls; see `bound.PrepareWire` for what is raised."""
    model = deployment.model
    quirks = quirks_of(deployment)
    extra = {name.lower(): value for name, value in deployment.provider.auth.extra.items()}
    fixed = in_json(mapping(quirks, "set"))
    if "anthropic_version" not in fixed:
        extra.setdefault("anthropic-version", VERSION)
    in_path = quirks.get("model_in_path") is True
    origin, target, stream_target, count_target = _addresses(deployment, quirks, reach)
    shared = shared_headers(extra, reach.headers)
    drop = _dropped(quirks, extra.get("anthropic-version", ""))
    marks = quirks.get("cache_breakpoints")
    return Wire(
        deployment=deployment.id,
        origin=origin,
        target=target,
        stream_target=stream_target,
        count_target=count_target,
        whole=accepting(b"application/json", shared),
        streamed=accepting(b"text/event-stream", shared),
        model=msgspec.json.encode(model.id),
        model_in_path=in_path,
        drop=drop,
        accepts=accepted(quirks, _KEPT, words(quirks, "rename")),
        rename=words(quirks, "rename"),
        default=_defaults(quirks, settings, drop),
        set=fixed,
        abilities=model.abilities,
        most_output=model.max_output,
        default_output=_default_output(model.max_output, settings),
        adaptive=_is_adaptive(quirks),
        always_thinks=quirks.get("thinking_always_on") is True,
        efforts=tuple(listed(quirks, "effort_levels")) if "effort_levels" in quirks else EFFORTS,
        off=str(quirks.get("effort_none_value") or "disabled"),
        image_urls=quirks.get("image_urls") is not False,
        marks=marks if isinstance(marks, int) else _MARKS,
        throttles=statuses(quirks, "throttle_status"),
        unpaid=statuses(quirks, "payment_status"),
        loading=statuses(quirks, "loading_status"),
        secrets=secrets_of(reach.secret),
    )


def _addresses(
    deployment: Deployment, quirks: Quirks, reach: Reach
) -> tuple[Origin, str, str, str]:
    """The origin, and the targets for a whole answer, a stream and a count."""
    base = deployment.provider.base_url
    in_path = quirks.get("model_in_path") is True
    if in_path:
        base = base.replace("{model}", quote(deployment.model.id, safe="@"))
    origin, path = split_address(base, private=reach.private)
    terms = query_terms(quirks, reach.query)
    said = quirks.get("path")
    paths = said if isinstance(said, dict) else {"chat": said}
    if in_path and path.endswith(_VERB):
        folder = path.rpartition("/")[0]
        count = str(paths.get("count_tokens") or f"/count-tokens{_VERB}")
        stream = path.removesuffix(_VERB) + _STREAM_VERB
        targets = path, stream, folder + count
    else:
        chat = path + str(paths.get("chat") or "/messages")
        apart = paths.get("count_tokens")
        targets = chat, chat, path + str(apart) if apart else f"{chat}/count_tokens"
    whole, stream, count = (with_query(target, terms) for target in targets)
    return origin, whole, stream, count


def _dropped(quirks: Quirks, version: str) -> frozenset[str]:
    drop = set(listed(quirks, "drop"))
    if quirks.get("sampling") == "drop" or version >= STRICT_VERSION:
        drop.update(_SAMPLING)
    return frozenset(drop)


def _is_adaptive(quirks: Quirks) -> bool:
    """Rows that say nothing: a model without sampling is one of those that refuse budgets."""
    control = quirks.get("reasoning_control")
    return control == "adaptive" or (control is None and quirks.get("sampling") == "drop")


def _default_output(most: int | None, settings: Settings) -> int:
    wanted = settings.max_tokens_default or most or MAX_TOKENS
    return min(wanted, most) if most else wanted


def _defaults(quirks: Quirks, settings: Settings, drop: frozenset[str]) -> dict[str, bytes]:
    values = dict(mapping(quirks, "default"))
    if settings.temperature_default is not None:
        values.setdefault("temperature", min(settings.temperature_default, 1.0))
    return in_json({name: value for name, value in values.items() if name not in drop})
