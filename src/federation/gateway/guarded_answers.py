"""A whole answer to a chat under a content check, and what a provider says where it fails.

The trap: an answer that nothing was changed in is handed on as it came, and its bytes say more
than what was read of them.
"""

from __future__ import annotations

from federation.errors import UpstreamError, UpstreamGarbled
from federation.gateway.safeguards import Guarding
from federation.guardrails.chat import screen_error, tells_more
from federation.schema.chat import ChatResponse


def screened(
    guarding: Guarding, body: bytes, response: ChatResponse, *, changed: bool
) -> tuple[bool, ChatResponse]:
    """Whether an answer must be written anew, and what of it may be told. Raises as
    `Guarding.request` does, and `UpstreamGarbled`."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:  # in a member that nobody reads
        raise UpstreamGarbled("The provider's answer holds bytes that are no text.") from error
    told = guarding.response(response)
    guard = guarding.safeguard.guard
    if changed or told != response or guard is None:
        return changed or told != response, told
    return tells_more(guard, text, told, guarding.screening), told


def screened_error(guarding: Guarding | None, error: BaseException) -> None:
    """Have a provider's error say only what may be told, where a call is guarded."""
    if guarding is None or not isinstance(error, UpstreamError):
        return
    if guarding.safeguard.guard is not None:
        screen_error(guarding.safeguard.guard, error, guarding.screening)
