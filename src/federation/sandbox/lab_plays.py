"""What a lab model does wrong: the suffix of its name, read into a play.

`lab-prefill:cut-40` cuts after 40 tokens, always; `lab-same:500-once` fails one request and is
well from then on, `-x3` would be three. The suffixes of the other simulated providers mean the
same here. A word that is not in the table is an unknown model, so that a misspelled fault
cannot pass for a healthy provider.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from random import Random
from typing import Final

OK: Final = "ok"
STATUS: Final = "status"

_TIMES = re.compile(r"-(?:once|x(?P<count>\d{1,4}))$")
_STATUS = re.compile(r"(?P<status>[45]\d\d)(?:-after-(?P<after>\d{1,5}(?:\.\d{1,3})?))?")
_WORD = re.compile(r"(?P<word>[a-z]+(?:-[a-z]+)*)(?:-(?P<number>\d{1,6}(?:\.\d{1,3})?))?")


@dataclass(frozen=True, slots=True)
class Word:
    """What one word of the table does; `number` is the default of its parameter."""

    meaning: str
    number: float | None = None
    unit: str = ""


WORDS: Final[dict[str, Word]] = {
    OK: Word("answers, whole"),
    "reset": Word("a TCP reset in place of an answer, or after so many tokens", None, "tokens"),
    "closed": Word("the connection is closed without a byte"),
    "silent": Word("the request is read, and nothing ever comes"),
    "mute": Word("the head of the response comes, and nothing after it"),
    "late": Word("nothing, not even the head, for a while; then the answer", 20, "s"),
    "first": Word("the head at once, the first token after a while", 20, "s"),
    "cut": Word("the connection ends after some tokens", 30, "tokens"),
    "stall": Word("silence after some tokens; the connection stays open", 30, "tokens"),
    "pings": Word("after some tokens nothing but keep-alives", 30, "tokens"),
    "malformed": Word("one event after some tokens is no JSON; a whole answer is cut JSON",
                      30, "tokens"),
    "garbage": Word("bytes that are no HTTP, or after so many tokens no events", None, "tokens"),
    "inband": Word("an error inside of the 200, after some tokens", 30, "tokens"),
    "no-done": Word("all but the end marker comes; the connection stays open"),
    "no-done-close": Word("all but the end marker comes, then the body ends"),
    "no-finish": Word("the body ends after the last token: no finish reason, usage or marker"),
    "no-finish-open": Word("silence after the last token"),
    "endless": Word("tokens for ever"),
    "trickle": Word("so much time between two tokens", 500, "ms"),
    "truncated": Word("ends after some tokens as if that were all", 30, "tokens"),
    "length": Word("ends after some tokens, and says that the limit is reached", 30, "tokens"),
    "filter": Word("ends after some tokens with the content filter's reason", 20, "tokens"),
    "filter-refused": Word("the prompt is refused by a content filter"),
    "context": Word("the prompt is refused as too long"),
    "down": Word("503 for a while from the first request on, then healthy", 60, "s"),
    "random": Word("so many percent each of 429, 500, reset, stall, cut and slow", 3, "%"),
}  # fmt: skip
"""The words. Besides them any status from 400 to 599, with `-after-S` for Retry-After."""

_ALIASES: Final = {
    "error": "500",
    "overloaded": "503",
    "limited": "429-after-2",
    "denied": "401",
    "slow": "first",
    "garbled": "malformed",
}
"""What the other simulated providers call them (`faults.Fault`)."""

SHARES: Final = ("429", "500", "reset", "stall", "cut", "first")
"""Between what `random` chooses, in equal shares."""
SLOW_S: Final = 20.0
_TOKENS_OF_RANDOM: Final = 50


@dataclass(frozen=True, slots=True)
class Play:
    """What is done with a request."""

    word: str = OK
    number: float | None = None
    """The parameter, in the unit of the word."""
    status: int = 0
    after_s: float | None = None
    """Retry-After."""
    times: int = 0
    """How many requests it strikes; 0 is all."""

    @property
    def tokens(self) -> int | None:
        """The parameter where it counts tokens."""
        return None if self.number is None else int(self.number)

    @property
    def name(self) -> str:
        """As the suffix has it, without how often."""
        if self.word == STATUS:
            after = "" if self.after_s is None else f"-after-{self.after_s:g}"
            return f"{self.status}{after}"
        return self.word if self.number is None else f"{self.word}-{self.number:g}"


def read_play(suffix: str) -> Play | None:
    """The play that a suffix asks for; None for a word that nobody knows."""
    times = 0
    found = _TIMES.search(suffix)
    if found is not None:
        times = int(found["count"] or 1)
        suffix = suffix[: found.start()]
    suffix = _ALIASES.get(suffix, suffix)
    status = _STATUS.fullmatch(suffix)
    if status is not None:
        after = None if status["after"] is None else float(status["after"])
        return Play(STATUS, status=int(status["status"]), after_s=after, times=times)
    match = _WORD.fullmatch(suffix)
    known = WORDS.get(match["word"]) if match is not None else None
    if match is None or known is None or (match["number"] and not known.unit):
        return None
    number = float(match["number"]) if match["number"] else known.number
    return Play(match["word"], number, times=times)


def draw(play: Play, random: Random, slow_s: float = SLOW_S) -> Play:
    """The fault of one request under `random`; two draws, whatever comes of them."""
    share = (play.number or 0.0) / 100.0
    place = random.random() / share if share else len(SHARES)
    after = 1 + random.randrange(_TOKENS_OF_RANDOM)
    if place >= len(SHARES):
        return Play()
    drawn = read_play(SHARES[int(place)]) or Play()
    if drawn.word in ("stall", "cut"):
        return replace(drawn, number=float(after))
    return replace(drawn, number=slow_s) if drawn.word == "first" else drawn
