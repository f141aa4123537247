"""The bookkeeping of one attempt: what it cost, how long it took, and what its end was.

An attempt is closed exactly once: with a reply, with an `UpstreamError` that the recovery
table reads, or because the client left. Health hears of the first two; what was consumed
is charged in every case, by our own count where the provider never said.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from msgspec import structs

from federation.domain.budgets import Pot
from federation.domain.catalogue import Deployment
from federation.errors import (
    UpstreamEndless,
    UpstreamError,
    UpstreamOversized,
    UpstreamRejected,
    UpstreamTimeout,
)
from federation.gateway.call import AnyCall, to_microseconds
from federation.gateway.deadlines import hurried
from federation.gateway.entry import CANCELED, ClientLeft, Entry
from federation.gateway.leg import Ending
from federation.gateway.threads import BIG, at_leisure
from federation.gateway.world import World
from federation.pricing.charges import charge
from federation.pricing.measures import measured
from federation.resilience.overlong import overlong
from federation.schema.glance import Glance
from federation.schema.link import Measure
from federation.schema.tap import StreamTap
from federation.schema.usage import Usage
from federation.telemetry import metrics

_Read = TypeVar("_Read")

_ANY_TIME = datetime.fromtimestamp(0, UTC)
"""For prices that are the same at all times."""


class Attempt:
    """The open end of one attempt. `close` notes the outcome; later calls do nothing."""

    __slots__ = (
        "_begun",
        "_closed",
        "_entry",
        "_expected",
        "_gate",
        "_hold",
        "_overlong",
        "_reserved",
        "_silent_since",
        "_tokens",
        "_world",
        "call",
        "deployment",
        "sent",
    )

    def __init__(
        self,
        world: World,
        call: AnyCall,
        deployment: Deployment,
        expected: Usage | None = None,
    ) -> None:
        """`expected` is what an operation other than chat counts as where nobody says."""
        self._world = world
        self.call = call
        self._expected = expected
        self.deployment = deployment
        self._entry = Entry(world, call.account, deployment.id)
        self._closed = False
        self._begun = False
        self._hold = ""
        self._overlong = False
        self._reserved = 0
        self.sent = False
        self._silent_since: float | None = None
        """Since when the provider owes an answer; None where nobody can tell how long one takes."""
        lobby = world.entrance.lobby
        lobby.busy += 1
        self._gate = lobby.gates.get(deployment.provider.id) if lobby.gates else None
        if self._gate is not None:
            self._tokens = expected_tokens(call)
            self._gate.take(self._tokens)
        world.health.begin(deployment.id)

    def begin(self) -> None:
        """The provider is asked now; what was in the way before, money or a field that it does not
        take, has named nobody in the call's account."""
        if not self._begun:
            self._begun = True
            self.call.account.choose(self.deployment)

    def answered(self, status: int) -> None:
        """The response's head is here."""
        self._entry.answered(status)

    def left(self, within_s: float) -> float:
        """What is left of so many seconds since the attempt started."""
        return self._entry.started + within_s - self._world.clock()

    def began(self) -> None:
        """The answer itself has begun: for streams this, and not the head, is the first byte."""
        self._entry.first = first = self._world.clock()
        waited_ms = (first - self.call.started) * 1000.0
        self.call.account.first_byte_ms = to_microseconds(waited_ms)

    async def reserve(self, pots: Sequence[Pot], amount_nano: int, wait_s: float) -> None:
        """Have the money for it; it is charged or freed when the attempt is closed. Raises as
        `ports.Budgets.reserve` does."""
        self._hold = await self._world.money.reserve(self.call, pots, amount_nano, wait_s)
        self._reserved = amount_nano

    def withdraw(self) -> None:
        """It may not begin after all: nobody was asked, and nothing is to be told of it. What was
        leased for it of its provider's minute is there for others again."""
        if self._closed:
            return
        self._leave()
        provider, world = self.deployment.provider, self._world
        if provider.limits.leased:
            # Its lease was taken just before it: in the same window, or in one that is over.
            taken_s = world.wall() - (world.clock() - self._entry.started)
            tokens = expected_tokens(self.call)
            for name, amount in provider.limits.wanted(provider.id, 1, tokens):
                world.leases.put_back(name, amount, taken_s)
        if self._hold:
            self._world.money.settle(self.call.account, self._hold, 0)

    def _leave(self) -> None:
        """Give back the place that it took."""
        self._closed = True
        self._world.health.end(self.deployment.id)
        self._world.entrance.lobby.busy -= 1
        if self._gate is not None:
            self._gate.give(self._tokens)

    def close(self, usage: Usage, error: BaseException | None = None) -> None:
        """Tell health, price the attempt and add it to the call's account."""
        if self._closed:
            return
        self.begin()
        self._leave()
        world, deployment = self._world, self.deployment
        wall = world.wall()
        charged = cost(deployment, usage, wall)
        if self._hold:
            # What nobody can price costs what it could have cost at most, never nothing.
            paid = self._reserved if charged is None else charged
            world.money.settle(self.call.account, self._hold, paid)
        self._hurried(error)
        if isinstance(error, UpstreamError) and not isinstance(error, UpstreamRejected):
            _name(error, deployment.id)
        written = self._entry.write(error, usage, charged)
        world.note(
            Measure(
                deployment.id,
                int(wall * 1000),
                error is None,
                written.first_byte_ms,
                written.total_ms,
                usage.output,
                written.error,
            ),
            world.clock(),
        )

    async def read(
        self, size: int, work: Callable[[], _Read], used: Callable[[_Read], Usage]
    ) -> _Read:
        """Read a whole answer of so many bytes, and close with what it `used`: the provider has
        done its work, whether or not the client still waits while a long answer is read. Raises
        as `work` does, and is open then."""
        found: list[_Read] = []
        try:
            await at_leisure(size > BIG, lambda: found.append(work()))
        finally:
            for each in found:
                self.close(used(each))
        return found[0]

    def fail(self, error: BaseException) -> None:
        """Close an attempt that brought nothing. A provider that was left in the middle of its
        work because the client hung up, or gave it no time, or because it answers more than we
        take, may bill for the prompt, so that is charged; one that failed or kept silent is not.
        Where nobody was asked at all it never began."""
        if not self._begun and not isinstance(error, UpstreamError):
            self.withdraw()
            return
        left = not isinstance(error, UpstreamError) or isinstance(error, UpstreamOversized)
        left = left or self._hurried(error)
        self.close(self.estimate(0) if left and self.sent else Usage(), error)

    def oversized(self, error: UpstreamOversized, size: int) -> UpstreamOversized:
        """What an answer of more than `size` bytes, which is all that we take, is called."""
        if not overlong(self._allowed(), size=size):
            return error
        return UpstreamEndless(f"{error.message}, and longer than the call allowed")

    def _allowed(self) -> int | None:
        """Output tokens that the answers to a chat may have; None where nobody says."""
        glance, most = self.call.glance, self.deployment.model.max_output
        if not isinstance(glance, Glance):
            return None
        said = glance.max_output
        if said is not None and most is not None:
            most = min(said, most)
        elif said is not None:
            most = said
        return None if most is None else most * glance.choices

    def _hurried(self, error: BaseException | None) -> bool:
        if not isinstance(error, UpstreamTimeout) or self._overlong:
            return False
        since = self._silent_since
        took_s = 0.0 if since is None else self._world.clock() - since
        return hurried(self._world, self.call, self.deployment, error, took_s)

    def asked(self) -> None:
        """The request's bytes have left for the provider."""
        self.sent = True
        if self._expected is None:
            self._silent_since = self._world.clock()

    def ending(self, tap: StreamTap, spoken: Callable[[int], int] = int) -> Ending:
        """What to call when a stream that this attempt opened is over. `spoken` counts the tokens
        of so many events, where the provider did not."""

        def end(outcome: str, error: UpstreamError | None) -> None:
            answer = tap.answer()
            if tap.events:
                self._silent_since = None
                self._overlong = overlong(self._allowed(), events=tap.events)
            if tap.malformed:
                labels = (self.deployment.provider.id,)
                self._world.meter.add(metrics.MALFORMED, labels, tap.malformed)
            self.call.account.hear(answer)
            usage = answer.usage
            if usage is None:
                usage = self.estimate(max(tap.events, spoken(tap.events)))
            elif outcome != "ok" or usage.estimated:
                usage = self._at_least(usage, max(tap.events, spoken(tap.events)))
            if outcome == CANCELED:
                self.close(usage, ClientLeft())
            else:
                self.close(usage, error)

        return end

    def _at_least(self, usage: Usage, output: int) -> Usage:
        """What a provider said before the end, and what it sent where that is more: a stream
        may begin with counts of a prompt, or with zeros."""
        own = self.estimate(output)
        if usage.input >= own.input and usage.output >= own.output:
            return usage
        return structs.replace(
            usage,
            input=usage.input or own.input,
            output=max(usage.output, own.output),
            estimated=True,
        )

    def estimate(self, output: int) -> Usage:
        """Our own count where the provider gives none: what routing expected of the prompt,
        and so many output tokens: as there were events, or fours of bytes, whichever are more."""
        if self._expected is not None:
            return self._expected
        decision = self.call.account.decision
        expected = decision.features.input_tokens if decision is not None else 0
        return Usage(input=expected, output=output, estimated=True)


def cost(deployment: Deployment, usage: Usage, wall: float) -> int | None:
    """The charge of one attempt in nano-dollars; None where its price is unknown."""
    if not usage.input and not usage.output and not usage.units and usage.reported_nano is None:
        return 0
    price = deployment.model.price
    at = datetime.fromtimestamp(wall, UTC) if price.windows else _ANY_TIME
    if usage.units:
        usage = measured(price, usage)
    region = deployment.provider.priced_in if price.multipliers else None
    return charge(price, usage, at, region=region)


def expected_tokens(call: AnyCall) -> int:
    """Tokens that routing expected the call to read and write."""
    decision = call.account.decision
    if decision is None:
        return 0
    return decision.features.input_tokens + decision.features.output_tokens


def _name(error: UpstreamError, deployment: str) -> None:
    """Have a failure say whose it is: several deployments may have been asked."""
    if deployment not in error.message:
        error.message = f"{deployment}: {error.message}"
