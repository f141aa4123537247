"""Turns the deltas of one choice into parts: opened, filled, closed, in the order of arrival.

Reference: https://platform.openai.com/docs/api-reference/chat/streaming
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as BadBase64
from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.openai.answer_parts import (
    NULL,
    SOUND,
    Sound,
    finish_of,
    lenient,
    read_blocks,
    read_citations,
    read_images,
    read_logprobs,
    sound_part,
)
from federation.dialects.openai.call_stream import CallBook
from federation.dialects.openai.decode import Call, Function
from federation.dialects.openai.details import (
    BETWEEN_THOUGHTS,
    DETAILS,
    SUMMARY,
    Detail,
    thought_signature,
)
from federation.dialects.openai.think_tags import Piece, ThinkSplitter
from federation.dialects.openai.wire import Wire
from federation.dialects.whole import Few
from federation.schema.chunks import Chunk, Delta, Finished, Logprobs, PartBegun, PartEnded
from federation.schema.parts import Fields, Foreign, Media, Part, Refusal, Text, Thinking

_TEXT, _THINKING, _REFUSAL = 1, 2, 3
_HEADS: Final[dict[int, Part]] = {_TEXT: Text(""), _THINKING: Thinking(), _REFUSAL: Refusal("")}
_LEGACY: Final = -1
"""The index of the deprecated `function_call` among a choice's calls."""


class StreamDelta(msgspec.Struct):
    """What a delta says, as far as it is known."""

    content: str | Few[Raw] | None = None
    reasoning_content: Raw = NULL
    reasoning: Raw = NULL
    thinking: Raw = NULL
    reasoning_details: Raw = NULL
    refusal: str | None = None
    tool_calls: Few[Call] | None = None
    function_call: Function | None = None
    audio: Raw = NULL
    annotations: Raw = NULL
    images: Raw = NULL
    extra_content: Raw = NULL


class StreamChoice(msgspec.Struct):
    """A choice of an event."""

    index: int | None = 0
    delta: StreamDelta | None = None
    finish_reason: str | None = None
    logprobs: Raw = NULL
    error: Raw = NULL
    content_filter_results: Raw = NULL
    stop_reason: Raw = NULL
    matched_stop: Raw = NULL


_STRING: Final = msgspec.json.Decoder(str)


class ChoiceStream:
    """The state of one choice; one for each choice of each stream."""

    __slots__ = (
        "_answer_id", "_calls", "_detail", "_filter", "_index", "_open", "_part", "_plain",
        "_sound", "_sounds", "_splitter", "_stated", "_transcript", "_wire", "finished",
    )  # fmt: skip

    def __init__(self, index: int, wire: Wire, answer_id: str) -> None:
        self._index = index
        self._wire = wire
        self._answer_id = answer_id
        self._calls = CallBook(index)
        self._open = 0
        self._part = -1
        """The number of the last part that began."""
        self._detail: int | None = None
        """The index of the reasoning entry that the open part is made of."""
        self._plain: list[str] = []
        """The open reasoning, as far as it came as plain text and may come again with a state."""
        self._stated = False
        """Some reasoning came with a state."""
        self._sound: Sound | None = None
        """What the first piece of sound said."""
        self._sounds: list[str] = []
        self._transcript: list[str] = []
        self._filter = NULL
        tags = wire.row.reasoning_field == "think_tags"
        self._splitter = ThinkSplitter() if tags else None
        self.finished = False

    @property
    def has_begun(self) -> bool:
        """Something was said."""
        return self._part >= 0 or self._sound is not None

    @property
    def tells_text(self) -> bool:
        """A text is open, and its words are told as they come."""
        return self._open == _TEXT and self._splitter is None and not self.finished

    def read(self, choice: StreamChoice, chunks: list[Chunk]) -> None:
        """Take in a choice of an event."""
        if self.finished:
            return
        delta = choice.delta
        if delta is not None:
            self._read_delta(delta, chunks)
        if choice.logprobs != NULL:
            tokens = read_logprobs(choice.logprobs)
            if tokens:
                chunks.append(Logprobs(self._index, tokens))
        if choice.content_filter_results != NULL:
            self._filter = choice.content_filter_results
        if choice.finish_reason:
            calls = self.end(chunks)
            stop = choice.stop_reason if choice.stop_reason != NULL else choice.matched_stop
            chunks.append(
                Finished(
                    self._index,
                    finish_of(choice.finish_reason, calls=calls),
                    choice.finish_reason,
                    lenient(_STRING, stop),
                    extra=self._extra(choice),
                )
            )

    def end(self, chunks: list[Chunk]) -> bool:
        """Close what is open, for the choice is over. Returns whether there were calls."""
        if self._splitter is not None:
            self._say_pieces(self._splitter.rest(), chunks)
        self._close(chunks)
        if self._sound is not None:
            self._whole(sound_part(self._heard(self._sound)), chunks)
        chunks += self._calls.end_all()
        self.finished = True
        return self._calls.any

    def _extra(self, choice: StreamChoice) -> Fields:
        named = {
            "content_filter_results": self._filter,
            "stop_reason": choice.stop_reason,
            "matched_stop": choice.matched_stop,
        }
        return {name: raw for name, raw in named.items() if raw not in (NULL, _EMPTY)}

    def _read_delta(self, delta: StreamDelta, chunks: list[Chunk]) -> None:
        self._read_reasoning(delta, chunks)
        content = delta.content
        if content:
            if isinstance(content, list):
                self._read_blocks(content, chunks)
            elif self._splitter is not None:
                self._say_pieces(self._splitter.feed(content), chunks)
            else:
                self._say(_TEXT, content, chunks)
        if delta.refusal:
            self._say(_REFUSAL, delta.refusal, chunks)
        if delta.annotations != NULL or delta.extra_content != NULL:
            self._annotate(delta, chunks)
        if delta.tool_calls:
            for piece in delta.tool_calls:
                self._call(piece, chunks)
        if delta.function_call is not None:
            self._call(Call(index=_LEGACY, function=delta.function_call), chunks)
        if delta.images != NULL:
            for image in read_images(delta.images):
                self._whole(image, chunks)
        if delta.audio != NULL:
            self._hear(lenient(SOUND, delta.audio))

    def _read_reasoning(self, delta: StreamDelta, chunks: list[Chunk]) -> None:
        said = False
        if delta.reasoning_details != NULL:
            for entry in lenient(DETAILS, delta.reasoning_details) or ():
                said = self._read_detail(entry, chunks) or said
        if said:
            return
        for raw in (delta.reasoning_content, delta.reasoning, delta.thinking):
            if raw != NULL:
                text = lenient(_STRING, raw)
                if text:
                    self._think(text, chunks)
                    return

    def _think(self, text: str, chunks: list[Chunk]) -> None:
        """Plain reasoning. After an entry has closed a thought, more is another thought."""
        if self._stated:
            if self._open == _THINKING and self._detail is not None:
                self._close(chunks)
            if text == BETWEEN_THOUGHTS and self._open != _THINKING:
                return
        self._say(_THINKING, text, chunks)
        self._plain.append(text)

    def _read_detail(self, entry: Detail, chunks: list[Chunk]) -> bool:
        """A piece of reasoning with its state. Returns whether the plain text says the same."""
        text = entry.text or entry.summary or ""
        if not (text or entry.signature or entry.data):
            return False
        index = entry.index
        if self._plain and self._open == _THINKING and text == "".join(self._plain):
            # The whole of what was shown as plain text, once more with its state.
            text = ""
            self._plain = []
        elif self._open != _THINKING or (index is not None and index != self._detail):
            form = {"format": Raw(msgspec.json.encode(entry.format))} if entry.format else {}
            summary = bool(entry.summary) or entry.type == SUMMARY
            head = Thinking(id=entry.id or "", summary=summary, extra=form)
            self._begin(_THINKING, head, chunks)
        self._detail = index
        self._stated = True
        chunks.append(Delta(self._index, self._part, text, entry.signature or "", entry.data or ""))
        return bool(entry.text or entry.summary)

    def _read_blocks(self, blocks: list[Raw], chunks: list[Chunk]) -> None:
        for part in read_blocks(blocks):
            match part:
                case Text():
                    self._say(_TEXT, part.text, chunks)
                case Refusal():
                    self._say(_REFUSAL, part.text, chunks)
                case Foreign():
                    self._whole(part, chunks)
                case Thinking():
                    if self._open != _THINKING:
                        self._begin(_THINKING, Thinking(), chunks)
                    place = (self._index, self._part)
                    chunks.append(Delta(*place, part.text, part.signature, part.sealed))

    def _say_pieces(self, pieces: list[Piece], chunks: list[Chunk]) -> None:
        for thinks, text in pieces:
            self._say(_THINKING if thinks else _TEXT, text, chunks)

    def _say(self, kind: int, text: str, chunks: list[Chunk]) -> None:
        if self._open != kind:
            self._begin(kind, _HEADS[kind], chunks)
        chunks.append(Delta(self._index, self._part, text))

    def _begin(self, kind: int, head: Part, chunks: list[Chunk]) -> None:
        self._close(chunks)
        chunks += self._calls.end_whole()
        self._part += 1
        self._open = kind
        self._detail = None
        self._plain = []
        chunks.append(PartBegun(self._index, self._part, head))

    def _close(self, chunks: list[Chunk]) -> None:
        if self._open:
            chunks.append(PartEnded(self._index, self._part))
            self._open = 0

    def _whole(self, part: Media | Foreign, chunks: list[Chunk]) -> None:
        self._begin(0, part, chunks)
        chunks.append(PartEnded(self._index, self._part))

    def _call(self, piece: Call, chunks: list[Chunk]) -> None:
        call, new = self._calls.find(piece)
        if new:
            self._close(chunks)
            chunks += self._calls.end_whole()
        found = self._calls.add(piece, call, self._answer_id, self._part + 1)
        if call.part > self._part:
            self._close(chunks)
            self._part = call.part
        chunks += found

    def _annotate(self, delta: StreamDelta, chunks: list[Chunk]) -> None:
        """Citations and signatures of the text that is being written."""
        citations = read_citations(delta.annotations)
        signature = thought_signature(delta.extra_content)
        if not citations and not signature:
            return
        if self._open != _TEXT:
            self._begin(_TEXT, Text(""), chunks)
        if signature:
            chunks.append(Delta(self._index, self._part, signature=signature))
        chunks += [Delta(self._index, self._part, citation=item) for item in citations]

    def _hear(self, sound: Sound | None) -> None:
        """A piece of sound."""
        if sound is None:
            return
        if sound.data:
            self._sounds.append(sound.data)
        if sound.transcript:
            self._transcript.append(sound.transcript)
        before = self._sound or sound
        self._sound = Sound(
            before.id or sound.id, None, None, sound.expires_at or before.expires_at
        )

    def _heard(self, sound: Sound) -> Sound:
        """All of it: put together once, for an answer may have any number of pieces."""
        transcript = "".join(self._transcript) if self._transcript else None
        return Sound(sound.id, _joined(self._sounds), transcript, sound.expires_at)


_EMPTY: Final = Raw(b"{}")


def _joined(pieces: list[str]) -> str:
    """Each piece may be base64 of its own, or the pieces the parts of one."""
    texts = "".join([f"{piece} " if piece.endswith("=") else piece for piece in pieces]).split()
    if len(texts) < 2:
        return "".join(texts)
    try:
        return b64encode(b"".join(map(b64decode, texts))).decode()
    except BadBase64:
        return "".join(pieces)
