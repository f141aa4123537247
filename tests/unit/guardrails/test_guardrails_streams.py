"""A guard over a stream: whatever the pieces, the same output, and no value leaves."""

from __future__ import annotations

import base64
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from federation.errors import Forbidden, PayloadTooLarge, UpstreamCut
from federation.guardrails import entities as kind
from federation.guardrails.entities import Action
from federation.guardrails.guard import Guard, Plan, Screening
from federation.guardrails.streams import ChunkFilter
from federation.guardrails.vault import Restoring, Vault
from federation.guardrails.windows import Window
from federation.schema.chat import TokenLogprob
from federation.schema.chunks import (
    Begun,
    Chunk,
    Collector,
    Delta,
    Failed,
    Finished,
    Logprobs,
    PartBegun,
    PartEnded,
)
from federation.schema.parts import Citation, Foreign, Refusal, Text, Thinking, ToolCall

EMAIL, CARD = "jane.doe@example.org", "4539 1488 0343 6467"
KEY = (
    "-----BEGIN PRIVATE KEY-----\n"
    + "MIIEvAIBADANBgkq7w0BAQEFAASC\n" * 20
    + "-----END PRIVATE KEY-----"
)
MAILBOXES = base64.b64encode(b"jane.doe@example.org, and many others\n" * 1000).decode()
TOKEN = "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIx" * 60 + ".abcDEFghiJKL"
PLANTED = {
    EMAIL: "doe@example",
    CARD: "0343",
    "GB29 NWBK 6016 1331 9268 19": "1331",
    "536-22-8741": "8741",
    "+44 20 7946 0958": "7946",
    "192.0.2.17": "192.0",
    "jane at example dot org": "dot",
    "password: Tr0ub4dor&3": "Tr0ub4",
    KEY: "MIIE",
    TOKEN: "eyJ",
}


def guard(action: Action = Action.REDACT) -> Guard:
    return Guard(Plan(dict.fromkeys(kind.BUILT_IN, action)), b"k")


GUARD = guard()


def windowed(pieces: list[str]) -> str:
    window = Window(GUARD, "x", Screening.begin(b"s"))
    return "".join([window.feed(piece) for piece in pieces] + [window.close()])


@pytest.mark.parametrize("value", PLANTED)
def test_a_planted_value_never_leaves_wherever_the_stream_is_cut(value: str) -> None:
    text = f"Well of course, it is {value} and that is all there is to say."
    whole = windowed([text])
    assert PLANTED[value] not in whole
    assert whole.startswith("Well of course, it is ")
    assert whole.endswith(" and that is all there is to say.")
    assert windowed(list(text)) == whole
    for cut in range(0, len(text), max(1, len(text) // 60)):
        assert windowed([text[:cut], text[cut:]]) == whole


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("use mysql" + " --skip-column-names" * 4 + " -pSummerrain now please", "Summerrain"),
        ("use redis-cli" + " --no-auth-warning" * 4 + " -a Horseman ping and done", "Horseman"),
        ('use mysql -u root -p"correct horse battery staple" now and go on', "correct horse"),
        ('use curl -u "admin:correct horse battery" https://x.y now', "correct"),
        ("jane _at_ example _dot_ com is it now", "jane"),
        ("mail jane -at- example -dot- com is it now", "jane"),
        ("mail jane at_ example dot_ com is it now", "jane"),
        ("she was born on the 3rd of may 1990 and so on", "3rd"),
        ("she was born on 3 of sep 1990 and so on", "3 of"),
        ("in sk-AbcDefGhiJklMnoPqrStuVwx and so on it goes", "Abc"),
        ("in sk_live_AbcDefGhiJkl and so on it goes", "Abc"),
    ],
)  # fmt: skip
def test_a_value_of_calm_words_never_leaves_either(text: str, value: str) -> None:
    screening = Screening.begin(b"s")
    read = GUARD.applied(text, GUARD.spans(text, "x", screening), "x", screening)
    assert value not in read
    assert windowed([text]) == windowed(list(text)) == read


WORDS = st.lists(
    st.sampled_from(
        [
            *PLANTED,
            "the",
            "quick",
            "configuration",
            "at",
            "dot",
            "12",
            "A",
            "\n",
            "- ",
            "déjà",
            "quick7",
            "I",
            "mar7ch",
            "请问",
            "x" * 40,
        ]
    ),
    max_size=20,
)


@pytest.mark.parametrize(
    "before", ["Well,", "Well, so:", "Really?", "So;x,", "Solo,", "Cafe:", "Mai,", "Hello!", "Oi!"]
)
@pytest.mark.parametrize("value", PLANTED)
def test_what_is_set_off_is_said_and_no_value_behind_it(value: str, before: str) -> None:
    for between in ("", " ", "\n"):
        text = f"{before}{between}{value} and that is all there is to say."
        whole = windowed([text])
        assert PLANTED[value] not in whole
        for size in (1, 2, 3, 5):
            assert windowed([text[at : at + size] for at in range(0, len(text), size)]) == whole


@pytest.mark.parametrize("word", ["Hello", "Sure", "great", "Olá", "Obrigada"])
def test_a_greeting_that_is_called_out_first_is_told_with_its_mark(word: str) -> None:
    window = Window(GUARD, "x", Screening.begin(b"s"))
    assert [window.feed(piece) for piece in (word, "!")] == ["", f"{word}!"]


@pytest.mark.parametrize(
    ("before", "text", "said"),
    [
        ("the password is", "Yes!hunter2x9Q and then we go on", "[SECRET] and then we go on"),
        ("Write to jane.doe", "Done!@example.org and more words", "[EMAIL] and more words"),
    ],
)
@pytest.mark.parametrize("size", [1, 4, 99])
def test_what_begins_a_later_part_is_no_greeting(
    before: str, text: str, said: str, size: int
) -> None:
    """It may go on a value that began in the part before."""
    stream = ChunkFilter(GUARD, Screening.begin(b"s"))
    chunks: list[Chunk] = [PartBegun(0, 0, Text("")), Delta(0, 0, before), PartEnded(0, 0)]
    chunks += [PartBegun(0, 1, Text(""))]
    chunks += [Delta(0, 1, text[at : at + size]) for at in range(0, len(text), size)]
    told = [each for chunk in [*chunks, PartEnded(0, 1)] for each in stream.feed([chunk])]
    deltas = [each for each in told if isinstance(each, Delta) and each.part == 1]
    assert "".join(delta.text for delta in deltas) == said


@pytest.mark.parametrize("word", ["Jane", "Hellodoe", "xhi"])
@pytest.mark.parametrize("sign", [".", "!"])
def test_what_may_begin_a_mailbox_waits_for_what_stands_behind_its_sign(
    word: str, sign: str
) -> None:
    window = Window(GUARD, "x", Screening.begin(b"s"))
    for piece in (word, sign, "doe", "@example.org"):
        assert window.feed(piece) == ""
    assert window.close() == "[EMAIL]"


SIGNS = (
    *("Hello", "Sir", "Note", "Solo", "Cafe", "j", "a", "@", "1488", "of", "may", "at", "password"),
    *(",", ";", ":", "?", ".", "!", " ", " ", "\n"),
)


APART = tuple(f" {value} " for value in PLANTED if len(value) < 100)
"""Values as they stand in a text: one that is longer than what is held back, and a part of a word,
is found in the rest of that word only."""


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from((*SIGNS, *APART)), max_size=24), st.integers(1, 9))
def test_signs_between_words_change_nothing_about_that(parts: list[str], size: int) -> None:
    text = "".join(parts)
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert windowed(pieces) == windowed([text]) == windowed(parts)


@settings(deadline=None, max_examples=25)
@given(WORDS, st.randoms(use_true_random=False))
def test_every_splitting_gives_the_same_output(words: list[str], random: object) -> None:
    text = " ".join(words)
    pieces, at = [], 0
    while at < len(text):
        size = random.randint(1, 40)  # type: ignore[attr-defined]
        pieces.append(text[at : at + size])
        at += size
    assert windowed(pieces) == windowed([text])


def test_calm_text_waits_for_two_words_and_no_longer() -> None:
    window = Window(GUARD, "x", Screening.begin(b"s"))
    text = "thoroughly considered responsibilities of every department remain " * 20
    held = []
    for letter in text:
        window.feed(letter)
        held.append(window.held)
    assert max(held) <= 64


@pytest.mark.parametrize(
    "value",
    [
        "john(at)example.com",
        "john [at] example [dot] com",
        "john {at} example {dot} com",
        "john (arroba) ejemplo (punto) es",
        "john [ at ] example [ dot ] com",
        "john-at-example-dot-com",
        "john_at_example_dot_com",
        "john @ example . com",
        "m a r t a . k @ e x a m p l e . o r g",
        'x = "marta.k" + "owalska@example.org";',
        "DOB 12th of March 1985",
        "nacida el 12 de mayo de 1985",
        "nascido em 12 de março de 1985",
    ],
)
def test_what_is_spelled_out_waits_until_it_is_whole(value: str) -> None:
    text = f"as we said before, here it is: {value} and that is all there is to say about it"
    whole = GUARD.text(text, "x", Screening.begin(b"s"))
    assert whole != text
    for size in (1, 2, 3, 7, len(text)):
        assert windowed([text[at : at + size] for at in range(0, len(text), size)]) == whole


def test_endless_digits_are_said_in_the_end() -> None:
    window = Window(GUARD, "x", Screening.begin(b"s"))
    text = ", ".join(str(number % 90) for number in range(3000))
    said, held = "", 0
    for at in range(0, len(text), 7):
        said += window.feed(text[at : at + 7])
        held = max(held, window.held)
    assert said + window.close() == text
    assert held <= 512


@pytest.mark.parametrize(
    "value",
    [KEY.replace("\n-----END", "MIIEvAIBADANBgkq7w0BAQEFAASC\n" * 1000 + "\n-----END"), MAILBOXES],
)
def test_a_value_of_any_length_stays_where_it_is_only_counted(value: str) -> None:
    screening = Screening.begin(b"s")
    window = Window(guard(Action.LOG), "x", screening)
    text = f"This is it: {value} and so on."
    said = [window.feed(text[at : at + 100]) for at in range(0, len(text), 100)]
    assert "".join(said) + window.close() == text
    assert screening.tally.findings()


def test_a_long_word_that_comes_at_once_is_gone_over_once() -> None:
    window = Window(GUARD, "x", Screening.begin(b"s"))
    before = time.thread_time()
    window.feed("q7Xw" * 1500)
    assert time.thread_time() - before < 0.5  # with each of its signs as a begin: seconds


def test_a_value_longer_than_the_longest_wait_is_swallowed() -> None:
    said = windowed(["see -----BEGIN PRIVATE KEY-----\n", *(["MIIEvAIBADANBgkq7w0\n"] * 2000)])
    assert said == "see [PRIVATE_KEY]"


@settings(deadline=None, max_examples=80)
@given(st.lists(st.integers(1, 9), min_size=1), st.booleans())
def test_tokens_come_back_however_they_are_cut(sizes: list[int], escaped: bool) -> None:
    vault = Vault(b"s")
    tokens = [vault.token("email", EMAIL), vault.token("secret", 'a"b\\'), vault.token("ip", "::1")]
    text = f"a{tokens[0]}{tokens[1]} EMAIL_ {tokens[0][:-1]} {tokens[2]}_{tokens[1]}EMAIL"
    text += f" **{in_markdown(tokens[0])}**{in_markdown(tokens[2])} EMAIL\\_{tokens[0]}"
    text += (
        f" stra\u00dfe{tokens[0].lower()} {in_markdown(tokens[2]).lower()}\u0131{tokens[1].title()}"
    )
    restoring, said, at = Restoring(vault, escaped=escaped), "", 0
    while at < len(text):
        size = sizes[at % len(sizes)]
        said += restoring.feed(text[at : at + size])
        at += size
    assert said + restoring.close() == vault.restore(text, escaped=escaped)
    assert EMAIL in said


def test_a_token_comes_back_that_the_model_wrote_in_small_letters() -> None:
    vault = Vault(b"s")
    token, other = vault.token("email", EMAIL), Vault(b"t").token("email", EMAIL)
    for written in (token.lower(), token.title(), in_markdown(token).lower()):
        assert vault.restore(f"mailto:{written}?") == f"mailto:{EMAIL}?"
    for left in (other.lower(), token.lower()[:-1], "phone" + token.lower()[5:]):
        assert vault.restore(f"mailto:{left}?") == f"mailto:{left}?"
    dotless = token.lower().replace("i", "\u0131")
    assert vault.restore(dotless) == dotless


def in_markdown(token: str) -> str:
    return token.replace("_", "\\_")


def test_a_token_comes_back_that_the_model_wrote_in_markdown() -> None:
    screening = Screening.begin(b"s")
    vault = screening.vault
    token, secret = vault.token(kind.DATE_OF_BIRTH, "1/2/85"), vault.token("secret", "x9K!mm2pQ")
    text = f"born *{in_markdown(token)}*, password: {in_markdown(secret)}"
    assert vault.restore(text) == "born *1/2/85*, password: x9K!mm2pQ"
    assert GUARD.text(text, "x", screening) == text
    arguments = json.dumps({"file": text})
    assert vault.restore(arguments, escaped=True) == json.dumps({"file": vault.restore(text)})


def filtered(
    chunks: list[Chunk], screening: Screening, *, plan: Guard | None = GUARD
) -> list[Chunk]:
    stream = ChunkFilter(plan, screening)
    said = [out for chunk in chunks for out in stream.feed([chunk])]
    return said + stream.close()


def test_every_choice_and_every_call_of_a_tool_has_its_own_window() -> None:
    arguments = json.dumps({"to": EMAIL, "n": 1})
    chunks: list[Chunk] = [Begun("i", "m")]
    chunks += [PartBegun(choice, 0, Text("")) for choice in (0, 1)]
    chunks += [PartBegun(0, part, ToolCall(str(part), "f", "")) for part in (1, 2)]
    for at in range(max(len(CARD), len(arguments))):
        for choice in (0, 1):
            chunks.append(Delta(choice, 0, CARD[at : at + 1]))
        for part in (1, 2):
            chunks.append(Delta(0, part, arguments[at : at + 1]))
    chunks += [
        PartEnded(0, 1),
        PartEnded(0, 2),
        PartEnded(0, 0),
        Finished(0, "stop"),
        Finished(1, "stop"),
    ]
    collector = Collector("openai")
    collector.add(filtered(chunks, Screening.begin(b"s")))
    first, second = collector.response().choices
    assert first.parts[0] == second.parts[0] == Text("[CARD]")
    for made in first.parts[1:]:
        assert isinstance(made, ToolCall)
        assert json.loads(made.arguments) == {"to": "[EMAIL]", "n": 1}


def test_restored_values_are_not_taken_for_the_models_own() -> None:
    screening = Screening.begin(b"s")
    token = screening.vault.token(kind.EMAIL, EMAIL)
    chunks: list[Chunk] = [
        PartBegun(0, 0, Text(f"mine is {token} and ")),
        Delta(0, 0, "theirs is other@example.net, "),
        Delta(0, 0, "as you know"),
        PartEnded(0, 0),
    ]
    collector = Collector("openai")
    collector.add(filtered(chunks, screening))
    expected = f"mine is {EMAIL} and theirs is [EMAIL], as you know"
    assert collector.response().choices[0].parts == (Text(expected),)


def test_without_a_guard_deltas_pass_as_they_came() -> None:
    chunks: list[Chunk] = [PartBegun(0, 0, Text("")), Delta(0, 0, EMAIL), PartEnded(0, 0)]
    assert filtered(chunks, Screening.begin(b"s"), plan=None) == chunks


def test_what_waits_is_dropped_where_the_stream_fails() -> None:
    error = UpstreamCut("it ended")
    chunks: list[Chunk] = [PartBegun(0, 0, Text("")), Delta(0, 0, "it is 4539"), Failed(error)]
    said = filtered(chunks, Screening.begin(b"s"))
    assert said[-1] == Failed(error)
    assert "4539" not in "".join(chunk.text for chunk in said if isinstance(chunk, Delta))


def test_probabilities_do_not_spell_out_what_waits() -> None:
    chunk = Logprobs(0, (TokenLogprob("4539", -0.1),))
    assert filtered([chunk], Screening.begin(b"s")) == []
    assert filtered([chunk], Screening.begin(b"s"), plan=guard(Action.LOG)) == [chunk]


def test_what_must_not_pass_ends_the_stream() -> None:
    with pytest.raises(Forbidden):
        filtered(
            [PartBegun(0, 0, Text("")), Delta(0, 0, f"it is {EMAIL} I think so")],
            Screening.begin(b"s"),
            plan=guard(Action.BLOCK),
        )


def test_citations_and_whole_parts_are_checked_and_turned_back_too() -> None:
    screening = Screening.begin(b"s")
    token = screening.vault.token(kind.EMAIL, EMAIL)
    raw = Raw(json.dumps({"to": token, "card": CARD}).encode())
    chunks: list[Chunk] = [
        PartBegun(0, 0, Text("")),
        Delta(0, 0, citation=Citation(title=f"by {token}", quote=f"paid {CARD} once")),
        PartBegun(0, 1, Foreign("openai", raw)),
        PartBegun(0, 2, Refusal("not for 192.0.2.17 or so")),
    ]
    said = filtered(chunks, screening)
    cited = next(chunk for chunk in said if isinstance(chunk, Delta))
    assert cited.citation == Citation(title=f"by {EMAIL}", quote="paid [CARD] once")
    whole = next(c.head for c in said if isinstance(c, PartBegun) and isinstance(c.head, Foreign))
    assert json.loads(bytes(whole.raw)) == {"to": EMAIL, "card": "[CARD]"}
    assert "".join(c.text for c in said if isinstance(c, Delta)) == "not for [IP] or so"


def test_arguments_over_the_limit_end_the_stream() -> None:
    plan = Plan({kind.EMAIL: Action.REDACT}, most_characters=10)
    with pytest.raises(PayloadTooLarge):
        filtered(
            [PartBegun(0, 0, ToolCall("1", "f", "")), Delta(0, 0, "x" * 11)],
            Screening.begin(b"s"),
            plan=Guard(plan, b"k"),
        )


def thought(text: str, cut: int, act: Guard = GUARD, signature: str = "sig") -> list[Chunk]:
    """What is told of reasoning that comes in pieces, with its signature before its end."""
    stream = ChunkFilter(act, Screening.begin(b"s"))
    chunks: list[Chunk] = [PartBegun(0, 0, Thinking())]
    chunks += [Delta(0, 0, text[:cut]), Delta(0, 0, text[cut:])]
    chunks += [Delta(0, 0, signature=signature[:1]), Delta(0, 0, signature=signature[1:])]
    said = stream.feed([*chunks, PartEnded(0, 0), Finished(0, "stop")])
    return [*said, *stream.close()]


def test_reasoning_as_its_maker_signed_it_keeps_its_signature() -> None:
    text = "First I look at the question, then I answer it at length."
    for cut in range(len(text)):
        deltas = [each for each in thought(text, cut) if isinstance(each, Delta)]
        assert "".join(each.text for each in deltas) == text
        assert "".join(each.signature for each in deltas) == "sig"
        assert deltas[-1].signature, "it comes after the text that it is of"


def test_reasoning_that_had_to_be_changed_goes_without_its_signature() -> None:
    text = f"They want me to write to {EMAIL} and so I do."
    for cut in range(len(text)):
        deltas = [each for each in thought(text, cut) if isinstance(each, Delta)]
        said = "".join(each.text for each in deltas)
        assert said == text.replace(EMAIL, "[EMAIL]")
        assert not any(each.signature for each in deltas)
    with pytest.raises(Forbidden):
        thought(text, 9, guard(Action.BLOCK))


def test_reasoning_keeps_its_tokens_in_a_stream_too() -> None:
    screening = Screening.begin(b"s")
    act = guard(Action.TOKENIZE)
    token = act.text(EMAIL, "x", screening)
    stream = ChunkFilter(act, screening)
    said = stream.feed(
        [
            PartBegun(0, 0, Thinking()),
            Delta(0, 0, f"to {token} then"),
            Delta(0, 0, signature="sig"),
            PartEnded(0, 0),
            PartBegun(0, 1, Text("")),
            Delta(0, 1, f"to {token} then"),
            PartEnded(0, 1),
        ]
    )
    deltas = [each for each in said if isinstance(each, Delta)]
    told = {part: "".join(d.text for d in deltas if d.part == part) for part in (0, 1)}
    assert told == {0: f"to {token} then", 1: f"to {EMAIL} then"}
    assert "".join(each.signature for each in deltas) == "sig"


@pytest.mark.parametrize("value", [EMAIL, CARD])
def test_no_value_leaves_in_any_choice_or_call_wherever_it_is_cut(value: str) -> None:
    arguments = json.dumps({"to": value})
    for cut in range(1, len(arguments)):
        stream = ChunkFilter(GUARD, Screening.begin(b"s"))
        begun: list[Chunk] = [Begun("id", "m", 0)]
        for choice in range(2):
            begun.append(PartBegun(choice, 0, Text("")))
            begun += [PartBegun(choice, part, ToolCall(f"t{part}", "f", "")) for part in (1, 2)]
        chunks = list(begun)
        for piece in (slice(None, cut), slice(cut, None)):
            for choice in range(2):
                chunks.append(Delta(choice, 0, f"it is {value} here"[piece]))
                chunks += [Delta(choice, part, arguments[piece]) for part in (1, 2)]
        chunks += [Finished(choice, "stop") for choice in range(2)]
        told: dict[tuple[int, int], str] = {}
        for chunk in stream.feed(chunks):
            if isinstance(chunk, Delta):
                key = chunk.choice, chunk.part
                told[key] = told.get(key, "") + chunk.text
        assert len(told) == 6
        assert not any(value in text for text in told.values())
        assert all(json.loads(text)["to"][0] == "[" for (_, part), text in told.items() if part)
