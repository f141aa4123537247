"""Routes that say how the gateway itself is."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter, Response
from msgspec import structs

from federation import __version__
from federation.api.access import ControlPlane
from federation.api.models import (
    AnchorView,
    ConfigView,
    DeploymentHealthView,
    EvidenceView,
    NodeStateView,
    OverflowStateView,
    ReplicaView,
    StartupView,
    StatusView,
    StoreView,
    WorkerView,
)
from federation.control.control import Control
from federation.dialects.upstream_names import CHAT_UPSTREAMS
from federation.domain.catalogue import Deployment
from federation.telemetry.exposition import CONTENT_TYPE, exposition

router = APIRouter(tags=["status"])
_TOLD = DeploymentHealthView.model_fields.keys()


@router.get("/admin/status")
async def get_status(control: ControlPlane) -> StatusView:
    """Workers, configuration, store, and how the deployments stand."""
    workers = _workers(control)
    config, store, evidence = _config(control), _store(control), _evidence(control)
    deployments = [
        DeploymentHealthView(
            id=name, **{key: value for key, value in asdict(seen).items() if key in _TOLD}
        )
        for name, seen in sorted(control.health.deployments().items())
    ]
    well = len(workers) >= control.workers and store.writable and not config.problems
    if evidence is not None:
        failing = any(anchor.failing_ms is not None for anchor in evidence.anchors)
        well = well and evidence.kept and not failing
    return StatusView(
        status="ok" if well else "degraded",
        version=__version__,
        started_ms=int(control.started * 1000),
        uptime_s=round(control.up_s, 3),
        workers_wanted=control.workers,
        workers=workers,
        config=config,
        store=store,
        evidence=evidence,
        deployments=deployments,
        overflow=OverflowStateView(
            providers=list(control.configuration.snapshot.settings.overflow.providers),
            active=any(seen.crowded for seen in deployments),
        ),
        nodes=await _nodes(control, deployments),
        replicas=_replicas(control),
    )


@router.get("/metrics", response_class=Response)
async def get_metrics(control: ControlPlane) -> Response:
    """Everything that is counted and measured, in Prometheus's text format."""
    body = exposition(control.counted(), control.gauges())
    return Response(body, headers={"content-type": CONTENT_TYPE})


@router.get("/health/startup")
async def get_startup(control: ControlPlane) -> StartupView:
    """Answers as soon as control has started."""
    return StartupView(version=__version__, snapshot=control.configuration.snapshot.version)


def _workers(control: Control) -> list[WorkerView]:
    return [
        WorkerView(
            slot=session.hello.worker,
            pid=session.hello.pid,
            since_ms=session.since_ms,
            reported_ms=session.reported_ms,
        )
        for session in control.link.sessions
    ]


async def _nodes(control: Control, deployments: list[DeploymentHealthView]) -> list[NodeStateView]:
    return [
        NodeStateView(
            id=node.id,
            state=node.state,
            in_flight=sum(
                seen.in_flight for seen in deployments if seen.id.startswith(f"{node.id}/")
            ),
        )
        for node in await control.nodes.known()
    ]


def _replicas(control: Control) -> list[ReplicaView]:
    return [
        ReplicaView(
            id=each.id,
            url=each.url,
            version=each.version,
            workers=each.workers,
            alive=each.alive,
            silent_ms=each.silent_ms,
            started_ms=each.started_ms,
        )
        for each in (control.replicas.known if control.replicas is not None else ())
    ]


def _config(control: Control) -> ConfigView:
    configuration = control.configuration
    snapshot = configuration.snapshot
    reading = configuration.reading
    return ConfigView(
        version=snapshot.version,
        digest=snapshot.digest,
        loaded_ms=configuration.loaded_ms,
        deployments=len(snapshot.deployments),
        usable_deployments=sum(map(_serves, snapshot.deployments)),
        routes=len(snapshot.routes),
        problems=[str(problem) for problem in configuration.problems],
        warnings=[
            str(problem)
            for problem in (
                *reading.loaded.warnings,
                *reading.warnings,
                *configuration.waiting(),
            )
        ],
    )


def _serves(deployment: Deployment) -> bool:
    """Whether a call can reach it: what workers count as usable, too."""
    return (
        deployment.usable
        and deployment.enabled
        and deployment.provider.dialect in CHAT_UPSTREAMS
        and "chat" in deployment.model.operations
    )


def _store(control: Control) -> StoreView:
    progress = control.ledger.progress
    return StoreView(
        writable=control.ledger.writable,
        lines=progress.lines,
        bad_lines=progress.bad,
        lost_calls=progress.lost,
        lost_contents=0 if control.data is None else control.data.lost,
        lag_ms=progress.lag_ms,
    )


def _evidence(control: Control) -> EvidenceView | None:
    task = control.evidence
    if task is None:
        return None
    return EvidenceView(
        kept=task.kept,
        reason=task.reason,
        records=task.sealed,
        anchors=[AnchorView(**structs.asdict(each)) for each in task.anchored],
    )
