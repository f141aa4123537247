"""Routes that switch providers on and off, and ask whether they answer."""

from __future__ import annotations

from fastapi import APIRouter

from federation.api.access import Asker, ControlPlane
from federation.api.models import EnableBody, ProbeView, SwitchedView
from federation.api.tenancy_once import OnceRoute
from federation.control.probes import Probe
from federation.control.providers import Switched

router = APIRouter(tags=["providers"], route_class=OnceRoute)


@router.post("/v1/providers/{provider}/enable")
async def enable_provider(
    control: ControlPlane, asker: Asker, provider: str, body: EnableBody | None = None
) -> SwitchedView:
    """Switch a provider on, once it answered a probe."""
    force = body is not None and body.force
    return _switched(await control.providers.enable(provider, asker, force=force))


@router.post("/v1/providers/{provider}/disable")
async def disable_provider(control: ControlPlane, asker: Asker, provider: str) -> SwitchedView:
    """Switch a provider off for new calls."""
    return _switched(await control.providers.disable(provider, asker))


@router.post("/v1/providers/{provider}/test")
async def test_provider(control: ControlPlane, provider: str) -> ProbeView:
    """Ask a provider whether it answers and takes our credential; costs no token."""
    return _probe(await control.providers.test(provider))


def _switched(switched: Switched) -> SwitchedView:
    return SwitchedView(
        id=switched.provider,
        enabled=switched.enabled,
        version=switched.version,
        probe=None if switched.probe is None else _probe(switched.probe),
    )


def _probe(probe: Probe) -> ProbeView:
    return ProbeView(
        ok=probe.ok,
        status=probe.status,
        latency_ms=probe.latency_ms,
        credential=probe.credential,
        message=probe.message,
    )
