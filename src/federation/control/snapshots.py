"""From what operators decided to the snapshot that workers decide under. Pure.

The trap: a deployment's provider must not carry its models, or each of a provider's
hundred deployments would drag along the other ninety-nine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace

from federation.config.settings import Loaded
from federation.control.frames import pack_snapshot
from federation.dialects.upstream_names import speaks
from federation.domain.catalogue import Deployment, Provider
from federation.domain.snapshot import Snapshot
from federation.storage.entries import Override


def compile_snapshot(
    loaded: Loaded,
    overrides: Iterable[Override],
    secrets: Mapping[str, str],
    version: int,
) -> Snapshot:
    """The snapshot of a configuration, with every provider's models as deployments.

    `secrets` maps providers to resolved credentials. The digest is equal for equal content;
    secrets are not part of it, for digests are shown and short secrets could be guessed.
    """
    decided = {override.provider: override.enabled for override in overrides}
    deployments: list[Deployment] = []
    for provider in loaded.providers.values():
        enabled = decided.get(provider.id, provider.enabled)
        usable = _reachable(loaded, provider, secrets)
        deployments += _deployments(provider, enabled=enabled, usable=usable)
    snapshot = Snapshot(
        version=version,
        digest="",
        settings=loaded.settings,
        deployments=_never_mixed(deployments),
        routes=loaded.routes,
        secrets={name: secrets[name] for name in loaded.providers if name in secrets},
        policies=loaded.policies,
        store_regions=loaded.store_regions,
        approvals=loaded.approvals,
    )
    return replace(snapshot, digest=_digest(snapshot))


def _never_mixed(deployments: list[Deployment]) -> tuple[Deployment, ...]:
    """Leave the simulated out as soon as one that is not could answer: a made-up answer must
    never stand in for a real one. Whose dialect this build does not speak cannot answer."""
    real = [item for item in deployments if not item.provider.simulated]
    if any(
        item.usable and item.enabled and speaks(item.provider.dialect, item.operations)
        for item in real
    ):
        return tuple(real)
    return tuple(deployments)


def without_secrets(snapshot: Snapshot) -> Snapshot:
    """The same snapshot, fit to be kept."""
    return replace(snapshot, secrets={})


def _reachable(loaded: Loaded, provider: Provider, secrets: Mapping[str, str]) -> bool:
    """Whether we can sign in. A server that asks for nothing counts only where the operator
    named it: the catalogue lists such servers too, and most machines run none of them."""
    if provider.auth.scheme == "none":
        return provider.id in loaded.configured
    return provider.id in secrets


def _deployments(provider: Provider, *, enabled: bool, usable: bool) -> list[Deployment]:
    bare = replace(provider, models=(), enabled=enabled)
    return [
        Deployment(f"{provider.id}/{model.id}", bare, model, usable=usable, enabled=enabled)
        for model in provider.models
    ]


def _digest(snapshot: Snapshot) -> str:
    content = replace(snapshot, version=0, digest="", secrets={})
    return hashlib.sha256(pack_snapshot(content)).hexdigest()
