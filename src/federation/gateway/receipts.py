"""The hashes of what a call says and is answered, for its record; see `evidence.receipts`.

The trap: they are made where a call ends, and a call whose hash cannot be made (no memory, no
thread, a fault of ours) must have an end all the same. So nothing here raises; the record says
which hash is missing, and why.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from federation.evidence.receipts import Hash, input_hash, output_begun, output_hash, salt_of
from federation.gateway.call import AnyCall, C, Handler
from federation.gateway.leg import Renaming
from federation.gateway.threads import BIG
from federation.schema.http import ClientReply

INPUT: Final = "input"
OUTPUT: Final = "output"
log = logging.getLogger(__name__)


class Receipts:
    """Makes those of one worker. `key` comes with the key ring, and is the same in every worker."""

    def __init__(self) -> None:
        self.key = bytes(32)

    async def during(self, call: C, following: Handler[C]) -> ClientReply:
        """Pass on a call whose body is big, and go through that in a thread meanwhile. A stream is
        not kept waiting: to be canceled here would leave it open."""
        noting = asyncio.get_running_loop().run_in_executor(None, self.note_input, call)
        try:
            reply = await following(call)
        except BaseException:
            await noting
            raise
        if isinstance(reply.body, bytes):
            await noting
        return reply

    def note_input(self, call: AnyCall) -> None:
        """Enter what the client said, unless that is done."""
        if call.account.input or INPUT in call.account.unproven:
            return
        try:
            _enter(call, salt_of(self.key, call.id))
        except Exception as fault:  # noqa: BLE001 - whatever it is, the call must have an end
            _missing(call, INPUT, fault)

    def note(self, call: AnyCall, answer: bytes) -> None:
        """Enter what the client said, and what it gets."""
        try:
            salt = salt_of(self.key, call.id)
            if not call.account.input:
                _enter(call, salt)
            call.account.output = output_hash(salt, answer)
        except Exception as fault:  # noqa: BLE001 - as above
            _missing(call, OUTPUT, fault)  # the input is tried again with the call's end

    async def note_big(self, call: AnyCall, answer: bytes) -> None:
        """Enter what the client gets, in a thread. Nothing is entered for one that leaves
        meanwhile: it got nothing."""
        try:
            salt = salt_of(self.key, call.id)
            call.account.output = await asyncio.to_thread(output_hash, salt, answer)
        except Exception as fault:  # noqa: BLE001 - as above
            _missing(call, OUTPUT, fault)

    def begin(self, call: AnyCall) -> Hash | None:
        """Enter what the client said, unless a thread does; what is to be told of each piece of the
        answer, and then given to `end`. None where there can be no hash of it."""
        try:
            salt = salt_of(self.key, call.id)
            if not is_big(call):
                _enter(call, salt)
            return output_begun(salt)
        except Exception as fault:  # noqa: BLE001 - as above
            _missing(call, OUTPUT, fault)
            return None

    def end(self, call: AnyCall, heard: Hash, renamed: Renaming | None) -> None:
        """Enter what the client got of a stream that is over, what is held back for it included."""
        try:
            if renamed is not None:
                heard.update(renamed.rest())
            call.account.output = heard.hexdigest()
        except Exception as fault:  # noqa: BLE001 - as above
            _missing(call, OUTPUT, fault)


def _missing(call: AnyCall, which: str, fault: Exception) -> None:
    """Say in the call's record that a hash could not be made, and why: a fault's words may hold
    content, its name does not."""
    call.account.unproven[which] = type(fault).__name__
    log.error("a call has no hash of its content", exc_info=fault, extra={"call": call.id})


def is_big(call: AnyCall) -> bool:
    """Whether to go through what the client said would hold up everybody else's events."""
    return len(_sent(call)) > BIG


def _enter(call: AnyCall, salt: bytes) -> None:
    call.account.input = input_hash(salt, _sent(call))


def _sent(call: AnyCall) -> bytes:
    request = call.request
    return request.body if request.sent is None else request.sent
