"""Which deployments may still be asked when a budget cannot bear one, where operators allow that.

The trap: the order is the strategy's, and stays so. Only those drop out whose worst case is above
what the budget has left; a cheaper deployment further behind is not preferred to a better one that
fits.
"""

from __future__ import annotations

from collections.abc import Collection

from federation.gateway.call import Call
from federation.gateway.funding import chat_facts
from federation.gateway.world import Situation
from federation.pricing.bounds import worst


def cheaper(
    situation: Situation, call: Call, order: list[int], asked: Collection[int], left_nano: int
) -> list[int]:
    """Those of an order that were not asked and that so much money may be enough for; none where
    the route does not go on to others for their price.

    An estimate by the client's own bytes: what is really sent is reserved for before it leaves.
    """
    snapshot = situation.snapshot
    route = snapshot.routes.get(call.glance.model or snapshot.settings.default_model or "")
    allowed = None if route is None else route.cheaper
    if not (snapshot.settings.spending.cheaper if allowed is None else allowed):
        return []
    limit = call.glance.max_output or snapshot.settings.max_tokens_default
    facts = chat_facts(call, len(call.request.body), limit)
    found = []
    for index in order:
        deployment = snapshot.deployments[index]
        most = worst(facts, deployment.model, region=deployment.provider.priced_in)
        if index not in asked and most is not None and most <= left_nano:
            found.append(index)
    return found
