"""An attempt's line in its call's account: opened when somebody is to be asked, written once.

Every record of an attempt is made here, whatever was asked: a chat, an operation, a count, a
passage. What an attempt means for health, money and queues is its owner's to say.
"""

from __future__ import annotations

from federation.errors import UpstreamError
from federation.gateway.call import Account, to_microseconds
from federation.gateway.world import World
from federation.resilience.recovery import blame
from federation.schema.records import AttemptRecord
from federation.schema.usage import Usage

CANCELED = "canceled"
"""The word for an attempt that was left before its end: the client hung up, or we were told to."""
_NOTHING = Usage()


class ClientLeft(Exception):
    """Stands for a client that hung up, where an outcome is noted."""


class Entry:
    """Times one attempt and writes it down."""

    __slots__ = ("_account", "_deployment", "_world", "first", "started", "status")

    def __init__(self, world: World, account: Account, deployment: str) -> None:
        self._world = world
        self._account = account
        self._deployment = deployment
        self.started = world.clock()
        self.first = 0.0
        """When the answer began, on the same clock; 0 where it did not."""
        self.status = 0

    def answered(self, status: int) -> None:
        """The response's head is here."""
        self.status = status
        self.first = self._world.clock()

    def write(
        self,
        error: BaseException | None,
        usage: Usage = _NOTHING,
        cost_nano: int | None = 0,
    ) -> AttemptRecord:
        """Add the attempt to the account as ended now; `cost_nano` is None where nobody can price
        it."""
        world = self._world
        took_s = world.clock() - self.started
        record = AttemptRecord(
            self._deployment,
            int((world.wall() - took_s) * 1000),
            self.status,
            word(error),
            to_microseconds((self.first - self.started) * 1000.0) if self.first else 0.0,
            to_microseconds(took_s * 1000.0),
            usage,
            cost_nano,
        )
        self._account.attempts.append(record)
        return record


def word(error: BaseException | None) -> str:
    """What is written for an outcome: nothing for a success, and `CANCELED` for whatever is no
    provider's failure."""
    if error is None:
        return ""
    return blame(error) if isinstance(error, UpstreamError) else CANCELED
