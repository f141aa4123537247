"""Whether the endpoint is there, who is let in, and what it lists."""

from __future__ import annotations

from typing import Final

import msgspec

from federation.control.certify.bench import Bench
from federation.control.certify.claims import signed
from federation.control.certify.findings import (
    Check,
    Finding,
    Status,
    failed,
    passed,
    skipped,
    warned,
)
from federation.control.certify.prompts import PLAIN, chat, user
from federation.errors import (
    ConfigError,
    UpstreamDenied,
    UpstreamError,
    UpstreamMissing,
)

REACH: Final = "reach"
"""The check on which all others rest."""
NOBODY: Final = "federation-certify-no-such-model"
_PAGES: Final = {"ollama": "/api/tags"}
"""Where models are listed, for languages in which it is not `/models`."""
_WRONG: Final = "federation-certify-wrong-credential"
_TAIL: Final = 6


async def reachable(bench: Bench) -> Finding:
    """Any answer over HTTP will do."""
    answer = await bench.once("models", lambda: bench.raw(bench.page(_page(bench))))
    return passed(status=answer.status, took_ms=answer.took_ms)


async def admitted(bench: Bench) -> Finding:
    """The credential that is configured is taken."""
    try:
        await bench.ask(chat(user("Say OK.")))
    except UpstreamDenied as error:
        return failed(
            "The credential is refused, or the account has no funds.", status=error.upstream_status
        )
    except UpstreamError as error:
        if error.upstream_status == 0:
            raise
        return passed("The call failed otherwise.", status=error.upstream_status)
    return passed()


async def stranger_refused(bench: Bench) -> Finding:
    """A wrong credential is told from a right one."""
    try:
        other = bench.other(secret=_spoiled(bench.secret or ""))
        await other.ask(chat(user("Say OK.")))
    except UpstreamDenied as error:
        return passed(status=error.upstream_status)
    except ConfigError:
        return skipped("A wrong credential of this kind cannot be made.")
    except UpstreamError as error:
        return failed(
            f"A wrong credential is answered as {type(error).__name__}, not as one refused.",
            status=error.upstream_status,
        )
    return failed("A wrong credential is accepted.")


def _spoiled(secret: str) -> str:
    """The same shape with another end: what is no key at all may be refused for its form."""
    if len(secret) < 4 * _TAIL:
        return _WRONG
    return secret[:-_TAIL] + ("z" if secret[-1] != "z" else "y") * _TAIL


async def listed(bench: Bench) -> Finding:
    """The model stands in the provider's own list."""
    answer = await bench.once("models", lambda: bench.raw(bench.page(_page(bench))))
    if answer.status >= 300:
        return skipped("No models are listed below the base address.", status=answer.status)
    try:
        found = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return failed("The list of models is not JSON.", status=answer.status)
    names = _names(found)
    if not names:
        return warned("The list of models has no names where they are usually found.")
    wanted = bench.model.id
    if wanted not in names and f"{wanted}:latest" not in names:
        return warned("The model is not in the list.", listed=len(names))
    return passed(listed=len(names))


def _names(found: object) -> set[str]:
    """Every id in a list of models, in the words of any of the languages."""
    rows = found if isinstance(found, list) else None
    if isinstance(found, dict):
        rows = found.get("data") or found.get("models")
    names: set[str] = set()
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, str):
            names.add(row)
        elif isinstance(row, dict):
            given = (row.get(word) for word in ("id", "name", "model"))
            names |= {name.removeprefix("models/") for name in given if isinstance(name, str)}
    return names


def _page(bench: Bench) -> str:
    return _PAGES.get(bench.provider.dialect, "/models")


async def unknown_model(bench: Bench) -> Finding:
    """A name that nobody has is answered as a missing model, so that routing goes on."""
    other = bench.other(model=NOBODY)
    try:
        await other.ask(chat(user(PLAIN)))
    except UpstreamMissing as error:
        return passed(status=error.upstream_status)
    except UpstreamError as error:
        return failed(
            f"An unknown model is answered as {type(error).__name__}.",
            status=error.upstream_status,
        )
    return Finding(
        Status.FAILED if not bench.provider.local else Status.WARNING,
        "An unknown model's name is answered by some model.",
    )


CHECKS: Final = (
    Check(REACH, "address", "the base address answers over HTTP", reachable, ()),
    Check("auth_good", "address", "the configured credential is taken", admitted, ("reach",)),
    Check(
        "auth_bad",
        "address",
        "a wrong credential is refused as one",
        stranger_refused,
        ("reach", "auth_good"),
        signed,
    ),
    Check(
        "models_listed",
        "address",
        "the model is in the provider's list",
        listed,
        ("reach", "auth_good"),
    ),
    Check(
        "model_unknown",
        "refusals",
        "an unknown model is reported as missing",
        unknown_model,
        ("auth_good",),
    ),
)
