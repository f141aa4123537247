"""What the control process itself puts on record, beside the calls of the workers.

The trap: a log that says nothing may mean that nothing happened or that nobody wrote. The
heartbeats tell these apart, and `Closed` a planned stop from a crash. Records name ids and
words of our own, never what a client or an operator typed as content.
"""

from __future__ import annotations

import msgspec


class Opened(msgspec.Struct, frozen=True, tag="log_opened", omit_defaults=True):
    """Control has begun to keep the log."""

    at_ms: int
    version: str
    """Of the software."""
    size: int
    """Records that the log had."""


class Heartbeat(msgspec.Struct, frozen=True, tag="heartbeat", omit_defaults=True):
    """Control is there, follows these writers, and has this much of each."""

    at_ms: int
    writers: dict[str, int] = {}
    """Writer to its last sequence number in the log; those that live."""


class Closed(msgspec.Struct, frozen=True, tag="log_closed", omit_defaults=True):
    """Control was told to stop; the workers had left."""

    at_ms: int


class KeyChanged(msgspec.Struct, frozen=True, tag="key_changed", omit_defaults=True):
    """From the next checkpoint on, another key signs."""

    at_ms: int
    key: str
    predecessor: str


class Witnessed(msgspec.Struct, frozen=True, tag="witnessed", omit_defaults=True):
    """What the log of another replica had come to, as it was told to the store that both share."""

    at_ms: int
    replica: str
    """Its name at that time, `[A-Za-z0-9_.:/-]{1,100}`; the log's own, which never changes, is in
    the checkpoint."""
    public: str
    """The key that signed, in hex."""
    checkpoint: str
    """The newest checkpoint of that log, in the short form that anchors keep."""


class CallLost(msgspec.Struct, frozen=True, tag="lost", omit_defaults=True):
    """A worker died with this call in hand. With the `started` record of the same call it is
    all that will ever be known of it: whether the provider worked, and at what cost, is not."""

    at_ms: int
    """When it was noticed."""
    call: str
    tenant: str
    key: str
    requested: str
    deployment: str
    started_ms: int
    writer: str
    """The worker's journal, in which `started` stands."""


class Changed(msgspec.Struct, frozen=True, omit_defaults=True):
    """An object that was made, changed or ended. A version is a keyed hash of all that is kept of
    it: what one change leaves, the next one of the same object finds. It tells nothing else."""

    kind: str
    """key | tenant | team | user | budget | limit | provider | overflow_provider | node"""
    id: str
    """Of a user, the pseudonym."""
    tenant: str = ""
    before: str = ""
    """Empty: it was not there."""
    after: str = ""
    """Empty: it is there no more."""
    fields: tuple[str, ...] = ()
    """The names of what differs between the two."""


class Action(msgspec.Struct, frozen=True, tag="action", omit_defaults=True):
    """Somebody changed something by the management API, or tried to; or read the salt of a call
    that another key made (`GET /v1/calls/{call}?receipt`), which has one record, `done`.

    Two records with one `id`: `asked` before it is done, `done` before the answer leaves. One
    that was `refused` has that record alone. `asked` without `done` is a change that a crash
    may have left half done.
    """

    at_ms: int
    id: str
    phase: str
    """asked | done | refused"""
    actor: str
    """The id of the key, or `federation` where a rule acted."""
    tenant: str
    """The actor's."""
    role: str
    action: str
    """Method and route, such as `POST /v1/keys`."""
    subject: str = ""
    """The path that was asked for, which names what is changed."""
    status: int = 0
    """The answer's, once it is done."""
    made: str = ""
    """The id of what came into being, where the answer names one."""
    changed: tuple[Changed, ...] = ()
    """Once it is done, what it has changed. Policies, violations and kept contents have records of
    their own that say so."""
    unnamed: int = 0
    """Changes beyond those that `changed` has room for."""


class InForce(msgspec.Struct, frozen=True, tag="in_force", omit_defaults=True):
    """From now on calls are decided under this configuration and these policies."""

    at_ms: int
    version: int
    """The snapshot's, which each call's decision names."""
    digest: str
    policies: tuple[str, ...] = ()
    """Name, version and digest of each."""


class PolicyMoved(msgspec.Struct, frozen=True, tag="policy_version", omit_defaults=True):
    """A version of a policy, or an approval that a policy asks for, went a step on its way."""

    at_ms: int
    subject: str
    """policy | approval"""
    name: str
    version: int
    """Of a policy; of an approval, 0."""
    id: str
    state: str
    """proposed | approved | rejected | withdrawn"""
    by: str
    """Who took the step."""
    proposed_by: str
    digest: str = ""
    """Of what a policy would say."""
    before: str = ""
    """Of the policy that was in force under this name when this was approved; empty: none was."""


class ViolationMoved(msgspec.Struct, frozen=True, tag="violation", omit_defaults=True):
    """A violation was seen (again), or somebody dealt with it. `call` links the record of the
    call in which it was seen."""

    at_ms: int
    id: str
    event: str
    """opened | seen | escalated | acknowledged | resolved, or of a remedy: proposed | done |
    undone | rejected"""
    kind: str
    severity: str
    state: str
    policy: str = ""
    rule: str = ""
    control: str = ""
    tenant: str = ""
    key: str = ""
    call: str = ""
    by: str = ""
    remedy: str = ""
    """What was done or proposed, where the event is about that."""


class DataMoved(msgspec.Struct, frozen=True, tag="data", omit_defaults=True):
    """Something was done about kept contents or the keys that seal them."""

    at_ms: int
    event: str
    """holding | held | nothing_held: the erasures `after` came first | released
    | erasing | erased | erasure_waits: the holds `after` came first
    | expired | spared: a hold had come before these keys went | rotating | rotated | read,
    named: somebody asked who a pseudonym is, or which one a user has,
    or restored: a backup had brought destroyed keys back, and they were destroyed again"""
    tenant: str = ""
    subject: str = ""
    """Whose contents, as a pseudonym; empty for everybody's."""
    id: str = ""
    """Of the hold or the erasure."""
    by: str = ""
    """The key of who asked; empty where a rule acted."""
    keys: tuple[str, ...] = ()
    """Those that were destroyed, or the one that wraps from now on."""
    call: str = ""
    turn: int = 0
    """Of a hold or an erasure that is done: a time, in the one order of all replicas that share
    their keys. What came first has the smaller one, in whichever log."""
    after: tuple[str, ...] = ()
    """The holds, or erasures, of the same person that came first."""


ControlRecord = (
    Opened
    | Heartbeat
    | Closed
    | KeyChanged
    | Witnessed
    | CallLost
    | Action
    | InForce
    | PolicyMoved
    | ViolationMoved
    | DataMoved
)
