"""What a row says about a model, in the words of a skipped check's reason."""

from __future__ import annotations

from collections.abc import Callable

from federation.control.certify.bench import Bench
from federation.control.certify.findings import CLAIMED, Claim, Says
from federation.domain.catalogue import Ability

Claims = Callable[[Bench], Claim]


def ability(wanted: Ability) -> Claims:
    """Whether the row lists an ability; a row without any says nothing."""

    def claim(bench: Bench) -> Claim:
        known = bench.model.abilities
        if not known:
            return Claim(Says.NOTHING, f"the row does not say 'abilities: [{wanted.value}]'")
        if wanted in known:
            return CLAIMED
        return Claim(Says.NO, f"the row does not list the ability {wanted.value}")

    return claim


def modality(wanted: str) -> Claims:
    """Whether the row lists a kind of input."""

    def claim(bench: Bench) -> Claim:
        if wanted in bench.model.input_modalities:
            return CLAIMED
        return Claim(Says.NO, f"the row does not list {wanted} among 'input_modalities'")

    return claim


def unless(word: str, value: object, then: Claims | None = None) -> Claims:
    """NO where a quirk has this value, else what `then` says."""

    def claim(bench: Bench) -> Claim:
        if bench.quirks.get(word) == value:
            return Claim(Says.NO, f"the row says '{word}: {_word(value)}'")
        return then(bench) if then is not None else CLAIMED

    return claim


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def signed(bench: Bench) -> Claim:
    """Whether a wrong credential can be told from a right one."""
    if bench.provider.auth.scheme == "none" or bench.secret is None:
        return Claim(Says.NO, "the row sends no credential")
    if bench.provider.local or bench.quirks.get("auth_optional") is True:
        return Claim(Says.NO, "the row says that it works without a credential")
    if bench.secret.lstrip().startswith("{"):
        return Claim(Says.NO, "a credential in several parts is not spoiled by way of trial")
    return CLAIMED
