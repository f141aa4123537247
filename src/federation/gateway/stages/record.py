"""Record: every call leaves a `started` and exactly one `ended` line in the journal.

The trap is the order of things. `started` is written while the provider works: it is
scheduled before the dispatcher runs and executes at its first wait, with those of all calls
that began in the same turn of the loop. Where a policy demands records it is written before
anything leaves (`on_record`). `ended` is written before the last byte of the answer, in one
synchronous step, so no cancellation can come between an answer and its record. Under `disk`
durability, or a policy that demands it, the last byte then waits until the record, and all before
it, is on the disk.

An `ended` that the journal refused is owed (`RetryingJournal`): it is written before any further
line, so that no call that begins later reaches a provider while one that did has no end on record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from msgspec import structs

from federation.errors import EvidenceUnwritable, FederationError
from federation.gateway.call import AnyCall, C, Handler, to_microseconds
from federation.gateway.leg import Renaming
from federation.gateway.pseudonyms import Pseudonyms, user_of
from federation.gateway.receipts import Receipts, is_big
from federation.gateway.reply import tell
from federation.gateway.retrying_journal import RetryingJournal
from federation.gateway.stream import AnswerStream
from federation.gateway.threads import BIG
from federation.ports import Journal, Meter
from federation.schema.client_ids import client_id
from federation.schema.http import ClientReply
from federation.schema.records import CallEnded, CallStarted
from federation.telemetry import metrics

CLIENT_LEFT = 499
"""The status recorded, never sent, for a client that hung up (the field's custom)."""
_RETRY_S = 1.0
"""How long a journal that refused a line is left alone when nobody calls."""


class Recorder:
    """The stage that keeps the books; one for each worker."""

    def __init__(
        self,
        journal: RetryingJournal,
        meter: Meter,
        tell: Callable[[CallEnded], None],
        clock: Callable[[], float],
        names: Pseudonyms,
        receipts: Receipts,
    ) -> None:
        self._names = names
        self._receipts = receipts
        self._journal = journal
        self._meter = meter
        self._tell = tell
        self._clock = clock
        self._broken = journal.stuck()
        self._unsafe = False
        """The disk refused a sync, and has done none since: a line that is written says nothing."""
        self._pays = False
        """What is owed is tried again in a moment."""
        self._due: list[AnyCall] = []
        """Calls whose beginning goes on record with the next turn of the loop, in one write."""

    async def __call__(self, call: C, following: Handler[C]) -> ClientReply:
        """Pass the call on and write what became of it.

        Raises `EvidenceUnwritable` when the journal refuses the record: before a token is
        spent where the journal is already known to be broken, else in place of the answer.
        """
        call.account.asker = self._names.asker(call.key) if call.key.user else ""
        if self._broken:
            await self._begin(call)
        else:
            if not self._due:
                asyncio.get_running_loop().call_soon(self._begin_due)
            self._due.append(call)
        try:
            if user_of(call.key, call.glance) and not self._names.knows(call.key.tenant):
                await self._names.fetch(call.key.tenant)
                call.account.asker = self._names.asker(call.key)
            if is_big(call):
                reply = await self._receipts.during(call, following)
            else:
                reply = await following(call)
            if (proving := self._prove(call, reply)) is not None:
                await proving
        except asyncio.CancelledError:
            self._leave(call)
            raise
        except FederationError as error:
            tell(error, call)
            self._close(call, "error", error.status, error.code)
            await self._settled(call)
            raise
        except BaseException as fault:
            self._close(call, "error", 500, "internal_error")
            if isinstance(fault, Exception):
                await self._settled(call)
            raise
        if not isinstance(reply.body, AnswerStream):
            self._close(call, "ok", reply.status, "")
            # As `_settled` does, which would be one coroutine more for every call.
            if (settling := self._journal.settled(on_disk=_demanded(call))) is not None:
                await self._until(settling, call)
        return reply

    def _prove(self, call: AnyCall, reply: ClientReply) -> Awaitable[None] | None:
        """Enter the hashes of a whole answer, or have a stream's made as it goes out; what to wait
        for where an answer is big."""
        body = reply.body
        if isinstance(body, AnswerStream):
            body.on_end.append(self._closer(call, body, reply.status))
        elif isinstance(body, bytes):
            if len(body) > BIG:
                return self._receipts.note_big(call, body)
            self._receipts.note(call, body)
        return None

    def _closer(
        self, call: AnyCall, stream: AnswerStream, status: int
    ) -> Callable[[str, FederationError | None], None]:
        heard = self._receipts.begin(call)
        renamed = stream.renamed
        if heard is not None:
            update = heard.update
            stream.overhear(update if renamed is None else partial(_through, renamed, update))

        def close(outcome: str, error: FederationError | None) -> None:
            if heard is not None:
                self._receipts.end(call, heard, None if outcome == "canceled" else renamed)
            code = error.code if error is not None else ""
            if outcome == "canceled":
                self._leave(call)
                return
            self._close(call, outcome, status, code)
            if (settling := self._journal.settled(on_disk=_demanded(call))) is not None:
                stream.settling = partial(self._until, settling, call)

        return close

    async def _settled(self, call: AnyCall) -> None:
        if (settling := self._journal.settled(on_disk=_demanded(call))) is not None:
            await self._until(settling, call)

    async def _until(self, settling: Awaitable[None], call: AnyCall) -> None:
        """Wait until what was written of a call is safe. Raises `EvidenceUnwritable`."""
        try:
            await settling
        except EvidenceUnwritable as fault:
            tell(fault, call)
            self._broken = self._unsafe = True
            self._meter.add(metrics.JOURNAL_ERRORS, ())
            raise
        self._unsafe = False

    def assured(self, call: AnyCall) -> Awaitable[None] | None:
        """What a call whose policy demands the disk waits for before anything of it leaves: while
        the disk is known to refuse. None for all others. Raises `EvidenceUnwritable`."""
        return self._settled(call) if self._unsafe and _demanded(call) else None

    def _begin_due(self) -> None:
        due, self._due = self._due, []
        # What `on_record` has written is only to be settled.
        calls = [call for call in due if not call.account.closed]
        if not calls:
            return
        records = [started(call) for call in calls if not call.account.begun]
        try:
            self._journal.extend(records)
        except EvidenceUnwritable as error:
            # The answers are still to come; `ended` will refuse them if the journal stays broken.
            self._broken = True
            self._meter.add(metrics.JOURNAL_ERRORS, (), max(len(records), 1))
            lost = set() if error.written else {record.call for record in records}
            for call in calls:
                call.account.begun = call.account.begun and call.id not in lost
        else:
            self._broken = self._unsafe

    async def _begin(self, call: AnyCall) -> None:
        """Write a call's beginning before anything else, for the journal may be broken. One that
        stands has an end, too, though the call goes no further."""
        try:
            self._append(started(call))
            await self._settled(call)
        except asyncio.CancelledError:
            self._leave(call)
            raise
        except EvidenceUnwritable as error:
            tell(error, call)
            if error.written:
                with suppress(EvidenceUnwritable):  # the client is refused already
                    self._close(call, "error", error.status, error.code)
            raise

    def _close(self, call: AnyCall, outcome: str, status: int, error: str) -> None:
        account = call.account
        if account.closed:
            return
        account.closed = True
        self._receipts.note_input(call)
        elapsed = self._clock() - call.started
        record = ended(call, outcome, status, error, elapsed * 1000.0, self._names)
        try:
            if account.refusals and not account.begun:
                # An auditor follows a refusal from its beginning, though it took no time.
                self._append(started(call))
            self._append(record)
        except EvidenceUnwritable as fault:
            tell(fault, call)
            if not fault.written:
                if outcome != "canceled":
                    # The client gets the refusal in place of the answer, or of a stream's end.
                    refusal = {"status": fault.status, "error": fault.code, "output": ""}
                    record = structs.replace(record, outcome="error", **refusal)
                self._journal.owe(record, fault.message)
                self._pay_later()
            raise
        finally:
            self._tell(record)

    def _leave(self, call: AnyCall) -> None:
        """Close the account of a client that hung up: nobody is left to be refused."""
        with suppress(EvidenceUnwritable):  # it was counted, and is owed
            self._close(call, "canceled", CLIENT_LEFT, "client_left")

    def _append(self, record: CallStarted | CallEnded) -> None:
        try:
            self._journal.append(record)
        except EvidenceUnwritable:
            self._broken = True
            self._meter.add(metrics.JOURNAL_ERRORS, ())
            raise
        self._broken = self._unsafe

    def _pay_later(self) -> None:
        """Have what is owed written though nobody calls."""
        if not self._pays:
            self._pays = True
            asyncio.get_running_loop().call_later(_RETRY_S, self._pay)

    def _pay(self) -> None:
        self._pays = False
        try:
            self._journal.pay()
        except EvidenceUnwritable:
            self._broken = True
        if self._journal.owes:
            self._pay_later()


class DiskCheck:
    """The stage within admission that lets nothing of a call leave whose policy wants records on
    a disk that is known to take none. Under `disk` durability the recorder itself has waited."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def __call__(self, call: C, following: Handler[C]) -> Awaitable[ClientReply]:
        """Pass the call on. Raises `EvidenceUnwritable`."""
        waiting = self._recorder.assured(call)
        return following(call) if waiting is None else _after(waiting, call, following)


async def _after(waiting: Awaitable[None], call: C, following: Handler[C]) -> ClientReply:
    await waiting
    return await following(call)


def _through(renamed: Renaming, update: Callable[[bytes], None], data: bytes) -> None:
    update(renamed.feed(data))


def _demanded(call: AnyCall) -> bool:
    """Whether a policy wants the call's records on the disk."""
    ruled = call.account.ruled
    return ruled is not None and ruled.ruling.obligations.durable


def on_record(journal: Journal, call: AnyCall, deployment: str = "") -> None:
    """Where a policy demands records, have the call's beginning written before anything of it
    leaves, for this deployment if it is known. Under `disk` durability its sync begins at once,
    and nobody waits for it. Raises `EvidenceUnwritable`: nothing has left then."""
    account = call.account
    if account.begun or account.ruled is None or not account.ruled.ruling.obligations.logged:
        return
    try:
        journal.append(started(call, deployment))
    except EvidenceUnwritable:
        account.begun = False
        raise


def started(call: AnyCall, deployment: str = "") -> CallStarted:
    """The line that says that a call is under way; its beginning counts as on record.
    `deployment` is to be asked next; without it, it is the one that is asked."""
    account, glance, key = call.account, call.glance, call.key
    account.begun = True
    return CallStarted(
        call.id,
        call.started_ms,
        key.tenant,
        account.asker or key.id,
        call.operation,
        glance.model or "auto",
        deployment or account.deployment,
        glance.stream,
    )


def ended(
    call: AnyCall, outcome: str, status: int, error: str, duration_ms: float, names: Pseudonyms
) -> CallEnded:
    """The line that closes a call's account. Its members go by place: to pass thirty names costs as
    much as the rest of this function."""
    account, glance, key = call.account, call.glance, call.key
    user, session, tags = names.told(key, glance)
    return CallEnded(
        call.id,
        call.started_ms + int(duration_ms),
        key.tenant,
        account.asker or key.id,
        call.operation,
        glance.model or "auto",
        outcome,
        status,
        glance.stream,
        account.deployment,
        account.response_model,
        account.finish,
        error,
        call.started_ms,
        to_microseconds(duration_ms),
        account.first_byte_ms,
        account.usage(),
        account.cost_nano(),
        tuple(account.attempts),
        account.decision,
        account.simulated,
        tags,
        session,
        user,
        key.team,
        guarding.findings() if (guarding := account.guarding) is not None else {},
        account.mended,
        ruled.ruling.policies if (ruled := account.ruled) is not None else (),
        account.refusals,
        account.watched,
        account.pots,
        account.payload,
        account.input,
        account.output,
        account.unproven,
        names.in_id(key, glance, client_id(call.request.headers)),
    )
