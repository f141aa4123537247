"""What goes into a routing decision, what a worker's router remembers, what comes out.

The sheets that every call fills in anew are structs: to make one takes a third of the time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from federation.domain.access import VirtualKey
from federation.domain.live import Live
from federation.domain.routes import Weights
from federation.routing.fleet import Fleet, RuleOutcome, Slate
from federation.routing.intents import Classifier, Intent
from federation.routing.names import Resolved, Rules
from federation.routing.prices import PriceColumns
from federation.routing.ring import Ring
from federation.routing.score import Terms
from federation.routing.sheets import Sheet
from federation.schema.glance import Glance
from federation.schema.operations import OperationGlance
from federation.schema.records import Decision
from federation.schema.usage import Usage

NOTHING = Usage()
_RING_LIMIT = 32
_BYTES_PER_TOKEN = 4
_TOKENS_PER_MESSAGE = 4
_TOKENS_PER_IMAGE = 800
_TOKENS_PER_TOOL = 100


class RoutingRequest(msgspec.Struct):
    """One call, as the router sees it.

    Two clocks: `now_s` is that of `Live.down_until` (monotonic seconds), `wall_ms` is Unix
    milliseconds, for prices that depend on the hour.
    """

    glance: Glance | OperationGlance
    read_text: Callable[[], str]
    """Returns the prompt's text for the classifier; called only where scores are needed."""
    now_s: float
    wall_ms: int
    key: VirtualKey | None = None
    usage: Usage = NOTHING
    """What an operation other than chat is expected to use."""
    policy: Rules = ()
    """The rules that policies bring, each named `policy:<rule>`."""
    policy_max_nano: int | None = None
    """The most that policies let the call be predicted to cost."""


@dataclass(slots=True)
class Memory:
    """What one worker's router carries from call to call. Snapshots may change under it."""

    classify: Classifier
    turns: dict[str, int] = field(default_factory=dict)
    rings: dict[tuple[str, ...], Ring] = field(default_factory=dict)

    def turn(self, target: str) -> int:
        """How many turns this target had before; counts one more."""
        turn = self.turns.get(target, 0)
        self.turns[target] = turn + 1
        return turn

    def aside(self) -> Memory:
        """The same for a decision that is no call's: the turns that it takes are not counted."""
        return Memory(self.classify, dict(self.turns), self.rings)

    def ring(self, slate: Slate) -> Ring:
        """The ring of a set of deployments; built in some milliseconds, then kept."""
        found = self.rings.get(slate.ids)
        if found is None:
            if len(self.rings) >= _RING_LIMIT:
                self.rings.clear()
            found = self.rings[slate.ids] = Ring(slate.ids)
        return found


class Case(msgspec.Struct):
    """The work sheet of one decision: each step of `decide` fills in its part."""

    fleet: Fleet
    live: Live
    request: RoutingRequest
    target: Resolved
    strategy: str
    weights: Weights
    rules: Rules
    """Every rule that the call brought."""
    removed: dict[str, int]
    """Read it only: calls share it."""
    slate: Slate
    """Who is left."""
    intent: Intent
    classified: bool
    input_tokens: int
    output_tokens: int
    """Expected, all choices together."""
    prices: PriceColumns
    outcome: RuleOutcome | None = None
    """What is kept of the rules of a call like this one."""
    terms: Terms | None = None
    """What scores are made of; None where the strategy needs none."""
    totals: list[float] = []
    """The scores of the sheet's rows."""
    sheet: Sheet | None = None
    """What they are made of."""


class Verdict(msgspec.Struct):
    """A decision: whom to ask, in which order. `explain` says why."""

    order: list[int]
    """Indexes into `Snapshot.deployments`: the first choice, then the fallback chain."""
    decision: Decision
    cost_nano: int | None
    """Predicted for the first choice; None where its price is unknown."""
    latency_ms: float
    router_chose: bool
    """The call named no model, route or deployment."""
    case: Case

    @property
    def target(self) -> Resolved:
        """What the call's model name stood for, with the deadlines that hold."""
        return self.case.target

    @property
    def strangers(self) -> tuple[str, ...]:
        """Preferred providers that there are not: a wish, so they are passed over, and named."""
        wished = self.case.request.glance.ask.constraints.provider_preference
        if not wished:
            return ()
        return tuple(name for name in wished if name not in self.case.fleet.providers)


def expected_input(glance: Glance) -> int:
    """Input tokens of a call: four bytes of text each, and usual sizes for the rest."""
    return (
        1
        + glance.text_bytes // _BYTES_PER_TOKEN
        + glance.messages * _TOKENS_PER_MESSAGE
        + glance.images * _TOKENS_PER_IMAGE
        + glance.tools * _TOKENS_PER_TOOL
    )
