"""Journal records: what happened, written before the answer ends.

A worker appends these to its own journal file; control reads them into the relational
store, which can be rebuilt from them. Times are Unix milliseconds, money is nano-dollars.
Field names are short words because each call writes about a kilobyte of them.
"""

from __future__ import annotations

import msgspec

from federation.schema.usage import Usage


class Candidate(msgspec.Struct, frozen=True, omit_defaults=True):
    """A deployment as the decision saw it: its place in the order is its place in the list."""

    deployment: str
    score: float = 0.0
    quality: float = 0.0
    speed: float = 0.0
    cost: float = 0.0
    reliability: float = 0.0
    probability: float = 0.0
    """Of standing first under the strategy; off-policy estimates divide by it."""


class Ranked(msgspec.Struct, frozen=True, omit_defaults=True):
    """The candidates of a decision, a column for each fact of theirs: a third of the bytes that
    a row for each would take.

    A column that is shorter than the first goes on with its last value; an empty one was not
    asked for.
    """

    deployments: list[str]
    """In the order of the fallback chain."""
    score: list[float] = []
    quality: list[float] = []
    speed: list[float] = []
    cost: list[float] = []
    reliability: list[float] = []
    probability: list[float] = []

    def rows(self) -> tuple[Candidate, ...]:
        """Each candidate by itself."""
        columns = {
            name: column for name in self.__struct_fields__[1:] if (column := getattr(self, name))
        }
        return tuple(
            [
                Candidate(
                    deployment,
                    **{name: column[min(at, len(column) - 1)] for name, column in columns.items()},
                )
                for at, deployment in enumerate(self.deployments)
            ]
        )


class Features(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the router knew of the prompt. No content: numbers and class names only."""

    intent: str = "unknown"
    confidence: float = 0.0
    difficulty: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    """Expected."""
    messages: int = 0
    tools: int = 0
    images: int = 0
    stream: bool = False
    needs: tuple[str, ...] = ()


class Decision(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a deployment was chosen: enough to explain, replay and estimate other policies."""

    requested: str
    """The model, route or `auto` that the call named."""
    strategy: str
    snapshot: int
    features: Features
    listed: tuple[Candidate, ...] = msgspec.field(default=(), name="candidates")
    """As lines of earlier versions have them."""
    eligible: int = 0
    """How many candidates there were."""
    removed: dict[str, int] = {}
    """Rule to the number of candidates that it removed."""
    weights: tuple[float, float, float, float] = (0.5, 0.3, 0.1, 0.1)
    ranked: Ranked | None = None

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """In the order of the fallback chain; the first sixteen."""
        return self.listed if self.ranked is None else self.ranked.rows()


class AttemptRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One request to one deployment."""

    deployment: str
    started_ms: int
    status: int = 0
    """The provider's HTTP status; 0 where none came."""
    error: str = ""
    first_byte_ms: float = 0.0
    total_ms: float = 0.0
    usage: Usage = Usage()
    cost_nano: int | None = 0
    """None where the price is unknown."""


class CallStarted(msgspec.Struct, frozen=True, tag="started", omit_defaults=True):
    """Written while the provider works, so that a lost call leaves a trace."""

    call: str
    at_ms: int
    tenant: str
    key: str
    operation: str
    requested: str
    deployment: str
    stream: bool = False


class CallEnded(msgspec.Struct, frozen=True, tag="ended", omit_defaults=True):
    """Written before the last byte of the answer; exactly one for each call."""

    call: str
    at_ms: int
    tenant: str
    key: str
    operation: str
    requested: str
    outcome: str
    """ok | error | canceled (the client hung up) | cut (the answer could not be finished)"""
    status: int
    stream: bool = False
    deployment: str = ""
    """The one that answered."""
    response_model: str = ""
    finish: str = ""
    error: str = ""
    started_ms: int = 0
    duration_ms: float = 0.0
    first_byte_ms: float = 0.0
    usage: Usage = Usage()
    cost_nano: int | None = 0
    attempts: tuple[AttemptRecord, ...] = ()
    decision: Decision | None = None
    simulated: bool = False
    tags: dict[str, str] = {}
    session: str = ""
    user: str = ""
    team: str = ""
    """The key's."""
    findings: dict[str, int] = {}
    """What content checks found, as `type:action` with its count; never a value."""
    mended: bool = False
    """The answer broke, and other deployments than the first went on with it."""
    policies: tuple[str, ...] = ()
    """Those that bound the call: name, version, digest."""
    refusals: dict[str, int] = {}
    """Of a call that was refused or failed: the rules that kept deployments from it, and how
    many each. Rules of policies stand as `<policy>.<rule>`."""
    watched: dict[str, int] = {}
    """What rules of policies in report mode would have done: as `<policy>.<rule>`, how many of the
    eligible each would have removed; as `<policy>.<rule>:<type>:<action>`, how often one would
    have done that to content. Never a value."""

    pots: dict[str, int] = {}
    """By pot of a budget that the call was charged to, what its worker had spent of that in all:
    the last line that names a pot tells all that is left of a worker that died."""

    payload: str = ""
    """Of a call whose content is kept, a salted hash of it (`evidence.sealing.commitment`); the
    salt is with the content. `unkept` where it should have been and could not be."""

    input: str = ""
    """A salted hash of the body that the client sent (`evidence.receipts`)."""
    output: str = ""
    """The same of the body that it got: as far as it had come, of an answer that was cut; empty
    of one that the gateway refused, or in whose place it told of its own failure."""
    unproven: dict[str, str] = {}
    """Of `input` and `output` those that are missing because they could not be made, and the name
    of the fault."""
    client_id: str = ""
    """The id that the client gave its request (`schema.client_ids`). Ours is `call`."""


Record = CallStarted | CallEnded


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """A record with its place in its writer's sequence, which has no gaps and starts at 1."""

    writer: str
    seq: int
    record: Record
