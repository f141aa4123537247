"""The hashes of what a call says and is answered, for its record; see `evidence.receipts`."""

from __future__ import annotations

import asyncio

from federation.evidence.receipts import Hash, input_hash, output_begun, output_hash, salt_of
from federation.gateway.call import AnyCall
from federation.gateway.threads import BIG


class Receipts:
    """Makes those of one worker. `key` comes with the key ring, and is the same in every worker."""

    def __init__(self) -> None:
        self.key = bytes(32)

    def expect(self, call: AnyCall) -> None:
        """A call begins: a big body is gone through in a thread while the provider works."""
        if len(_sent(call)) > BIG:
            asyncio.get_running_loop().run_in_executor(None, self.note_input, call)

    def note_input(self, call: AnyCall) -> None:
        """Enter what the client said, unless that is done."""
        if not call.account.input:
            call.account.input = input_hash(salt_of(self.key, call.id), _sent(call))

    def note(self, call: AnyCall, answer: bytes) -> None:
        """Enter what the client said, and what it gets."""
        salt = salt_of(self.key, call.id)
        if not call.account.input:
            call.account.input = input_hash(salt, _sent(call))
        call.account.output = output_hash(salt, answer)

    def begin(self, call: AnyCall) -> Hash:
        """What is to be told of each piece of an answer."""
        return output_begun(salt_of(self.key, call.id))


def _sent(call: AnyCall) -> bytes:
    request = call.request
    return request.body if request.sent is None else request.sent
