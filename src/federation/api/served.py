"""One route of a worker, as the OpenAPI page describes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel

from federation.api.models import ErrorReply

JSON: Final = "application/json"
FORM: Final = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class Served:
    """What is sent to it, and what comes back."""

    method: str
    path: str
    tag: str
    summary: str
    about: str
    answer: type[BaseModel]
    body: type[BaseModel] | None = None
    streams: bool = False
    open: bool = False
    failures: tuple[int, ...] = (401, 403)
    sent: str = JSON
    answered: str = JSON
    error: type[BaseModel] = ErrorReply
