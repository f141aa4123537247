"""The sizes and times that bound what a provider can make us hold."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one client; bytes, counts and seconds."""

    head_bytes: int = 64 * 1024
    head_fields: int = 200
    per_origin: int = 1024
    """Connections to one origin, idle ones included; further requests wait for one."""
    keep_alive_s: float = 60.0
    """How long an idle connection is kept, unless the provider names less."""
    decoded_bytes: int = 64 * 1024 * 1024
    """What one compressed answer may inflate to."""
    names_s: float = 30.0
    """How long a resolved name is trusted."""
