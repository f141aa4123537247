"""What is counted: usage that is there, adds up, and is the same for both ways of answering."""

from __future__ import annotations

from typing import Final

from federation.control.certify.bench import Bench
from federation.control.certify.claims import unless
from federation.control.certify.findings import Check, Finding, failed, passed, skipped, warned
from federation.control.certify.prompts import chat, filler, user
from federation.control.certify.words import room, stream_of, whole_of
from federation.schema.usage import Usage

_WORDS: Final = 200
_PREFIX: Final = 1600
"""Words of a prompt that is long enough for every provider's cache."""
_SLACK: Final = 8


def _sound(usage: Usage | None) -> Finding | None:
    """What is wrong with a usage; None where nothing is."""
    if usage is None or usage.estimated:
        return failed("No usage is sent.")
    if usage.input < 1 or usage.output < 1:
        return failed("Input or output is counted as zero.", input=usage.input, output=usage.output)
    if usage.cached + usage.cache_write > usage.input or usage.reasoning > usage.output:
        return failed("A part is counted as more than the whole.", input=usage.input)
    return None


async def usage_whole(bench: Bench) -> Finding:
    """A whole answer says what it used."""
    usage = (await whole_of(bench)).response.usage
    return _sound(usage) or passed(**_figures(usage))


async def usage_stream(bench: Bench) -> Finding:
    """A stream says what it used."""
    usage = (await stream_of(bench)).response.usage
    return _sound(usage) or passed(**_figures(usage))


def _figures(usage: Usage | None) -> dict[str, object]:
    assert usage is not None  # noqa: S101  `_sound` said so
    return {"input": usage.input, "output": usage.output, "reasoning": usage.reasoning}


async def usage_agrees(bench: Bench) -> Finding:
    """The same prompt is counted alike, whole and streamed."""
    whole, stream = (await whole_of(bench)).response.usage, (await stream_of(bench)).response.usage
    if whole is None or stream is None:
        return skipped("There is no usage to compare.")
    if abs(whole.input - stream.input) > _SLACK:
        return failed("The input is counted differently.", whole=whole.input, stream=stream.input)
    return passed(input=whole.input)


async def usage_grows(bench: Bench) -> Finding:
    """A longer prompt counts for more."""
    short = (await whole_of(bench)).response.usage
    words = user(f"Answer with OK. Ignore the rest. {filler(_WORDS)}")
    long = (await bench.ask(chat(words, room=room(bench)))).response.usage
    if short is None or long is None:
        return skipped("There is no usage to compare.")
    grown = long.input - short.input
    if not _WORDS // 2 <= grown <= _WORDS * 12:
        return failed("The count does not follow the prompt.", words=_WORDS, tokens_more=grown)
    return passed(words=_WORDS, tokens_more=grown)


async def usage_cached(bench: Bench) -> Finding:
    """Cached input is counted as a part of the input."""
    request = chat(user(f"{filler(_PREFIX)} Answer with OK."), room=room(bench))
    await bench.ask(request)
    usage = (await bench.ask(request)).response.usage
    if usage is None:
        return skipped("There is no usage to look at.")
    if usage.cached > usage.input:
        return failed("More is cached than there is.", input=usage.input, cached=usage.cached)
    if not usage.cached and bench.model.price.rates.cached is not None:
        return warned("The row prices cached input, and none was counted.", input=usage.input)
    return passed(input=usage.input, cached=usage.cached)


_USAGE: Final = ("usage_whole",)

CHECKS: Final = (
    Check("usage_whole", "usage", "a whole answer says what it used", usage_whole),
    Check(
        "usage_stream",
        "usage",
        "a stream says what it used",
        usage_stream,
        ("text_stream",),
        unless("stream_usage", "none"),
    ),
    Check(
        "usage_agrees",
        "usage",
        "both ways are counted alike",
        usage_agrees,
        ("usage_whole", "usage_stream"),
    ),
    Check("usage_grows", "usage", "a longer prompt counts for more", usage_grows, _USAGE),
    Check("usage_cached", "usage", "cached input is a part of the input", usage_cached, _USAGE),
)
