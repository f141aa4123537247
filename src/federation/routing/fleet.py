"""One snapshot's deployments, indexed so that each rule is a single intersection of sets.

Built once per snapshot (some milliseconds), then read by every call. Facts become sets of
deployments (`masks`); what scores need becomes columns indexed like
`Snapshot.deployments`. A missing fact puts a deployment in no set, so a rule that asks for
it removes the deployment: that is how eligibility stays closed by default.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from operator import itemgetter

from federation.domain.catalogue import DataUse, Deployment
from federation.domain.live import Live
from federation.domain.regions import meets
from federation.domain.routes import AUTO, Settings
from federation.domain.snapshot import Snapshot
from federation.routing.masks import Steps, indexes_of, mask_of
from federation.routing.names import Names, Resolved, Rules
from federation.routing.prices import PriceColumns, PriceTable
from federation.routing.quality import quality_columns
from federation.routing.sheets import Sheet
from federation.schema.records import Ranked

CHAT = "chat"
_MEMO_LIMIT = 512
_SHEETS_KEPT = 32
"""A sheet of a thousand deployments has some hundred kilobytes."""


class Slate:
    """The members of one set of deployments, with ways to pick their values off a column."""

    __slots__ = ("ids", "indexes", "mask", "pick", "places")

    def __init__(self, mask: int, all_ids: tuple[str, ...]) -> None:
        self.mask = mask
        self.indexes = indexes = indexes_of(mask)
        self.ids = tuple([all_ids[index] for index in indexes])
        self.places = {index: place for place, index in enumerate(indexes)}
        self.pick: Callable[[list[float]], tuple[float, ...]]
        if len(indexes) == 1:
            only = indexes[0]
            self.pick = lambda column: (column[only],)
        else:
            self.pick = itemgetter(*indexes) if indexes else lambda _column: ()

    def mask_under(self, values: list[float], limit: float) -> int:
        """The members whose value (in slate order) is not above the limit."""
        return mask_of(
            index for index, value in zip(self.indexes, values, strict=True) if value <= limit
        )


class RuleOutcome:
    """What the rules that a call brings come to; the same for all calls that bring these."""

    __slots__ = ("listed", "removed", "rules", "slate", "told")

    def __init__(self, rules: Rules, removed: dict[str, int], slate: Slate) -> None:
        self.rules = rules
        self.removed = removed
        """Read it only: it is in the record of every such call."""
        self.slate = slate
        """Who is left."""
        self.listed: list[int] = []
        """They in the order that a strategy without live facts gives them; empty until asked."""
        self.told: Ranked | None = None
        """How the record tells of that order; None until asked."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """Everything about a snapshot's deployments that a routing decision reads.

    Immutable but for memos whose size is bounded. `masks` are sets of deployment indexes.
    """

    version: int
    settings: Settings
    deployments: tuple[Deployment, ...]
    ids: tuple[str, ...]
    names: Names
    everything: int
    local: int
    """Hosts of our own."""
    unstated: int
    """Rows that say nothing of what their model can do (often an operator's own server)."""
    abilities: dict[str, int]
    modalities: dict[str, int]
    regions: dict[str, int]
    """By region as the rows name it: who may process data there."""
    region_known: int
    certifications: dict[str, int]
    providers: dict[str, int]
    """In the order of the operator's list."""
    usable: int
    """Who is enabled and has a credential."""
    context: Steps
    context_unknown: int
    max_input: Steps
    max_output: Steps
    max_output_unknown: int
    prices: PriceTable
    quality: dict[str, list[float]]
    operation: str = CHAT
    """What its deployments are asked for."""
    _slates: dict[int, Slate] = field(default_factory=dict, repr=False)
    _sheets: dict[tuple[Slate, str], Sheet] = field(default_factory=dict, repr=False)
    _outcomes: dict[Hashable, RuleOutcome] = field(default_factory=dict, repr=False)
    _resident: dict[tuple[str, ...], int] = field(default_factory=dict, repr=False)
    _allowed: dict[tuple[str, ...], int] = field(default_factory=dict, repr=False)
    _first: dict[int, int] = field(default_factory=dict, repr=False)
    """By how many; as many as there are tiers and tenants with terms of their own."""

    @staticmethod
    def of(
        snapshot: Snapshot, dialects: frozenset[str], today: date, operation: str = CHAT
    ) -> Fleet:
        """Index a snapshot. `dialects` are the wire languages that this build can speak;
        models whose retirement lies before `today` are not asked any more."""
        return _build(snapshot, dialects, today, operation)

    def offering(self, operation: str, dialects: frozenset[str], today: date) -> Fleet:
        """The same deployments for another operation, which these wire languages can be asked
        for. Everything but the standing rules is shared."""
        rules = _ready_rules(self.deployments, dialects, today, operation)
        names = self.names.under(rules)
        return replace(self, operation=operation, names=names, _outcomes={})

    def resolve(self, requested: str | None) -> Resolved:
        """What the requested model name stands for; `NotFound` names the nearest names.

        The operator's default model is one for chats: it stands for no other operation.
        """
        return self.names.resolve(self.named_by(requested))

    def named_by(self, requested: str | None) -> str:
        """The name that a call asks for, unknown ones included: its own, else what stands in."""
        standing = self.settings.default_model if self.operation == CHAT else None
        return requested or standing or AUTO

    def slate(self, mask: int) -> Slate:
        """The members of a set, in index order."""
        found = self._slates.get(mask)
        if found is None:
            if len(self._slates) >= _MEMO_LIMIT:
                self._slates.clear()
            found = self._slates[mask] = Slate(mask, self.ids)
        return found

    def sheet(self, slate: Slate, category: str, live: Live, prices: PriceColumns) -> Sheet:
        """What these members are scored by, under what live facts and prices say now."""
        asked = slate, category
        found = self._sheets.get(asked)
        if found is None or not found.holds(live, prices):
            if found is None and len(self._sheets) >= _SHEETS_KEPT:
                self._sheets.clear()
            column = self.quality[category]
            found = Sheet(slate.indexes, slate.pick, column, live, prices)
            self._sheets[asked] = found
        return found

    def outcome(self, brought: Hashable) -> RuleOutcome | None:
        """What was kept under what a call brought to its rules."""
        return self._outcomes.get(brought)

    def keep(self, brought: Hashable, outcome: RuleOutcome) -> None:
        """Keep what they came to."""
        if len(self._outcomes) >= _MEMO_LIMIT:
            self._outcomes.clear()
        self._outcomes[brought] = outcome

    def resident_in(self, places: tuple[str, ...]) -> int:
        """The deployments known to process data in none but these places, in any case of
        letters."""
        found = self._resident.get(places)
        if found is None:
            outside, demanded = 0, [place.lower() for place in places]
            for region, mask in self.regions.items():
                if not meets(region, demanded):
                    outside |= mask
            found = self.region_known & ~outside
            if len(self._resident) >= _MEMO_LIMIT:
                self._resident.clear()
            self._resident[places] = found
        return found

    def of_providers(self, providers: tuple[str, ...]) -> int:
        """The deployments of any of these providers."""
        mask = 0
        for provider in providers:
            mask |= self.providers.get(provider, 0)
        return mask

    def first(self, count: int) -> int:
        """The deployments of the first so many providers that can be asked, in the operator's
        order: the same for every call, or a tenant would use them all in turn."""
        found = self._first.get(count)
        if found is None:
            found = 0
            usable = [mask for mask in self.providers.values() if mask & self.usable]
            for mask in usable[:count]:
                found |= mask
            self._first[count] = found
        return found

    def named(self, models: tuple[str, ...]) -> int:
        """The deployments that any of these deployment, model or alias names covers."""
        found = self._allowed.get(models)
        if found is None:
            found = 0
            for name in models:
                found |= self.names.covers(name)
            if len(self._allowed) >= _MEMO_LIMIT:
                self._allowed.clear()
            self._allowed[models] = found
        return found


def _build(snapshot: Snapshot, dialects: frozenset[str], today: date, operation: str) -> Fleet:
    deployments = snapshot.deployments
    regions = _index(deployments, lambda d: d.provider.places)
    return Fleet(
        version=snapshot.version,
        settings=snapshot.settings,
        deployments=deployments,
        ids=tuple(deployment.id for deployment in deployments),
        names=Names(
            snapshot,
            _ready_rules(deployments, dialects, today, operation),
            known=_where(deployments, facts_known),
            makers=_where(deployments, _may_be_preferred),
        ),
        everything=(1 << len(deployments)) - 1,
        local=_where(deployments, lambda d: d.provider.local),
        unstated=_where(deployments, _says_nothing),
        abilities=_index(deployments, lambda d: [a.value for a in d.model.abilities]),
        modalities=_index(deployments, lambda d: d.model.input_modalities),
        regions=regions,
        region_known=_where(deployments, lambda d: bool(d.provider.places)),
        certifications=_index(deployments, lambda d: d.provider.certifications),
        providers=_index(deployments, lambda d: (d.provider.id,)),
        usable=_where(deployments, lambda d: d.enabled and d.provider.enabled and d.usable),
        context=Steps([deployment.model.context for deployment in deployments]),
        context_unknown=_where(deployments, lambda d: d.model.context is None),
        max_input=Steps([d.model.max_input or d.model.context for d in deployments]),
        max_output=Steps([deployment.model.max_output for deployment in deployments]),
        max_output_unknown=_where(deployments, lambda d: d.model.max_output is None),
        prices=PriceTable(deployments),
        quality=quality_columns(deployments),
        operation=operation,
    )


def _ready_rules(
    deployments: tuple[Deployment, ...], dialects: frozenset[str], today: date, operation: str
) -> Rules:
    """The rules that no call can change, as (rule, who passes), in the order of naming."""
    day = today.isoformat()
    return (
        ("operation", _where(deployments, lambda d: operation in d.operations)),
        ("dialect", _where(deployments, lambda d: d.provider.dialect in dialects)),
        ("disabled", _where(deployments, lambda d: d.enabled and d.provider.enabled)),
        ("credential", _where(deployments, lambda d: d.usable)),
        ("retired", _where(deployments, lambda d: not (d.model.retires or "9") < day)),
    )


def facts_known(deployment: Deployment) -> bool:
    """Whether `auto` may use it unasked: where data goes and what becomes of it is known.

    An operator's own row (no catalogue source), a local server and the sandbox count as
    known: somebody put them there on purpose.
    """
    provider = deployment.provider
    if provider.local or provider.simulated or not provider.sources:
        return True
    return bool(provider.regions) and provider.data_use is not DataUse.UNKNOWN


def _may_be_preferred(deployment: Deployment) -> bool:
    provider = deployment.provider
    own = provider.local or provider.simulated or not provider.sources
    return deployment.model.maker or own


def _says_nothing(deployment: Deployment) -> bool:
    model = deployment.model
    return not model.abilities and tuple(model.input_modalities) == ("text",)


def _where(deployments: tuple[Deployment, ...], holds: Callable[[Deployment], bool]) -> int:
    return mask_of(index for index, each in enumerate(deployments) if holds(each))


def _index(
    deployments: tuple[Deployment, ...], facts: Callable[[Deployment], Iterable[str]]
) -> dict[str, int]:
    table: dict[str, int] = {}
    for index, deployment in enumerate(deployments):
        for fact in facts(deployment):
            table[fact] = table.get(fact, 0) | 1 << index
    return table
