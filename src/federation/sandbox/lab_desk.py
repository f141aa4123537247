"""What the lab answers: requests in, moves out; and what it remembers between two of them.

A provider is the first segment of the path, where one stands before the language's own
(`/p1/v1/messages`): counts, chances and being down are each provider's own, so that one lab can
stand behind several rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

from federation.errors import FederationError, NotFound, Unavailable
from federation.gateway.paths import chat_dialect
from federation.sandbox import lab_refusals, lab_voices, replies
from federation.sandbox.lab_log import Seen
from federation.sandbox.lab_moves import CLOSE, HOLD, RESET, Answer, Moves, Over, events, moves
from federation.sandbox.lab_plays import OK, SLOW_S, STATUS, Play, draw, read_play
from federation.sandbox.lab_rows import LAB
from federation.sandbox.lab_voices import find_voice
from federation.sandbox.script import Choice, Script
from federation.sandbox.wording import Question, Wording, wording
from federation.schema.http import ClientReply, ClientRequest

_ROOTS: Final = frozenset({"v1", "v1beta", "v2", "api", "model"})
_SSE: Final = b"text/event-stream"
_PINGS: Final = {"anthropic": b'event: ping\ndata: {"type": "ping"}\n\n'}
_EARLY: Final = {"truncated": "", "length": "length", "filter": "content_filter"}
"""Plays that end an answer early, with the reason that they give; empty is the usual one."""
_PING: Final = b": keep-alive\n\n"
DOWN: Final = {"503": "", "reset": RESET, "closed": CLOSE, "silent": HOLD}
"""How a provider may be down, and how the exchange then ends."""


@dataclass(frozen=True, slots=True)
class Acting:
    """A reply as it is; without one, moves, and the content type of what they send."""

    reply: ClientReply | None = None
    moves: Moves = field(default_factory=lambda: iter(()))
    kind: bytes = replies.JSON


@dataclass(frozen=True, slots=True)
class Outage:
    """A provider that is down until a moment, or until it is told otherwise."""

    how: str
    until_s: float | None


class Desk:
    """Decides on each request. `clock` is monotonic; `slow_s` is how slow `random` makes one."""

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        seed: int = 0,
        pace_s: float = 0.005,
        slow_s: float = SLOW_S,
    ) -> None:
        self.pace_s = pace_s
        self.slow_s = slow_s
        self._clock = clock
        self._seed = seed
        self._words: dict[str, Wording] = {}
        self.reset()

    def reset(self) -> None:
        """Forget counts, outages and the place in every sequence of chances."""
        self._struck: dict[tuple[str, str], int] = {}
        self._since: dict[tuple[str, str], float] = {}
        self._chances: dict[str, Random] = {}
        self._outages: dict[str, Outage] = {}

    def down(self, provider: str, for_s: float | None, how: str) -> None:
        """Take a provider (all of them: empty) down; `how` is a key of `DOWN`."""
        until = None if for_s is None else self._clock() + for_s
        self._outages[provider] = Outage(how, until)

    def up(self, provider: str) -> None:
        """End an outage."""
        self._outages.pop(provider, None)

    def outages(self) -> dict[str, float | None]:
        """Who is down, and for how many seconds more."""
        now = self._clock()
        return {
            name: None if outage.until_s is None else outage.until_s - now
            for name, outage in self._outages.items()
            if outage.until_s is None or outage.until_s > now
        }

    def decide(self, request: ClientRequest, seen: Seen) -> Acting:
        """What to do with a request; what it was about is noted in its entry."""
        dialect = chat_dialect(request.path)
        words = self._speak(dialect or _listing_dialect(request))
        try:
            outage = self._outage(seen.provider)
            if outage is not None and DOWN[outage.how]:
                seen.play = f"down ({outage.how})"
                return Acting(moves=iter((Over(DOWN[outage.how]),)))
            if outage is not None:
                seen.play = "down"
                raise Unavailable("the engine is down", code="overloaded")
            question = words.question(request) if dialect else None
            if question is None:
                return Acting(self._listing(words, request))
            return self._chat(words, dialect, question, seen)
        except FederationError as error:
            return Acting(marked(words.error(error)))

    def _speak(self, dialect: str) -> Wording:
        if dialect not in self._words:
            self._words[dialect] = wording(dialect)
        return self._words[dialect]

    def _outage(self, provider: str) -> Outage | None:
        now = self._clock()
        for name in (provider, ""):
            outage = self._outages.get(name)
            if outage is not None and (outage.until_s is None or outage.until_s > now):
                return outage
        return None

    def _listing(self, words: Wording, request: ClientRequest) -> ClientReply:
        name = words.listing(request)
        if name is None or request.method != "GET":
            where = f"{request.method} {request.path}"
            raise NotFound(f"unknown request URL: {where}", code="unknown_url")
        if name and LAB.model(name) is None:
            raise replies.no_model(name)
        return replies.rendered(words.models(LAB, name, request))

    def _chat(self, words: Wording, dialect: str, question: Question, seen: Seen) -> Acting:
        asked = question.asked
        begun = lab_voices.continuation(asked)
        seen.dialect, seen.model, seen.stream = dialect, asked.model, asked.stream
        seen.continuation, seen.turns, seen.limit = begun.kind, len(asked.turns), asked.limit
        seen.begun = lab_voices.count_tokens(begun.begun.encode())
        name, _, suffix = asked.model.partition(":")
        found, wished = find_voice(name), read_play(suffix or OK)
        if found is None or wished is None:
            raise replies.no_model(asked.model)
        play = self._strike(seen.provider, asked.model, wished)
        seen.play = play.name
        voice, tokens = found
        error = lab_refusals.refusal(play, dialect, asked, voice)
        if error is not None:
            if play.word == OK:
                seen.play = "refused"
            if error.code == "content_filter" and dialect == "gemini":
                return Acting(lab_refusals.stopped_prompt(stream=asked.stream))
            raise error
        script = _shortened(lab_voices.answer(asked, voice, tokens, seen.id), play)
        answer = self._answer(words, dialect, question, script)
        kind = question.kind if asked.stream else replies.JSON
        return Acting(moves=moves(play, answer), kind=kind)

    def _strike(self, provider: str, model: str, play: Play) -> Play:
        """What strikes this time: some plays strike a few times, for a while, or by chance."""
        key = provider, model
        self._struck[key] = struck = self._struck.get(key, 0) + 1
        if play.times and struck > play.times:
            return Play()
        if play.word == "random":
            # Chance for faults, no secret.
            chance = self._chances.setdefault(provider, Random(f"{self._seed}/{provider}"))  # noqa: S311
            return draw(play, chance, self.slow_s)
        if play.word == "down":
            now = self._clock()
            since = self._since.setdefault(key, now)
            return Play(STATUS, status=503) if now < since + (play.number or 0.0) else Play()
        return play

    def _answer(self, words: Wording, dialect: str, question: Question, script: Script) -> Answer:
        asked = question.asked
        if asked.stream:
            parts = [piece for _, piece in question.parts(script)]
            split = question.kind.startswith(_SSE)
            pieces = tuple(
                event for piece in parts for event in (events(piece) if split else (piece,))
            )
        else:
            pieces = (question.whole(script),)
        failure = words.error(lab_refusals.FAILURE).body
        said = failure if isinstance(failure, bytes) else b""
        return Answer(
            pieces,
            asked.stream,
            self.pace_s,
            question.garbled,
            lab_refusals.as_piece(said, dialect, stream=asked.stream),
            _PINGS.get(dialect, _PING) if asked.stream else b" ",
        )


def split_provider(path: str) -> tuple[str, str]:
    """The provider that a path names (or none), and the path in the language's own words."""
    head, _, rest = path.lstrip("/").partition("/")
    return ("", path) if head in _ROOTS else (head, f"/{rest}")


def marked(reply: ClientReply) -> ClientReply:
    """The reply with the mark of the simulation, once."""
    if replies.SIMULATED not in reply.headers:
        reply.headers.append(replies.SIMULATED)
    return reply


def _listing_dialect(request: ClientRequest) -> str:
    """Whose words a path is answered in that is no chat call."""
    if request.path.startswith("/v1beta"):
        return "gemini"
    return "anthropic" if b"anthropic-version" in request.headers else "openai"


def _shortened(script: Script, play: Play) -> Script:
    """An answer that ends too early by its own word; others are broken off on the wire."""
    finish = _EARLY.get(play.word)
    if finish is None:
        return script
    count = play.tokens or 0
    choices = []
    for choice in script.choices:
        said = choice.pieces[:count]
        calls = tuple((call, name, "".join(said)) for call, name, _ in choice.calls)
        choices.append(Choice(said, finish or choice.finish, calls))
    spoken = sum(len(choice.pieces) for choice in choices)
    return replace(script, choices=tuple(choices), output_tokens=spoken)
