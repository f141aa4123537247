"""How one deployment is reached in this dialect: everything that can be prepared before a call.

Address, headers and quirks are those of Chat Completions, whose hosts these are, so that
dialect prepares them (`openai.wire`, `openai.row`). Three things differ: the path, which is
`/responses` unless the row's `path` says otherwise (`{responses: ...}`, or a plain path in
a row of this dialect); the limit of the answer's tokens, always `max_output_tokens`; and
whether a model's reasoning may be asked for in its encrypted form.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import msgspec
from msgspec import structs

from federation.dialects.address import NOWHERE, Reach
from federation.dialects.openai import wire as chat_wire
from federation.dialects.openai_responses.tables import LIMIT, NAME
from federation.dialects.quirks import Quirks, path_of, quirks_of
from federation.domain.catalogue import Ability, Deployment
from federation.domain.routes import Settings

_PATH: Final = "/responses"


class Wire(msgspec.Struct, frozen=True):
    """A deployment, ready to be called. Holds a secret."""

    host: chat_wire.Wire
    seals: bool
    """Reasoning may be asked for in its encrypted form."""
    top_level: bool
    """System text goes into `instructions`."""
    replays: bool
    """Reasoning goes back as text where nothing seals it."""

    def __repr__(self) -> str:
        return f"Wire({self.host.deployment!r})"


def prepare(deployment: Deployment, settings: Settings, reach: Reach = NOWHERE) -> Wire:
    """Prepare a deployment for calls. Parameters and errors are those of
    `openai.wire.prepare`."""
    quirks = quirks_of(deployment)
    ours = {"path": _path(deployment, quirks), "output_limit_field": LIMIT}
    model = replace(deployment.model, quirks={**deployment.model.quirks, **ours})
    host = chat_wire.prepare(replace(deployment, model=model), settings, reach)
    if host.accepts is not None:
        host = structs.replace(host, accepts=host.accepts | {"input"})
    takes_include = "include" not in host.drop and (
        host.accepts is None or "include" in host.accepts
    )
    return Wire(
        host,
        # A model that does not reason answers 400 to a call that asks for its reasoning.
        seals=takes_include and Ability.REASONING in deployment.model.abilities,
        top_level=quirks.get("system_role") == "top_level",
        replays=quirks.get("reasoning_replay") in ("always", "tool_turns"),
    )


def _path(deployment: Deployment, quirks: Quirks) -> str:
    if isinstance(quirks.get("path"), dict) or deployment.provider.dialect == NAME:
        return path_of(quirks, _PATH, "responses")
    return _PATH
