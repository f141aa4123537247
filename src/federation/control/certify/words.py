"""Plain text: whole and streamed, and what a caller may say about it."""

from __future__ import annotations

import re
from typing import Final

from msgspec import structs

from federation.control.certify.bench import Bench, Streamed, Whole
from federation.control.certify.claims import ability, unless
from federation.control.certify.findings import Check, Finding, failed, passed, skipped, warned
from federation.control.certify.prompts import (
    BEGUN,
    LETTERS,
    PLAIN,
    STRANGE,
    THINKING_ROOM,
    assistant,
    chat,
    filler,
    finish_of,
    said,
    system,
    text_of,
    user,
)
from federation.domain.catalogue import Ability
from federation.errors import InvalidRequest, UpstreamRejected
from federation.schema.chat import LENGTH, STOP, ChatRequest, Sampling
from federation.schema.parts import Text

_LIMIT: Final = 16
_NEXT: Final = re.compile(r"\W*c\b")
_MARKLESS: Final = frozenset(("gemini", "vertex"))
"""Languages whose streams just end."""
_GROWN: Final = 20
"""Tokens that some hundred words more make at the very least."""


def plain(bench: Bench) -> ChatRequest:
    """The call that most checks look at."""
    return chat(user(PLAIN), room=room(bench))


def room(bench: Bench) -> int:
    """A limit that a model which reasons first gets along with."""
    wanted = THINKING_ROOM if Ability.REASONING in bench.model.abilities else 512
    return min(wanted, bench.model.max_output or wanted)


async def whole_of(bench: Bench) -> Whole:
    """The plain answer, whole."""
    return await bench.once("plain", lambda: bench.ask(plain(bench)))


async def stream_of(bench: Bench) -> Streamed:
    """The plain answer as a stream."""
    return await bench.once("stream", lambda: bench.stream(plain(bench)))


def lost(losses: tuple[str, ...], *features: str) -> Finding | None:
    """The check is off where the row or the dialect leaves a feature out."""
    found = next((feature for feature in features if feature in losses), None)
    return skipped(f"The dialect or the row leaves '{found}' out.") if found else None


async def text_whole(bench: Bench) -> Finding:
    """An answer with words."""
    answer = await whole_of(bench)
    text = text_of(answer.response)
    if not text.strip():
        return failed("The answer has no text.", finish=finish_of(answer.response))
    return passed(characters=len(text), model=answer.response.model, took_ms=answer.took_ms)


async def finish_whole(bench: Bench) -> Finding:
    """An answer says why it ended."""
    return _ended(finish_of((await whole_of(bench)).response))


def _ended(finish: str) -> Finding:
    if finish == STOP:
        return passed(finish=finish)
    if finish == LENGTH:
        return warned("The answer ran into its limit.", finish=finish)
    return failed("The answer does not say that it ended by itself.", finish=finish)


async def text_stream(bench: Bench) -> Finding:
    """The stream's chunks make a whole answer."""
    answer = await stream_of(bench)
    text = text_of(answer.response)
    if not text.strip():
        return failed("The stream's chunks make no text.", pieces=answer.pieces)
    if not answer.complete:
        return failed("The stream ended before its answer was whole.", pieces=answer.pieces)
    return passed(characters=len(text), pieces=answer.pieces)


async def stream_pieces(bench: Bench) -> Finding:
    """A stream comes in pieces, not as one."""
    answer = await stream_of(bench)
    if answer.pieces < 2:
        return warned("The answer came in one piece.", pieces=answer.pieces)
    return passed(pieces=answer.pieces)


async def stream_finish(bench: Bench) -> Finding:
    """A stream says why it ended."""
    return _ended(finish_of((await stream_of(bench)).response))


async def stream_end(bench: Bench) -> Finding:
    """A stream has an end that can be told from a cut."""
    answer = await stream_of(bench)
    if answer.ended:
        return passed()
    if bench.provider.dialect in _MARKLESS:
        return passed("In this language the finish reason is the end.")
    return failed("The stream has no end marker.")


async def system_prompt(bench: Bench) -> Finding:
    """The setting reaches the model: it is obeyed, or at least counted."""
    setting = "Whatever you are asked, answer with the word KINGFISHER alone. " + filler(100)
    answer = await bench.ask(chat(system(setting), user(PLAIN), room=room(bench)))
    return _taken_in(answer, await whole_of(bench), "kingfisher")


async def multi_turn(bench: Bench) -> Finding:
    """Earlier turns reach the model."""
    history = (
        user(f"My code word is BLUEBIRD. {filler(60)}"),
        assistant(f"I shall remember it. {filler(60)}"),
        user("Which code word did I tell you? Answer with that word alone."),
    )
    answer = await bench.ask(chat(*history, room=room(bench)))
    return _taken_in(answer, await whole_of(bench), "bluebird")


def _taken_in(answer: Whole, without: Whole, word: str) -> Finding:
    text = text_of(answer.response)
    if not text.strip():
        return failed("The answer has no text.")
    obeyed = word in text.casefold()
    usage, before = answer.response.usage, without.response.usage
    grown = usage.input - before.input if usage is not None and before is not None else None
    if obeyed or (grown is not None and grown >= _GROWN):
        return passed(obeyed=obeyed, input_tokens_more=grown)
    if grown is None:
        return warned("The model does not obey it, and no usage tells whether it was read.")
    return failed("The model neither obeys it nor counts it.", input_tokens_more=grown)


async def stop_sequence(bench: Bench) -> Finding:
    """The answer ends before a stop sequence."""
    wanted = user("Repeat these words exactly, in this order: alpha beta gamma delta epsilon")
    request = chat(wanted, room=room(bench), sampling=Sampling(stop=("gamma",)))
    answer = await bench.ask(request)
    if (off := lost(answer.losses, "stop", "stop_count")) is not None:
        return off
    choice = answer.response.choices[0] if answer.response.choices else None
    if "gamma" in text_of(answer.response):
        return failed("The answer goes on beyond the stop sequence.")
    if choice is None or choice.finish != STOP:
        return warned("The answer did not end by the stop sequence.")
    return passed(named=choice.stop_sequence is not None)


async def output_limit(bench: Bench) -> Finding:
    """The limit of the answer's tokens holds, and is told."""
    request = chat(user("Count from 1 to 300, one number to a line."), room=_LIMIT)
    answer = await bench.ask(request)
    if (off := lost(answer.losses, "output_limit")) is not None:
        return off
    usage, finish = answer.response.usage, finish_of(answer.response)
    spent = usage.output if usage is not None else None
    if finish != LENGTH:
        return failed("The answer does not say that it hit the limit.", finish=finish, tokens=spent)
    if spent is not None and spent > 2 * _LIMIT:
        return warned("More tokens are counted than the limit allows.", tokens=spent)
    return passed(tokens=spent)


async def temperature(bench: Bench) -> Finding:
    """A temperature is accepted."""
    request = structs.replace(plain(bench), sampling=Sampling(temperature=0.3))
    answer = await bench.ask(request)
    return lost(answer.losses, "temperature") or passed()


async def choices(bench: Bench) -> Finding:
    """Two answers to one question."""
    request = structs.replace(plain(bench), sampling=Sampling(choices=2))
    answer = await bench.ask(request)
    if (off := lost(answer.losses, "choices")) is not None:
        return off
    found = len(answer.response.choices)
    if found != 2:
        return failed("Two answers were asked for.", answers=found)
    return passed(answers=found)


async def unicode_text(bench: Bench) -> Finding:
    """Letters of every kind come back whole, also where a stream cuts between their bytes."""
    request = chat(user("Repeat exactly: " + " ".join(STRANGE)), room=room(bench))
    whole = text_of((await bench.ask(request)).response)
    streamed = text_of((await bench.stream(request)).response)
    for way, text in (("whole", whole), ("stream", streamed)):
        if "\ufffd" in text or "Ã" in text:
            return failed("Letters are broken on the way.", way=way)
    missing = sorted({word for word in STRANGE for text in (whole, streamed) if word not in text})
    if missing:
        return warned("The model does not repeat every word.", missing=len(missing))
    return passed()


async def prefill(bench: Bench) -> Finding:
    """An answer that the caller began is gone on with, and not begun anew."""
    answer = await bench.ask(chat(user(LETTERS), assistant(BEGUN), room=room(bench), begun=True))
    if (off := lost(answer.losses, "prefill")) is not None:
        return off
    text = text_of(answer.response).strip().casefold()
    if not text:
        return failed("The answer has no text.", finish=finish_of(answer.response))
    if text.startswith(BEGUN.casefold()):
        return failed("The model begins its answer anew.")
    if _NEXT.match(text) is None:
        return warned("The model does not go on with the next letter.")
    return passed()


async def empty_content(bench: Bench) -> Finding:
    """An empty message is answered or refused as the caller's mistake: it breaks nothing."""
    try:
        await bench.ask(chat(said(Text("")), room=room(bench)))
    except (InvalidRequest, UpstreamRejected) as error:
        return passed("It is refused as the caller's mistake.", code=error.code)
    return passed("It is answered.")


_STREAM: Final = ("text_stream",)

CHECKS: Final = (
    Check("text_whole", "text", "a whole answer has text", text_whole, ("auth_good",)),
    Check("finish_whole", "text", "a whole answer says why it ended", finish_whole),
    Check("text_stream", "text", "a stream's chunks make a whole answer", text_stream),
    Check("stream_pieces", "text", "a stream comes in pieces", stream_pieces, _STREAM),
    Check("stream_finish", "text", "a stream says why it ended", stream_finish, _STREAM),
    Check("stream_end", "text", "a stream says that it is over", stream_end, _STREAM),
    Check("system_prompt", "text", "the system prompt reaches the model", system_prompt),
    Check("multi_turn", "text", "earlier turns reach the model", multi_turn),
    Check("stop_sequence", "text", "a stop sequence ends the answer", stop_sequence),
    Check("output_limit", "text", "the limit of tokens holds and is told", output_limit),
    Check(
        "temperature",
        "text",
        "a temperature is accepted",
        temperature,
        claim=unless("sampling", "drop", ability(Ability.SAMPLING)),
    ),
    Check("choices", "text", "n answers to one call", choices, claim=unless("single_choice", True)),
    Check(
        "prefill",
        "text",
        "an answer that the caller began is gone on with",
        prefill,
        ("text_whole",),
        claim=ability(Ability.PREFILL),
    ),
    Check("unicode", "text", "letters of every kind come back whole", unicode_text, _STREAM),
    Check("empty_content", "text", "an empty message breaks nothing", empty_content),
)
