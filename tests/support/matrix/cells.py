"""One cell of the matrix: a client's program, the gateway, a vendor, one scene, one mode."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from matrix.clients.program import Program, Unsayable
from matrix.facts import Heard, Traits, differences, expected_asked, expected_heard
from matrix.house import House, twin
from matrix.scenes import DIALECTS, SCENES, Answer, Fault

from federation.dialects.carriage import PORTABLE


@dataclass(frozen=True, order=True)
class Cell:
    client: str
    upstream: str
    scene: str
    mode: str

    def __str__(self) -> str:
        return f"{self.client}-{self.upstream}-{self.scene}-{self.mode}"


@dataclass
class Outcome:
    """What was different from a perfect cell: facts, warnings, a refusal."""

    facts: dict[str, str] = field(default_factory=dict)
    warnings: frozenset[str] = frozenset()
    refused: str = ""
    """The client's error, where the vendor saw nothing."""
    unsayable: str = ""
    """The feature for which the client's API has no field."""


def cells(*clients: str) -> list[Cell]:
    """All cells of these clients, or of all."""
    return [
        Cell(client, upstream, name, mode)
        for client in clients or DIALECTS
        for upstream in DIALECTS
        for name, scene in SCENES.items()
        for mode in scene.modes
    ]


BROKEN: Final = 0
"""For a stream that broke, beside the statuses."""
_FAILED: Final = {"bedrock": 500}
"""The client's status where a vendor failed, if not 502: each class of Bedrock's has its own."""
ERRORS: Final[dict[str, dict[int, str]]] = {
    "openai": {
        429: "RateLimitError",
        400: "BadRequestError",
        500: "InternalServerError",
        BROKEN: "APIError",
    },
    "openai_responses": {
        429: "RateLimitError",
        400: "BadRequestError",
        500: "InternalServerError",
        BROKEN: "response.failed",
    },
    "anthropic": {
        429: "RateLimitError",
        400: "BadRequestError",
        500: "InternalServerError",
        BROKEN: "APIStatusError",
    },
    "gemini": {
        429: "ClientError",
        400: "ClientError",
        500: "ServerError",
        BROKEN: "ServerError",
    },
    "bedrock": {
        429: "ThrottlingException",
        400: "ValidationException",
        500: "InternalServerException",
        BROKEN: "internalServerException in the stream",
    },
    "cohere": {
        429: "TooManyRequestsError",
        400: "BadRequestError",
        500: "ApiError",
        BROKEN: "message-end ERROR",
    },
}
"""What a program on each client catches or sees."""


BEFORE: Final[dict[str, dict[str, str]]] = {
    "sealed": {
        "openai": "anthropic",
        "openai_responses": "anthropic",
        "anthropic": "gemini",
        "gemini": "bedrock",
        "bedrock": "openai_responses",
        "cohere": "openai_responses",
    },
    "open": {name: "cohere" if name == "openai" else "openai" for name in DIALECTS},
    "twin": {name: twin(name) for name in DIALECTS},
}
"""The vendor that answers the first step of a conversation which another takes over: one whose
reasoning has a state, one that only shows it, or one that speaks the same dialect."""


def run(cell: Cell, house: House, program: Program) -> Outcome:
    """Play a scene. What the vendor found wrong with a request fails at once."""
    scene, stream = SCENES[cell.scene], cell.mode == "stream"
    outcome = Outcome()
    try:
        talk = program.talk(scene, house.models[cell.upstream])
    except Unsayable as error:
        outcome.unsayable = error.feature
        return outcome
    warnings: set[str] = set()
    other: Traits | None = None
    for number, step in enumerate(scene.steps):
        who = cell.upstream
        if scene.handover and number == 0:
            who = BEFORE[scene.handover][cell.upstream]
            other = house.seats[who].vendor.TRAITS
            if scene.handover == "twin" and cell.upstream in PORTABLE:
                other = None
        seat, talk.model = house.seats[who], house.models[who]
        seat.client = cell.client
        seat.reset(step.answer)
        heard = talk.say(number, stream=stream)
        assert not seat.wrongs, "".join(seat.wrongs) + f"\n{seat.bodies}"
        if number or not scene.handover:
            warnings |= {*heard.warning}
        if not seat.asked:
            outcome.refused = f"{heard.error} {heard.status}"
            break
        traits = seat.vendor.TRAITS
        if other is not None and cell.client == cell.upstream:
            # What it is told stands in its own words already, and is handed through.
            traits = replace(traits, plans=False)
        asked = expected_asked(scene, number, traits, stream=stream, other=other)
        asked.limit = asked.limit or program.limit
        if scene.handover:
            if number == 0:
                continue
            if scene.handover != "twin":
                asked.ids = seat.asked[-1].ids  # others gave them; whether they are linked, tells
        outcome.facts |= differences("asked", asked, seat.asked[-1])
        outcome.facts |= _answered(step.answer, heard, cell, traits, number)
    outcome.warnings = frozenset(warnings)
    return outcome


def _answered(
    answer: Answer | Fault, heard: Heard, cell: Cell, traits: Traits, number: int
) -> dict[str, str]:
    """Where what the client heard is not what the vendor said."""
    if isinstance(answer, Answer) and not answer.breaks:
        scene, stream = SCENES[cell.scene], cell.mode == "stream"
        return differences("heard", expected_heard(scene, number, traits, stream=stream), heard)
    if isinstance(answer, Answer):
        wanted = Heard(error=ERRORS[cell.client][BROKEN])
        heard.ended, heard.status, heard.retry_after = True, None, ""
    else:
        wanted = Heard(
            error=ERRORS[cell.client][answer.status],
            status=_FAILED.get(cell.client, 502) if answer.status == 500 else answer.status,
            retry_after=str(answer.retry_after or ""),
        )
    return differences("heard", wanted, heard)
