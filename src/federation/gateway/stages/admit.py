"""Admit: what a call may ask for, before anything is routed.

Here the policies are asked what holds for the call; every later stage goes by its answer.

Governed fields change model, place, price, retention or credentials behind our back. They
are refused unless the operator allows them; fields that nobody listed are refused as soon
as a rule about place, certification or price, or a hard budget, is in force, because they could
break it.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable
from typing import Final

from msgspec import structs

from federation.dialects.operations.ownership import PREFIX
from federation.domain.routes import Settings
from federation.errors import Forbidden, InvalidRequest
from federation.gateway.call import C, Call, Handler
from federation.gateway.deciding import judged
from federation.gateway.money import Money, hardest
from federation.gateway.world import Situation, World
from federation.governance.obligations import Obligations
from federation.schema.glance import Constraints, Glance
from federation.schema.http import ClientReply
from federation.schema.operations import OperationGlance

_OWN_ID: Final = re.compile(rb'"%b[A-Za-z0-9_-]{20}' % PREFIX.encode())
"""At the beginning of a text: words about such ids are no ids."""


class Admission:
    """The stage that refuses what may not be asked; one for each worker."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __call__(self, call: C, following: Handler[C]) -> Awaitable[ClientReply]:
        """Pass the call on with its duties, or raise `Forbidden` or `InvalidRequest` naming the
        field."""
        return following(admitted(self._world.current(), call, self._world.money))


def admitted(situation: Situation, call: C, money: Money) -> C:
    """A call with what policies demand of whoever carries it. Raises as `check_fields` does."""
    ruled = judged(situation, call)
    duties = None if ruled is None else ruled.ruling.obligations
    if call.glance.governed and isinstance(call, Call):
        _check_stored(call)
    if call.glance.governed or call.glance.unlisted:
        bounded = bool(call.glance.unlisted) and hardest(money.pots(call)) is not None
        check_fields(call.glance, situation.snapshot.settings, duties, bounded=bounded)
    return call if duties is None else structs.replace(call, duties=duties)


def _check_stored(call: Call) -> None:
    """An id that a pass-through gave out is its tenant's, and means nothing to the provider: it
    would answer that there is no such file, which sends people looking in the wrong place."""
    if _OWN_ID.search(call.request.body):
        raise InvalidRequest(
            f"An id that begins with {PREFIX!r} is of a file made through /passthrough/, and is "
            "good for calls of the same pass-through only. Send the file's content in the "
            "message instead.",
            code="passthrough_id",
        )


def check_fields(
    glance: Glance | OperationGlance,
    settings: Settings,
    duties: Obligations | None,
    *,
    bounded: bool = False,
) -> None:
    """Refuse what the fields of a call may not ask: `Forbidden`, `InvalidRequest`. `bounded`: a
    hard budget binds it."""
    _check_governed(glance, settings)
    ruled = bounded or _ruled(glance.ask.constraints) or _demanded(glance, duties)
    if glance.unlisted and ruled:
        raise InvalidRequest(
            f"The field {glance.unlisted[0]!r} is not known here, and this call is under a "
            "budget, or a rule about place, certification or price, that it might break. "
            "Leave it out.",
            code="unlisted_field",
            param=glance.unlisted[0],
        )


def _check_governed(glance: Glance | OperationGlance, settings: Settings) -> None:
    for field in glance.governed:
        if field in settings.deny_fields or field not in settings.allow_fields:
            raise Forbidden(
                f"The field {field!r} changes the model, place, price or retention of a call "
                "and is refused here. Leave it out, or have the operator list it under "
                "'fields: {allow: [...]}' in federation.yaml.",
                code="governed_field",
                param=field,
            )


def _ruled(constraints: Constraints) -> bool:
    return bool(
        constraints.data_residency is not None
        or constraints.gdpr_required
        or constraints.soc2_required
        or constraints.hipaa_required
        or constraints.max_cost is not None
    )


def _demanded(glance: Glance | OperationGlance, duties: Obligations | None) -> bool:
    return glance.ask.privacy is not None or (duties is not None and duties.listed_fields_only)
