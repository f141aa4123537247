"""The seam of a mended answer: nothing twice, nothing missing, or no answer at all."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import UpstreamDiverged
from federation.resilience import seam as seams
from federation.resilience.delivered import Delivered
from federation.resilience.seam import Again, Ground, Onward, Seam, onward
from federation.schema.chunks import (
    Begun,
    Chunk,
    Delta,
    Failed,
    Finished,
    PartBegun,
    PartEnded,
    Resumed,
    UsageSeen,
)
from federation.schema.parts import Part, Refusal, Text, Thinking, ToolCall
from federation.schema.usage import Usage

WORDS = "one two three four five six seven eight nine ten eleven twelve."
CALL = ToolCall("call_1", "note", "")
ARGUMENTS = '{"text": "three words here"}'


def told(*parts: tuple[Part, str, bool]) -> list[Chunk]:
    """A stream's chunks: parts with their text, and whether each ended."""
    chunks: list[Chunk] = [Begun("r1", "first-model")]
    for number, (head, text, ended) in enumerate(parts):
        chunks.append(PartBegun(0, number, head))
        if text:
            chunks.append(Delta(0, number, text))
        if ended:
            chunks.append(PartEnded(0, number))
    return chunks


def answer(*parts: tuple[Part, str], finish: str = "stop", step: int = 5) -> list[Chunk]:
    """A whole new answer in pieces of `step` characters."""
    chunks: list[Chunk] = [Begun("r2", "second-model")]
    for number, (head, text) in enumerate(parts):
        chunks.append(PartBegun(0, number, head))
        chunks += [Delta(0, number, text[at : at + step]) for at in range(0, len(text), step)]
        chunks.append(PartEnded(0, number))
    return [*chunks, Finished(0, finish), UsageSeen(Usage(input=10, output=4))]


def ground(chunks: list[Chunk], *, structured: bool = False) -> Ground:
    seen = Delivered()
    seen.add(chunks)
    return Ground(seen, Usage(input=7, output=3), structured=structured)


def through(seam: Seam, chunks: list[Chunk]) -> list[Chunk]:
    """Everything that the seam lets through, chunk by chunk."""
    return [out for chunk in chunks for out in seam.feed([chunk])]


def whole(*streams: list[Chunk]) -> str:
    """All words of what a client was told, in order."""
    said = ""
    for stream in streams:
        for chunk in stream:
            match chunk:
                case Delta():
                    said += chunk.text
                case PartBegun(head=Text(text=text)):
                    said += text
                case _:
                    pass
    return said


class TestAgain:
    @given(cut=st.integers(0, len(WORDS)), step=st.integers(1, 30))
    @settings(deadline=None)
    def test_the_same_answer_goes_on_wherever_it_broke(self, cut: int, step: int) -> None:
        before = told((Text(""), WORDS[:cut], False))
        seam = Again(ground(before))
        after = through(seam, answer((Text(""), WORDS), step=step))
        assert whole(before, after) == WORDS
        assert seam.joined
        assert isinstance(after[-2], Finished)

    @given(cut=st.integers(1, len(WORDS) - 1), at=st.integers(0, len(WORDS) - 1))
    @settings(deadline=None)
    def test_another_answer_is_told_from_none_of_it(self, cut: int, at: int) -> None:
        before = told((Text(""), WORDS[:cut], False))
        other = WORDS[:at] + "#" + WORDS[at + 1 :]
        seam = Again(ground(before))
        if at >= cut:
            assert whole(before, through(seam, answer((Text(""), other)))) == other
            return
        out: list[Chunk] = []
        with pytest.raises(UpstreamDiverged):
            out.extend(
                piece for chunk in answer((Text(""), other), step=3) for piece in seam.feed([chunk])
            )
        assert whole(out) == ""
        assert not seam.joined

    def test_an_answer_that_ends_before_what_was_told_is_another(self) -> None:
        seam = Again(ground(told((Text(""), WORDS, False))))
        with pytest.raises(UpstreamDiverged):
            through(seam, answer((Text(""), WORDS[:20])))

    def test_calls_go_on_under_the_number_and_id_that_the_client_has(self) -> None:
        before = told((Text(""), "Let me note it.", True), (CALL, ARGUMENTS[:9], False))
        again = ToolCall("other_id", "note", "")
        seam = Again(ground(before))
        after = through(seam, answer((Text(""), "Let me note it."), (again, ARGUMENTS)))
        arguments = "".join(
            chunk.text for chunk in [*before, *after] if isinstance(chunk, Delta) and chunk.part
        )
        assert arguments == ARGUMENTS
        assert not [chunk for chunk in after if isinstance(chunk, PartBegun)]
        assert PartEnded(0, 1) in after

    def test_a_call_of_another_tool_is_another_answer(self) -> None:
        before = told((CALL, ARGUMENTS[:9], False))
        seam = Again(ground(before))
        with pytest.raises(UpstreamDiverged):
            through(seam, answer((ToolCall("c", "other", ""), ARGUMENTS)))

    def test_broken_arguments_end_in_a_failure_and_not_in_a_finish(self) -> None:
        before = told((CALL, '{"a": ', False))
        seam = Again(ground(before))
        after = through(seam, answer((CALL, '{"a": 1')))
        assert any(isinstance(chunk, Failed) for chunk in after)
        assert not any(isinstance(chunk, Finished) for chunk in after)

    def test_thoughts_are_not_told_twice_and_one_that_broke_off_is_ended(self) -> None:
        before = told((Thinking("hm"), "", False))
        seam = Again(ground(before))
        after = through(seam, answer((Thinking(""), "let me see"), (Text(""), "Yes.")))
        assert after[:2] == [Resumed("second-model"), PartEnded(0, 0)]
        assert whole(after) == "Yes."
        assert [chunk.part for chunk in after if isinstance(chunk, PartBegun)] == [1]

    def test_the_usage_is_that_of_all_parts(self) -> None:
        seam = Again(ground(told((Text(""), "one", False))))
        after = through(seam, answer((Text(""), WORDS)))
        assert after[-1] == UsageSeen(Usage(input=17, output=7))

    def test_a_structured_answer_that_is_no_json_fails(self) -> None:
        seam = Again(ground(told((Text(""), '{"a"', False)), structured=True))
        after = through(seam, answer((Text(""), '{"a": 1')))
        assert isinstance(after[-2], Failed)

    @pytest.mark.parametrize("said", ["I ", ""], ids=["broke off", "is new"])
    def test_a_refusal_stands_in_place_of_a_structured_answer(self, said: str) -> None:
        before = told((Refusal(""), said, False)) if said else told()
        seam = Again(ground(before, structured=True))
        after = through(seam, answer((Refusal(""), "I cannot.")))
        assert isinstance(after[-2], Finished)
        assert whole(before, after) == "I cannot."


class TestOnward:
    @given(cut=st.integers(13, len(WORDS) - 1), native=st.booleans())
    @settings(deadline=None)
    def test_an_answer_that_just_goes_on_is_whole(self, cut: int, native: bool) -> None:
        before = told((Text(""), WORDS[:cut], False))
        seam = Onward(ground(before), native=native)
        after = through(seam, answer((Text(""), WORDS[cut:]), step=4))
        assert whole(before, after) == WORDS

    @given(back=st.integers(1, 4), step=st.integers(1, 20))
    @settings(deadline=None)
    def test_words_that_are_said_again_are_left_out(self, back: int, step: int) -> None:
        cut = WORDS.index(" nine")
        start = len(" ".join(WORDS[:cut].split()[:-back])) + 1
        before = told((Text(""), WORDS[:cut], False))
        seam = Onward(ground(before), native=False)
        after = through(seam, answer((Text(""), WORDS[start:]), step=step))
        assert whole(before, after) == WORDS

    @given(step=st.integers(1, 80))
    @settings(deadline=None)
    def test_one_that_begins_anew_is_compared(self, step: int) -> None:
        before = told((Text(""), WORDS[:40], False))
        seam = Onward(ground(before), native=False)
        after = through(seam, answer((Text(""), WORDS), step=step))
        assert whole(before, after) == WORDS

    def test_one_that_begins_anew_and_says_something_else_is_refused(self) -> None:
        before = told((Text(""), WORDS[:40], False))
        seam = Onward(ground(before), native=False)
        with pytest.raises(UpstreamDiverged):
            through(seam, answer((Text(""), WORDS[:30] + "and so on")))

    def test_a_refusal_is_no_way_to_go_on(self) -> None:
        seam = Onward(ground(told((Text(""), WORDS[:20], False))), native=False)
        with pytest.raises(UpstreamDiverged):
            through(seam, answer((Refusal(""), "I cannot.")))

    def test_blanks_that_were_cut_off_for_a_prefill_are_not_doubled(self) -> None:
        assert onward("four five ", " six", whole=True, native=True) == "six"

    def test_a_chance_letter_is_no_overlap(self) -> None:
        assert onward("the cat", "tail", whole=True, native=False) == "tail"
        assert onward("the end. A", "A word", whole=True, native=True) == "A word"

    def test_a_call_after_whole_words_ends_them(self) -> None:
        before = told((Text(""), "Let me note it.", False))
        seam = Onward(ground(before), native=True)
        after = through(seam, answer((CALL, ARGUMENTS), finish="tool_calls"))
        kinds = [type(chunk).__name__ for chunk in after]
        assert kinds[:3] == ["Resumed", "PartEnded", "PartBegun"]
        assert isinstance(after[-2], Finished)

    def test_calls_cannot_be_gone_on_with(self) -> None:
        before = told((Text(""), "Let me note it.", True), (CALL, ARGUMENTS[:9], False))
        seen = Delivered()
        seen.add(before)
        assert not seen.continues
        with pytest.raises(ValueError, match="only words"):
            Onward(Ground(seen, Usage(), structured=False), native=True)


def pieces(text: str, cuts: list[int]) -> Iterator[str]:
    marks = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    yield from (text[a:b] for a, b in itertools.pairwise(marks))


@given(
    text=st.text(min_size=1, max_size=300),
    cut=st.integers(0, 300),
    cuts=st.lists(st.integers(0, 300), max_size=6),
)
@settings(deadline=None)
def test_whatever_the_text_and_its_pieces_a_repetition_is_mended_exactly(
    text: str, cut: int, cuts: list[int]
) -> None:
    cut %= len(text) + 1
    before = told((Text(""), text[:cut], False))
    seam = Again(ground(before))
    stream: list[Chunk] = [Begun("", "m"), PartBegun(0, 0, Text(""))]
    stream += [Delta(0, 0, piece) for piece in pieces(text, cuts)]
    stream += [PartEnded(0, 0), Finished(0, "stop")]
    assert whole(before, through(seam, stream)) == text


class Uncopied(str):
    """A piece of a text that is not to be added to what came before: that copies all of it."""

    __slots__ = ()

    def __radd__(self, other: str) -> str:
        raise AssertionError(f"{len(other)} characters were copied for one more piece")


def test_an_answer_in_a_hundred_thousand_pieces_is_not_copied_for_each() -> None:
    seen = Delivered()
    seen.add([PartBegun(0, 0, Text("")), *(Delta(0, 0, Uncopied("ab ")) for _ in range(3))])
    assert seen.text == "ab ab ab "
    seen.add([Delta(0, 0, Uncopied("c"))])
    assert seen.text == "ab ab ab c"
    call = ground(told((CALL, '{"a":', False)))
    again = Again(call)
    pieces: list[Chunk] = [Delta(0, 0, Uncopied(text)) for text in ('{"a":', "1", "1", "}")]
    through(again, [Begun("r2", "m"), PartBegun(0, 0, CALL), *pieces, PartEnded(0, 0)])
    assert through(again, [Finished(0, "tool_calls")]) == [Finished(0, "tool_calls")]


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("step", [1, 7, 1_000])
def test_an_answer_that_begins_anew_is_looked_at_once(
    native: bool, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []

    def counting(told: str, said: str, *, whole: bool, native: bool) -> str | None:
        looked.append(len(said))
        return onward(told, said, whole=whole, native=native)

    monkeypatch.setattr(seams, "onward", counting)
    text = WORDS * 40
    seam = Onward(ground(told((Text(""), text, False))), native=native)
    found = through(seam, answer((Text(""), text + " And more."), step=step))
    assert "".join(chunk.text for chunk in found if isinstance(chunk, Delta)) == " And more."
    assert sum(looked) < 500 + 2 * step


@pytest.mark.parametrize("said", [WORDS * 3, WORDS * 4 + "x" + WORDS, WORDS * 5])
def test_an_answer_that_begins_anew_must_say_it_all(said: str) -> None:
    seam = Onward(ground(told((Text(""), WORDS * 5, False))), native=False)
    if said == WORDS * 5:
        found = through(seam, answer((Text(""), said), step=3))
        assert not any(isinstance(chunk, Delta) for chunk in found)
        assert isinstance(found[-2], Finished)
    else:
        with pytest.raises(UpstreamDiverged):
            through(seam, answer((Text(""), said), step=3))
