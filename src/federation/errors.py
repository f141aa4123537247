"""The one error tree.

    FederationError
    ├── CallerError              the client sent or asked something that cannot be done
    │   ├── InvalidRequest       400  malformed body, wrong type, duplicate key, unknown value
    │   ├── Unauthorized         401  no key, or a key that is unknown, expired or revoked
    │   ├── BudgetExceeded       402  one of our own budgets is spent, or too small for this call
    │   ├── Forbidden            403  the key is good but does not reach this far
    │   ├── NotEligible          403  rules removed every deployment; names the rule for each
    │   ├── NotFound             404  unknown model, route, path or object
    │   ├── MethodNotAllowed     405
    │   ├── RequestTimeout       408  the request arrived too slowly
    │   ├── PayloadTooLarge      413
    │   ├── UnsupportedMedia     415
    │   ├── RateLimited          429  our own limit or quota
    │   └── HeadersTooLarge      431
    ├── UpstreamError            a provider failed; `recovery` says what may follow
    │   ├── UpstreamRejected     a 4xx that is the caller's to mend: handed through (FAIL)
    │   ├── UpstreamRateLimited  429 (FALLBACK)
    │   ├── UpstreamDenied       401, 402, 403: our credential is bad or out of funds (FALLBACK)
    │   ├── UpstreamMissing      404: the model is gone there (FALLBACK)
    │   ├── UpstreamFailed       5xx, reset, refused connection (RETRY)
    │   ├── UpstreamTimeout      no answer in time (FALLBACK)
    │   ├── UpstreamTooLong      the prompt is over its context (FALLBACK, to a larger one)
    │   ├── UpstreamGarbled      an answer that is not the protocol (FALLBACK)
    │   ├── UpstreamOversized    an answer that is larger than we take (FALLBACK)
    │   │   └── UpstreamEndless  and than the call allowed (FALLBACK)
    │   ├── UpstreamLooped       508: the call goes in a circle (FALLBACK)
    │   ├── UpstreamDiverged     it tells another answer than the one to be mended (FALLBACK)
    │   └── UpstreamCut          a stream that ended before its end was said (FALLBACK)
    ├── LoopDetected             508  our own request came back to us
    ├── Unavailable              503  draining, no snapshot yet, every deployment failed
    │   └── StoreLocked          another replica holds a lock of the store for long
    ├── EvidenceUnwritable       503  the journal refused a record that must exist
    └── ConfigError              an operator's file or variable is wrong; one problem a line

A message is written for the person who reads it in a client's log: it says what to do and
holds no secret, no prompt and no provider internals. Errors are answered by the listener,
the api and the cli. Before that they are caught only where something follows from one: the
dispatcher and the streams (the next attempt), the record of a call, control (a reload or probe
that failed), and where a room turns one error into another.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Recovery(enum.Enum):
    """What may follow a failed attempt."""

    RETRY = "retry"
    """The same deployment may be asked again, then the next."""
    FALLBACK = "fallback"
    """This deployment is done for this call; the next candidate may be asked."""
    FAIL = "fail"
    """Nobody else is asked: the caller gets this error."""


class FederationError(Exception):
    """Any failure that a client may be told about.

    `status` is the HTTP status for client faces, `code` the stable machine word,
    `param` the request field at fault (a dotted path), where one is. `call_id` and
    `attempts` (made before it) are set by the stage that keeps the call's record, `headers`
    (what the limits of the client have left) by the one that limits.
    """

    status: int = 500
    code: str = "internal_error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s
        self.call_id = ""
        self.attempts = 0
        self.headers: tuple[tuple[bytes, bytes], ...] = ()
        if code is not None:
            self.code = code
        if status is not None:
            self.status = status


class CallerError(FederationError):
    """The client must change something; asking again unchanged will not help."""

    status = 400
    code = "invalid_request"


class InvalidRequest(CallerError):
    """The body, path, query or a header cannot be accepted as it stands."""


class Unauthorized(CallerError):
    """No usable key was presented."""

    status = 401
    code = "invalid_api_key"


class BudgetExceeded(CallerError):
    """A hard budget cannot bear this call.

    `left_nano` is what it could bear, `resets_ms` when its next period begins (None: never).
    """

    status = 402
    code = "budget_exceeded"

    def __init__(self, message: str, *, budget: str, left_nano: int, resets_ms: int | None) -> None:
        super().__init__(message)
        self.budget = budget
        self.left_nano = left_nano
        self.resets_ms = resets_ms


class Forbidden(CallerError):
    """The key is valid, and what was asked lies outside its reach."""

    status = 403
    code = "permission_denied"


class NotEligible(CallerError):
    """Rules left no deployment; `removed` maps each candidate to the rule that removed it."""

    status = 403
    code = "no_eligible_deployment"

    def __init__(self, message: str, *, removed: dict[str, str], status: int | None = None) -> None:
        super().__init__(message, status=status)
        self.removed = removed


class NotFound(CallerError):
    """The named thing does not exist, or not for this tenant."""

    status = 404
    code = "not_found"


class MethodNotAllowed(CallerError):
    """The path exists, the method does not; `allowed` are those that do."""

    status = 405
    code = "method_not_allowed"

    def __init__(self, message: str, *allowed: str) -> None:
        super().__init__(message)
        if allowed:
            self.headers = ((b"allow", ", ".join(sorted(allowed)).encode()),)


class RequestTimeout(CallerError):
    """The request's head or body did not arrive in time."""

    status = 408
    code = "request_timeout"


class PayloadTooLarge(CallerError):
    """The request is over a size limit."""

    status = 413
    code = "request_too_large"


class UnsupportedMedia(CallerError):
    """The content type or encoding is not one that we read."""

    status = 415
    code = "unsupported_media_type"


class RateLimited(CallerError):
    """One of our own limits is reached; `retry_after_s` says when to come back.

    `limit` names it, and `resets_at` (RFC 3339) is the moment, where both are known.
    """

    status = 429
    code = "rate_limit_exceeded"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        retry_after_s: float | None = None,
        limit: str = "",
        resets_at: str = "",
    ) -> None:
        super().__init__(message, code=code, retry_after_s=retry_after_s)
        self.limit = limit
        self.resets_at = resets_at


class HeadersTooLarge(CallerError):
    """The request's head is over a limit in bytes or count."""

    status = 431
    code = "headers_too_large"


class UpstreamError(FederationError):
    """A provider failed an attempt.

    `upstream_status` is its HTTP status (0 where none came), `body` its error body as
    received (bounded; handed to the caller only by `UpstreamRejected`).
    """

    status = 502
    code = "upstream_error"
    recovery: Recovery = Recovery.FALLBACK

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        status: int | None = None,
        retry_after_s: float | None = None,
        upstream_status: int = 0,
        body: bytes = b"",
        content_type: bytes = b"",
    ) -> None:
        super().__init__(
            message, code=code, param=param, status=status, retry_after_s=retry_after_s
        )
        self.upstream_status = upstream_status
        self.body = body
        self.content_type = content_type


class UpstreamRejected(UpstreamError):
    """The provider says the request itself is wrong: no other provider is bothered with it."""

    status = 400
    code = "upstream_rejected"
    recovery = Recovery.FAIL


class UpstreamTooLong(UpstreamRejected):
    """The prompt is longer than the model's context: a larger one may take it, nobody else."""

    code = "context_length_exceeded"
    recovery = Recovery.FALLBACK


class UpstreamRateLimited(UpstreamError):
    """The provider asks us to slow down."""

    status = 429
    code = "upstream_rate_limited"


class UpstreamDenied(UpstreamError):
    """The provider refuses our credential, or the account has no funds.

    The caller sees 502: the credential is ours, so a 401 would send them looking for a
    fault in their own key.
    """

    code = "upstream_credential_refused"


class UpstreamMissing(UpstreamError):
    """The provider does not know the model or path any more."""

    code = "upstream_model_missing"


class UpstreamFailed(UpstreamError):
    """A server error, a reset or a refused connection."""

    code = "upstream_failed"
    recovery = Recovery.RETRY


class UpstreamTimeout(UpstreamError):
    """The provider did not answer within the deadline."""

    status = 504
    code = "upstream_timeout"
    hurried = False
    """The deadline was the client's own, and sooner than the provider's would have been, or its
    client held the provider back: the provider is not at fault."""


class UpstreamHeldBack(UpstreamTimeout):
    """The time was over while the client did not read on, so that the provider could not write.
    Nobody else is asked: the client would not read that either."""

    hurried = True
    recovery = Recovery.FAIL


class UpstreamGarbled(UpstreamError):
    """The provider's bytes are not the protocol."""

    code = "upstream_garbled"


class UpstreamOversized(UpstreamError):
    """An answer is larger than we take (`upstream.response_bytes`): whoever asks for much can
    have any provider give it, so the provider is not at fault."""

    code = "upstream_answer_too_large"


class UpstreamEndless(UpstreamOversized):
    """An answer is larger than we take, and than anything that the call allowed: it is the
    provider's failure."""

    code = "upstream_endless"


class UpstreamDiverged(UpstreamError):
    """Asked to go on with an answer that broke, the provider tells another one."""

    code = "upstream_diverged"


class UpstreamLooped(UpstreamError):
    """The call goes in a circle: no fault of the provider, who may serve others."""

    status = 508
    code = "upstream_loop"


class UpstreamCut(UpstreamError):
    """A stream stopped before the provider said that it was over."""

    code = "upstream_stream_cut"


class LoopDetected(FederationError):
    """A request that we sent came back to us (RFC 9110 section 7.6.3, RFC 5842)."""

    status = 508
    code = "loop_detected"


class Unavailable(FederationError):
    """Nothing can answer just now."""

    status = 503
    code = "unavailable"


class StoreLocked(Unavailable):
    """The store is well, and somebody else holds a lock for longer than is waited for."""

    code = "store_unavailable"


class EvidenceUnwritable(FederationError):
    """A record that must exist could not be written, so the call is refused."""

    status = 503
    code = "evidence_unwritable"
    written = False
    """It stands, and must not be written again; whether it would outlive the machine is unknown."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in what an operator wrote: where, what, and what to write instead."""

    where: str
    line: int | None
    message: str

    def __str__(self) -> str:
        place = f"{self.where}:{self.line}" if self.line is not None else self.where
        return f"{place}: {self.message}"


class ConfigError(FederationError):
    """The configuration cannot be used; every problem found is listed."""

    code = "invalid_configuration"

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
