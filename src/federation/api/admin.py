"""Routes that change where calls go at run time: nodes of our own, and overflow."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter

from federation.api.access import Asker, ControlPlane
from federation.api.admin_models import (
    ChangedNodeView,
    NodeBody,
    NodeList,
    NodeView,
    OverflowBody,
    OverflowView,
)
from federation.api.models import ProbeView
from federation.api.tenancy_once import OnceRoute
from federation.control.nodes import Registered, Wish
from federation.control.overflow import Spilling
from federation.control.probes import Probe
from federation.storage.nodes_entries import NodeEntry

router = APIRouter(prefix="/admin", tags=["admin"], route_class=OnceRoute)


@router.post("/overflow_provider")
async def add_overflow_provider(
    control: ControlPlane, asker: Asker, body: OverflowBody
) -> OverflowView:
    """Let calls spill to a provider, once it answered a probe."""
    return _spilling(await control.overflow.add(body.provider, asker))


@router.delete("/overflow_provider/{provider}")
async def remove_overflow_provider(
    control: ControlPlane, asker: Asker, provider: str
) -> OverflowView:
    """Let no further calls spill to a provider."""
    return _spilling(await control.overflow.remove(provider, asker))


@router.get("/nodes")
async def list_nodes(control: ControlPlane) -> NodeList:
    """The hosts of your own that were registered."""
    return NodeList(data=[node_view(node) for node in await control.nodes.everybody()])


@router.post("/nodes", status_code=201)
async def register_node(control: ControlPlane, asker: Asker, body: NodeBody) -> ChangedNodeView:
    """Register a host, or register it anew; it is ready once it answers."""
    wish = Wish(
        id=body.id,
        base_url=body.base_url,
        dialect=body.dialect,
        region=body.region,
        models=tuple(body.models),
        abilities=tuple(body.abilities),
        concurrency=body.concurrency,
    )
    return _registered(await control.nodes.register(wish, asker))


@router.post("/nodes/{node}/drain")
async def drain_node(control: ControlPlane, asker: Asker, node: str) -> ChangedNodeView:
    """Send it no new calls; those that run there finish."""
    return _registered(await control.nodes.drain(node, asker))


@router.delete("/nodes/{node}")
async def remove_node(control: ControlPlane, asker: Asker, node: str) -> ChangedNodeView:
    """Forget it; calls that run there finish."""
    return _registered(await control.nodes.remove(node, asker))


def node_view(node: NodeEntry) -> NodeView:
    """A node as it is told."""
    return NodeView.model_validate(_told(node))


def _told(node: NodeEntry) -> dict[str, object]:
    return {name: value for name, value in asdict(node).items() if name != "changed_by"}


def _registered(changed: Registered) -> ChangedNodeView:
    return ChangedNodeView.model_validate(_told(changed.node) | {"probe": _probe(changed.probe)})


def _spilling(changed: Spilling) -> OverflowView:
    return OverflowView(
        provider=changed.provider,
        enabled=changed.enabled,
        providers=list(changed.providers),
        version=changed.version,
        probe=_probe(changed.probe),
    )


def _probe(probe: Probe | None) -> ProbeView | None:
    return None if probe is None else ProbeView.model_validate(asdict(probe))
