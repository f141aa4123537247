"""What the routes of nodes and of overflow say and hear."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from federation.api.models import ProbeView, Strict

Named = Field(min_length=1, max_length=200)


class OverflowBody(Strict):
    """A provider that calls may spill to."""

    provider: str = Named


class OverflowView(BaseModel):
    """The list after a change."""

    object: Literal["overflow"] = "overflow"
    provider: str
    enabled: bool
    providers: list[str] = Field(description="Where calls spill to now, in the order of turns.")
    version: int = Field(description="The configuration version in force.")
    probe: ProbeView | None


class NodeBody(Strict):
    """A host of your own."""

    id: str = Named
    base_url: str = Field(min_length=1, max_length=2000)
    models: list[str] = Field(min_length=1, max_length=1000)
    dialect: str = Field(default="openai", max_length=64)
    region: str = Field(default="local", max_length=64)
    abilities: list[str] = Field(
        default=[], max_length=20, description="Of its models: tools, json_schema, ..."
    )
    concurrency: int | None = Field(
        default=None, gt=0, le=1_000_000, description="Requests at a time."
    )


class NodeView(BaseModel):
    """A node."""

    object: Literal["node"] = "node"
    id: str
    base_url: str
    dialect: str
    region: str
    models: list[str]
    abilities: list[str]
    concurrency: int | None
    state: str = Field(description="loading, ready, draining or removed.")
    changed_ms: int


class ChangedNodeView(NodeView):
    """A node after a change."""

    probe: ProbeView | None


class NodeList(BaseModel):
    """Nodes, by id."""

    object: Literal["list"] = "list"
    data: list[NodeView]
