"""Response headers that tell what was done, and the metadata object for bodies."""

from __future__ import annotations

import re
from collections.abc import Collection

import msgspec

from federation.domain.catalogue import Deployment
from federation.domain.money import NANO
from federation.errors import FederationError
from federation.gateway.call import AnyCall
from federation.gateway.entry import CANCELED

_encode = msgspec.json.Encoder().encode
_STRANGE = "unknown_field"
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_NAMED = 20

Pairs = list[tuple[bytes, bytes]]


def marks(deployment: Deployment) -> Pairs:
    """The headers that are the same for every answer of a deployment."""
    pairs = [
        (b"x-federation-provider", deployment.provider.id.encode()),
        (b"x-federation-model", deployment.model.id.encode()),
    ]
    if deployment.provider.simulated:
        pairs.append((b"x-federation-simulated", b"true"))
    return pairs


def headers(call: AnyCall, constant: Pairs, content_type: bytes, id_header: bytes = b"") -> Pairs:
    """The headers of an answer. The cost is the estimate made before the call: the account
    at `GET /v1/calls/{id}` is final. `id_header` is where the client looks for an id, too."""
    account = call.account
    decision = account.decision
    identity = call.id.encode()
    pairs = [
        (b"content-type", content_type),
        (b"x-request-id", identity),
        (b"x-federation-call-id", identity),
        (b"x-federation-strategy", decision.strategy.encode() if decision is not None else b""),
        (b"x-federation-attempts", b"%d" % account.tried),
        *constant,
    ]
    if account.expected_nano is not None:
        pairs.append((b"x-federation-estimated-cost", usd(account.expected_nano)))
    if id_header:
        pairs.append((id_header, identity))
    return pairs


def tell(error: FederationError, call: AnyCall) -> None:
    """Enter into the error that ends a call what is known of the call: the headers that an answer
    would have, of the deployment that was asked last, where one was asked. Whoever was asked had
    passed all rules, so that this names nobody whom they hide."""
    account, pairs = call.account, list[tuple[bytes, bytes]]()
    decision = account.decision
    if account.deployment:
        provider, _, model = account.deployment.partition("/")
        pairs.append((b"x-federation-provider", provider.encode()))
        if decision is not None:  # a passage has no model
            pairs.append((b"x-federation-model", model.encode()))
    if account.simulated:
        pairs.append((b"x-federation-simulated", b"true"))
    if decision is not None:
        pairs.append((b"x-federation-strategy", decision.strategy.encode()))
    if account.expected_nano is not None:
        pairs.append((b"x-federation-estimated-cost", usd(account.expected_nano)))
    error.call_id, error.attempts = call.id, account.tried
    error.headers += tuple(pairs)


def named(losses: tuple[str, ...], strange: Collection[str]) -> tuple[str, ...]:
    """The losses with `strange`, fields that only the client's dialect knows, by their names."""
    if _STRANGE not in losses:
        return losses
    rest = (name for name in losses if name != _STRANGE)
    return (*rest, *strange) if strange else losses


def warnings(
    dropped: tuple[str, ...],
    lowered: int | None = None,
    left_out: tuple[str, ...] = (),
    strangers: tuple[str, ...] = (),
) -> Pairs:
    """The headers that name what the deployment does not take and was not sent, what of the
    answer the client's language cannot say, preferred providers that there are not, and the limit
    of output that a budget left.

    Names of what was sent are the client's own text: what does not look like a field's name
    is counted.
    """
    limit = [] if lowered is None else [(b"x-federation-output-limit", b"%d" % lowered)]
    said = [_named("dropped", dropped)] if dropped else []
    if left_out:
        said.append(_named("left out of the answer", left_out))
    if strangers:
        said.append(_named("no such provider", strangers))
    return [(b"x-federation-warning", "; ".join(said).encode()), *limit] if said else limit


def _named(what: str, dropped: tuple[str, ...]) -> str:
    names = [name for name in dropped[:_NAMED] if _NAME.fullmatch(name)]
    others = len(dropped) - len(names)
    if others:
        names.append(f"and {others} more" if names else f"{others} not shown")
    return f"{what}: {', '.join(names)}"


def usd(nano: int) -> bytes:
    """An amount in USD with nine decimals."""
    return b"%d.%09d" % divmod(nano, NANO)


class _Metadata(msgspec.Struct):
    selected_provider: str
    selected_model: str
    routing_reason: str
    estimated_cost: msgspec.Raw | None
    response_time_ms: float
    strategy: str
    call_id: str


def metadata(call: AnyCall, deployment: Deployment, elapsed_ms: float) -> bytes:
    """The object `router_metadata`, rendered: what was decided, and what it cost."""
    account = call.account
    decision, cost = account.decision, account.expected_nano
    return _encode(
        _Metadata(
            deployment.provider.id,
            deployment.model.id,
            reason(call),
            None if cost is None else msgspec.Raw(usd(cost)),
            round(elapsed_ms, 1),
            decision.strategy if decision is not None else "",
            call.id,
        )
    )


def reason(call: AnyCall) -> str:
    """One sentence: why this deployment."""
    decision = call.account.decision
    if decision is None:
        return ""
    features = decision.features
    what = f"intent {features.intent}" if features.intent != "unknown" else "no clear intent"
    # One that was hedged has another attempt beside the one that answers, and it has not failed.
    failed = sum(1 for each in call.account.attempts if each.error not in ("", CANCELED))
    after = f", after {failed} failed attempt{'s' if failed > 1 else ''}" if failed else ""
    return f"{decision.strategy}: best of {decision.eligible} eligible, {what}{after}"
