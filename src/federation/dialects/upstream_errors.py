"""A provider's refusal in our tree: one sentence for each kind, whoever refuses.

Which kind a refusal is, is the dialect's to say: the same status means different things. What
a provider writes may hold the credential that it was sent, so nothing of it goes on unscrubbed.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

import msgspec

from federation.dialects.retry_after import read_retry_after
from federation.errors import (
    UpstreamDenied,
    UpstreamError,
    UpstreamFailed,
    UpstreamLooped,
    UpstreamMissing,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
)
from federation.schema.http import Headers

LONGEST_BODY: Final = 16_384
"""Most bytes of a provider's error that are kept."""
_LONGEST_MESSAGE: Final = 4096
_LONGEST_CODE: Final = 64
_LOOP: Final = 508
ANSWERED: Final = 200
"""The status of an error that stands in an answer of success, or in a stream that has begun, and
has none of its own."""


class Host(Protocol):
    """What a deployment's wire says about its refusals."""

    @property
    def deployment(self) -> str:
        """The deployment's id."""
        ...

    @property
    def throttles(self) -> frozenset[int]:
        """Statuses that mean "slow down" like 429."""
        ...

    @property
    def unpaid(self) -> frozenset[int]:
        """Statuses that mean "out of funds" like 402."""
        ...

    @property
    def loading(self) -> frozenset[int]:
        """Statuses that mean that the model is being loaded."""
        ...


def scrubbed(body: bytes, secrets: tuple[bytes, ...]) -> bytes:
    """A provider's words without our credential."""
    for secret in secrets:
        body = body.replace(secret, b"[credential]")
    return body


def decoded(body: bytes) -> Any:
    """The JSON of an error; None where it is none."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def short(message: Any) -> str:
    """A message of bounded length; one that is no text is told as JSON."""
    if isinstance(message, str):
        return message[:_LONGEST_MESSAGE]
    return "" if message is None else msgspec.json.encode(message).decode()[:_LONGEST_MESSAGE]


def slow_down(host: str, status: int, retry_after_s: float | None) -> UpstreamRateLimited:
    """Too many calls, for now."""
    return UpstreamRateLimited(
        f"{host} asks to slow down.", retry_after_s=retry_after_s, upstream_status=status
    )


def denied(host: str, status: int, problem: str) -> UpstreamDenied:
    """Our account or credential is refused, not the call."""
    return UpstreamDenied(f"{host} {problem}.", upstream_status=status)


def gone(host: str, status: int) -> UpstreamMissing:
    """The model, or the whole interface, is not where the row says."""
    if 300 <= status < 400:
        return UpstreamMissing(
            f"{host} answers that its address has moved (status {status}). A redirect is not "
            "followed, for it could lead a credential anywhere: put the new address into "
            "the base_url of its row.",
            code="upstream_moved",
            upstream_status=status,
        )
    return UpstreamMissing(f"{host} is not there any more.", upstream_status=status)


def late(host: str, status: int) -> UpstreamTimeout:
    """The provider gave up waiting for itself."""
    return UpstreamTimeout(f"{host} did not answer in time.", upstream_status=status)


def failed(host: str, status: int, retry_after_s: float | None) -> UpstreamError:
    """The provider is broken, for now; or the way to it leads back to us."""
    if status == _LOOP:
        return UpstreamLooped(
            f"The call comes back to this gateway by way of {host}. The base_url of its row, or of "
            "one at a gateway behind it, leads to this gateway itself.",
            upstream_status=status,
        )
    how = "while it answered" if status == ANSWERED else f"with status {status}"
    return UpstreamFailed(
        f"{host} failed {how}.", retry_after_s=retry_after_s, upstream_status=status
    )


def rejected(
    host: str, status: int, said: str, code: str, body: bytes, param: str | None = None
) -> UpstreamRejected:
    """The call itself is refused, and would be again. `body` is scrubbed already."""
    return UpstreamRejected(
        said or f"{host} refused the request with status {status}.",
        code=code[:_LONGEST_CODE],
        param=param,
        status=status,
        upstream_status=status,
        body=body[:LONGEST_BODY],
        content_type=b"application/json",
    )


def by_status(
    host: Host, status: int, headers: Headers, said: str, *, bad_key: bool, no_model: bool
) -> UpstreamError | None:
    """What a status means where a language's errors are words without a code; None where the
    call itself is refused. `bad_key` and `no_model`: what the words of a 400 speak of."""
    where = host.deployment
    if status in host.throttles or status == 429:
        return slow_down(where, status, read_retry_after(headers, said))
    if status in host.unpaid or status == 402:
        return denied(where, status, "asks for payment")
    if status in (401, 403) or (status == 400 and bad_key):
        return denied(where, status, "refuses our credential")
    if status in (404, 405, 410, 501) or 300 <= status < 400 or (status == 400 and no_model):
        return gone(where, status)
    if status == 504:
        return late(where, status)
    if status in host.loading or status in (408, 409, 425, 499) or not 400 <= status < 500:
        return failed(where, status, read_retry_after(headers, said))
    return None
