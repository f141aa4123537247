"""What is refused, and whether our error tree can read the refusal."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import structs

from federation.control.certify.bench import Bench
from federation.control.certify.findings import Check, Finding, failed, passed, skipped, warned
from federation.control.certify.prompts import chat, filler, user
from federation.control.certify.reach import NOBODY
from federation.control.certify.words import plain, room, whole_of
from federation.errors import InvalidRequest, UpstreamError, UpstreamRejected

_LONGEST: Final = 262_144
"""Tokens of a context up to which a prompt that is too long is tried."""
_LIMITS: Final = ("ratelimit", "rate-limit")


async def too_long(bench: Bench) -> Finding:
    """A prompt beyond the context is the caller's mistake, not an outage."""
    context = bench.model.context
    if context is None:
        return skipped("The row does not say how long the context is.")
    if context > _LONGEST:
        return skipped(f"The context is over {_LONGEST} tokens: the prompt would be megabytes.")
    if "context_option" in bench.quirks:
        return skipped("The row says that a long prompt is cut without a word.")
    request = chat(user(filler(context + context // 4)), room=room(bench))
    try:
        await bench.ask(request)
    except (UpstreamRejected, InvalidRequest) as error:
        return passed(status=error.status, code=error.code)
    except UpstreamError as error:
        return failed(
            f"A prompt beyond the context is answered as {type(error).__name__}.",
            status=error.upstream_status,
        )
    return failed("A prompt beyond the row's context is answered.", context=context)


async def malformed(bench: Bench) -> Finding:
    """A body that is no JSON is refused as the caller's mistake."""
    request = bench.upstream.encode(plain(bench)).request
    half = structs.replace(request, body=request.body[: len(request.body) // 2])
    answer = await bench.raw(half)
    if answer.status < 300:
        return failed("Half a body is answered as if it were whole.", status=answer.status)
    if answer.status >= 500:
        return failed("Half a body is answered as a failure of the server.", status=answer.status)
    return passed(status=answer.status)


async def error_body(bench: Bench) -> Finding:
    """An error's body says in words what is wrong, where our dialect looks for them."""
    other = bench.other(model=NOBODY)
    request = other.upstream.encode(plain(bench)).request
    answer = await other.raw(request)
    if answer.status < 300:
        return skipped("The provider refused nothing that could be looked at.")
    try:
        found = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return failed("The error's body is not JSON.", status=answer.status)
    if not _has_words(found):
        return failed("The error's body has no message.", status=answer.status)
    return passed(status=answer.status)


def _has_words(found: object) -> bool:
    if isinstance(found, list) and found:
        found = found[0]
    if not isinstance(found, dict):
        return False
    inner = found.get("error") or found.get("errors")
    if isinstance(inner, str):
        return True
    holders = (found, inner if isinstance(inner, dict) else {})
    names = ("message", "Message", "detail", "error_description")
    return any(isinstance(holder.get(name), str) for holder in holders for name in names)


async def rate_headers(bench: Bench) -> Finding:
    """What a provider says about its limits can be read."""
    headers = (await whole_of(bench)).headers
    found = {
        name.decode("latin-1"): value.decode("latin-1").strip()
        for name, value in headers.items()
        if any(word in name.decode("latin-1") for word in _LIMITS)
    }
    if not found:
        return skipped("The provider sends none.")
    odd = [name for name, value in found.items() if not any(map(str.isdigit, value))]
    if odd:
        return warned("Some hold no number.", headers=sorted(found), without=odd)
    return passed(headers=sorted(found))


CHECKS: Final = (
    Check("too_long", "refusals", "a prompt beyond the context is the caller's fault", too_long),
    Check("malformed", "refusals", "half a body is refused", malformed),
    Check("error_body", "refusals", "an error says in words what is wrong", error_body),
    Check("rate_headers", "refusals", "headers about limits can be read", rate_headers),
)
