"""Whatever may break, as a table: what is asked, what must come of it, how it is judged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lab_world import FULL, LONG_PROMPT, OTHER, SHORT, At, LabWorld, Told

from federation.domain.routes import Deadlines

WHOLE, STREAM = (False,), (True,)
BOTH = (False, True)
SAFE = "lab-prefill"
LARGE = At("lab-large", context=1_000_000)
GRACE_S = 1.5
"""What a busy machine may add to any time here."""


@dataclass(frozen=True)
class Scene:
    """One line: targets in order, what the client gets, and what the lab must have seen."""

    name: str
    targets: tuple[str | At, ...]
    modes: tuple[bool, ...] = BOTH
    text: str | None = FULL
    """The answer; None where no answer may come."""
    order: tuple[str, ...] = ()
    """Allowed orders of attempts, each as the targets' digits."""
    status: int = 200
    code: str = ""
    """The error's code, where an error comes."""
    finish: str = "stop"
    at_least_s: float = 0.0
    within_s: float = 10.0
    mended: bool = False
    """A stream of this line is mended."""
    stream_text: str | None = None
    """The streamed answer, where it differs from the whole one."""
    prompt: str = "Count to sixty."
    deadlines: Deadlines | None = SHORT
    members: dict[str, Any] = field(default_factory=dict)


def falls_back(name: str, fault: str, *order: str, **more: Any) -> Scene:
    """A fault before the first token: the fallback answers, whole and streamed."""
    return Scene(name, (fault, SAFE), order=order, **more)


def mends(name: str, fault: str, target: str, **more: Any) -> Scene:
    """A fault in the middle: a stream goes on at the fallback, a whole answer comes from it."""
    text = OTHER if target.startswith(("lab-other", "lab-repeats")) else FULL
    return Scene(name, (fault, target), text=text, stream_text=FULL, mended=True, **more)


ONCE = [
    Scene("429 with Retry-After 2, once", ("lab-same:429-after-2-once", SAFE), order=("00",),
          at_least_s=1.8, within_s=4.0),
    Scene("500 once", ("lab-same:500-once", SAFE), order=("00",), within_s=2.0),
    Scene("503 once", ("lab-same:503-once", SAFE), order=("00",), within_s=2.0),
    Scene("408 once", ("lab-same:408-once", SAFE), order=("00",), within_s=2.0),
    Scene("reset once, before the head", ("lab-same:reset-once", SAFE), order=("00", "01")),
    Scene("closed once, before the head", ("lab-same:closed-once", SAFE), order=("00", "01")),
    Scene("in-band error first, once", ("lab-same:inband-0-once", SAFE), order=("00", "01")),
]  # fmt: skip
ALWAYS = [
    falls_back("429 for ever", "lab-same:429", "001", "0001", within_s=4.0),
    falls_back("429 for ever with Retry-After 2", "lab-same:429-after-2", "001", "0001",
               at_least_s=1.8, within_s=8.0),
    falls_back("429 with Retry-After 60", "lab-same:429-after-60", "01", within_s=2.0),
    falls_back("500 for ever", "lab-same:500", "001", "0001", within_s=4.0),
    falls_back("503 for ever", "lab-same:503", "001", "0001", within_s=4.0),
    falls_back("529 for ever", "lab-same:529", "001", "0001", within_s=4.0),
    falls_back("reset for ever", "lab-same:reset", "001", "0001", within_s=4.0),
    falls_back("closed for ever", "lab-same:closed", "001", "0001", within_s=4.0),
    falls_back("refused connection", "refused", "1", within_s=4.0),
    falls_back("no HTTP", "lab-same:garbage", "01", "001", within_s=2.0),
    falls_back("never answers", "lab-same:silent", "01", at_least_s=0.9, within_s=3.0),
    falls_back("a head and nothing after it", "lab-same:mute", "01", at_least_s=0.9, within_s=3.0),
    falls_back("first token after 20 s", "lab-same:first-20", "01", at_least_s=0.9, within_s=3.0),
    falls_back("all of it after 20 s", "lab-same:late-20", "01", at_least_s=0.9, within_s=3.0),
    falls_back("401", "lab-same:401", "01", within_s=2.0),
    falls_back("402", "lab-same:402", "01", within_s=2.0),
    falls_back("403", "lab-same:403", "01", within_s=2.0),
    falls_back("404", "lab-same:404", "01", within_s=2.0),
]  # fmt: skip
MIDDLE = [
    mends("cut at 40, prefill", "lab-same:cut-40", "lab-prefill"),
    mends("cut at 40, same text", "lab-same:cut-40", "lab-same"),
    mends("cut at 40, something else", "lab-same:cut-40", "lab-other"),
    mends("cut at 40, last words again", "lab-same:cut-40", "lab-repeats"),
    mends("cut at 40, prefill not heeded", "lab-same:cut-40", "lab-ignores"),
    Scene("cut at 40, prefill promised and refused",
          ("lab-same:cut-40", At("lab-other", prefill=True)), STREAM, mended=True),
    mends("cut at 1, prefill", "lab-same:cut-1", "lab-prefill"),
    mends("cut at 60, prefill", "lab-same:cut-60", "lab-prefill"),
    mends("cut at 60, same text", "lab-same:cut-60", "lab-same"),
    mends("reset at 40", "lab-same:reset-40", "lab-prefill"),
    mends("silent after 20", "lab-same:stall-20", "lab-prefill", at_least_s=0.9, within_s=5.0),
    mends("silent after 20, same text", "lab-same:stall-20", "lab-same", within_s=25.0),
    mends("only keep-alives after 20", "lab-same:pings-20", "lab-prefill", modes=STREAM,
          within_s=8.0),
    mends("garbage after 20", "lab-same:garbage-20", "lab-prefill"),
    mends("in-band error after 30", "lab-same:inband-30", "lab-prefill"),
    mends("no finish, closed", "lab-same:no-finish", "lab-prefill"),
    mends("no finish, open", "lab-same:no-finish-open", "lab-prefill", within_s=6.0),
]  # fmt: skip
TWICE = [
    Scene("both are cut, the third goes on",
          ("lab-same:cut-20", "lab-prefill:cut-20", "lab-prefill"),
          order=("012", "00112", "0012", "0112"), mended=True),
    Scene("the fallback refuses, the third goes on",
          ("lab-same:cut-20", "lab-same:429", "lab-prefill"), mended=True),
]  # fmt: skip
HELD = [
    Scene("a malformed event is skipped", ("lab-same:malformed-30", SAFE), STREAM, order=("0",)),
    Scene("cut JSON", ("lab-same:malformed-30", SAFE), WHOLE, order=("01", "001")),
    Scene("no end marker, open", ("lab-same:no-done", SAFE), order=("0",), within_s=1.4),
    Scene("no end marker, closed", ("lab-same:no-done-close", SAFE), order=("0",), within_s=1.4),
    Scene("slow but alive", ("lab-same:trickle-20", SAFE), order=("0",)),
    Scene("its limit is reached", ("lab-same:length-20", SAFE), order=("0",), finish="length",
          text=FULL[: 20 * 4 - 1]),
    Scene("content filter's reason", ("lab-same:filter-20", SAFE), order=("0",),
          finish="content_filter", text=FULL[: 20 * 4 - 1]),
    Scene("prompt refused by a filter", ("lab-same:filter-refused", SAFE), order=("0",), text=None,
          status=400, code="content_filter"),
    Scene("context too long, a larger one", ("lab-small", "lab-same", LARGE), order=("02",),
          prompt=LONG_PROMPT),
    Scene("context too long, none larger", ("lab-small", "lab-same"), order=("0",), text=None,
          status=400, code="context_length_exceeded", prompt=LONG_PROMPT),
    Scene("a wrong request", ("lab-same:400", SAFE), order=("0",), text=None, status=400),
    Scene("a request too large", ("lab-same:413", SAFE), order=("0",), text=None, status=413),
    Scene("a request not understood", ("lab-same:422", SAFE), order=("0",), text=None,
          status=422),
]  # fmt: skip
DEFAULTS = [
    Scene("first token after 20 s, by the default deadlines", ("lab-same:first-20", SAFE), STREAM,
          order=("01",), within_s=15.0, deadlines=None),
    Scene("silent after 20, by the default deadlines", ("lab-same:stall-20", SAFE), STREAM,
          within_s=25.0, mended=True, deadlines=None),
]  # fmt: skip
SCENES = [*ONCE, *ALWAYS, *MIDDLE, *TWICE, *HELD, *DEFAULTS]


def judge(scene: Scene, world: LabWorld, told: Told) -> None:
    """Compare what came of a call with its line."""
    log = [(seen.provider, seen.play, seen.over) for seen in world.seen()]
    if scene.order:
        assert "".join(map(str, world.order)) in scene.order, log
    assert scene.at_least_s <= told.total_s <= scene.within_s + GRACE_S, (told.total_s, log)
    assert told.status == scene.status, (told.raw[:500], log)
    if scene.text is None:
        assert told.clean_error, told.raw
        assert not scene.code or (told.error or {}).get("code") == scene.code, told.error
        return
    wanted = scene.stream_text if told.stream and scene.stream_text else scene.text
    assert told.text == wanted, (told.error, log)
    assert told.whole, (told.finish, told.error, told.broken, told.over, told.garbled)
    if told.client == "openai":
        assert told.finish == scene.finish
        assert told.usage["completion_tokens"] > 0
    last = world.order[-1]
    if not (told.client == "anthropic" and told.stream and scene.mended):
        # That language names the model once, before its first word.
        assert told.model == world.deployments[last].model.id
    assert world.ended.deployment == world.deployments[last].id
    assert world.ended.outcome == "ok"
    if scene.mended and told.stream:
        assert world.mended(told), told.raw[-600:]


ACROSS = [scene for scene in (*ONCE, *ALWAYS, *MIDDLE, *HELD) if scene.name in {
    "429 with Retry-After 2, once", "500 once", "503 for ever", "reset for ever", "never answers",
    "cut at 40, prefill", "cut at 40, same text", "cut at 40, something else",
    "silent after 20", "a malformed event is skipped", "no end marker, open",
    "in-band error after 30", "404",
}]  # fmt: skip
PAIRS = [("anthropic", "gemini"), ("gemini", "openai"), ("openai", "anthropic")]
