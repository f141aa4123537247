"""Record: every call leaves a `started` and exactly one `ended` line in the journal.

The trap is the order of things. `started` is written while the provider works: it is
scheduled before the dispatcher runs and executes at its first wait. `ended` is written
before the last byte of the answer, in one synchronous step, so no cancellation can come
between an answer and its record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from federation.errors import EvidenceUnwritable, FederationError
from federation.gateway.call import AnyCall, C, Handler, to_microseconds
from federation.gateway.stream import AnswerStream
from federation.ports import Journal, Meter
from federation.schema.http import ClientReply
from federation.schema.records import CallEnded, CallStarted
from federation.telemetry import metrics

CLIENT_LEFT = 499
"""The status recorded, never sent, for a client that hung up (the field's custom)."""


class Recorder:
    """The stage that keeps the books; one for each worker."""

    def __init__(
        self,
        journal: Journal,
        meter: Meter,
        tell: Callable[[CallEnded], None],
        clock: Callable[[], float],
    ) -> None:
        self._journal = journal
        self._meter = meter
        self._tell = tell
        self._clock = clock
        self._broken = False

    async def __call__(self, call: C, following: Handler[C]) -> ClientReply:
        """Pass the call on and write what became of it.

        Raises `EvidenceUnwritable` when the journal refuses the record: before a token is
        spent where the journal is already known to be broken, else in place of the answer.
        """
        if self._broken:
            self._begin(call)
            begun = None
        else:
            begun = asyncio.get_running_loop().call_soon(self._begin_later, call)
        try:
            reply = await following(call)
        except asyncio.CancelledError:
            self._leave(call, begun)
            raise
        except FederationError as error:
            error.call_id = call.id
            error.attempts = call.account.tried
            self._close(call, "error", error.status, error.code, begun)
            raise
        except BaseException:
            self._close(call, "error", 500, "internal_error", begun)
            raise
        body = reply.body
        if isinstance(body, AnswerStream):
            body.on_end.append(self._closer(call, reply.status))
        else:
            self._close(call, "ok", reply.status, "", None)
        return reply

    def _closer(self, call: AnyCall, status: int) -> Callable[[str, FederationError | None], None]:
        def close(outcome: str, error: FederationError | None) -> None:
            code = error.code if error is not None else ""
            if outcome == "canceled":
                self._leave(call, None)
            else:
                self._close(call, outcome, status, code, None)

        return close

    def _begin_later(self, call: AnyCall) -> None:
        if call.account.closed:
            return
        try:
            self._begin(call)
        except EvidenceUnwritable:
            # The answer is still to come; `ended` will refuse it if the journal stays broken.
            self._meter.add(metrics.JOURNAL_ERRORS, ())

    def _begin(self, call: AnyCall) -> None:
        glance = call.glance
        call.account.begun = True
        self._append(
            CallStarted(
                call=call.id,
                at_ms=call.started_ms,
                tenant=call.key.tenant,
                key=call.key.id,
                operation=call.operation,
                requested=glance.model or "auto",
                deployment=call.account.deployment,
                stream=glance.stream,
            )
        )

    def _close(
        self,
        call: AnyCall,
        outcome: str,
        status: int,
        error: str,
        begun: asyncio.Handle | None,
    ) -> None:
        account = call.account
        if account.closed:
            return
        account.closed = True
        if begun is not None:
            begun.cancel()
        if account.refusals and not account.begun:
            # An auditor follows a refusal from its beginning, though it took no time.
            self._begin(call)
        elapsed = self._clock() - call.started
        record = ended(call, outcome, status, error, elapsed * 1000.0)
        self._append(record)
        self._tell(record)

    def _leave(self, call: AnyCall, begun: asyncio.Handle | None) -> None:
        """Close the account of a client that hung up: nobody is left to be refused."""
        try:
            self._close(call, "canceled", CLIENT_LEFT, "client_left", begun)
        except EvidenceUnwritable:
            self._meter.add(metrics.JOURNAL_ERRORS, ())

    def _append(self, record: CallStarted | CallEnded) -> None:
        try:
            self._journal.append(record)
        except EvidenceUnwritable:
            self._broken = True
            raise
        self._broken = False


def ended(call: AnyCall, outcome: str, status: int, error: str, duration_ms: float) -> CallEnded:
    """The line that closes a call's account."""
    account, glance, key, ask = call.account, call.glance, call.key, call.glance.ask
    guarding, governed = account.guarding, account.governed
    # By place: to pass thirty names costs as much as the rest of this function.
    return CallEnded(
        call.id,
        call.started_ms + int(duration_ms),
        key.tenant,
        key.id,
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
        ask.tags,
        ask.session,
        ask.user or glance.user or key.user,
        key.team,
        guarding.findings() if guarding is not None else {},
        account.mended,
        governed.ruling.policies if governed is not None else (),
        account.refusals,
        account.watched,
        account.pots,
        account.payload,
    )
