"""What is done about a finding, on every surface of a call."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from federation.errors import Forbidden, PayloadTooLarge, Unavailable
from federation.guardrails import entities as kind
from federation.guardrails.chat import restore_response, screen_request, screen_response, texts_of
from federation.guardrails.entities import (
    Action,
    DetectorFailure,
    Finding,
    Recognizer,
    Span,
    strictest,
)
from federation.guardrails.guard import Guard, Plan, Screening, Tally
from federation.schema.chat import (
    ASSISTANT,
    TOOL,
    USER,
    ChatRequest,
    ChatResponse,
    Choice,
    Message,
    TokenLogprob,
    Tool,
)
from federation.schema.parts import Foreign, Media, Text, Thinking, ToolCall, ToolResult

EMAIL, CARD = "jane.doe@example.org", "4539148803436467"


def guard(action: Action = Action.REDACT, **options: object) -> Guard:
    plan = Plan(dict.fromkeys(kind.BUILT_IN, action), **options)  # type: ignore[arg-type]
    return Guard(plan, b"digest key")


REDACTING, TOKENIZING = guard(), guard(Action.TOKENIZE)


def user(*texts: str) -> Message:
    return Message(USER, tuple(map(Text, texts)))


def call(*messages: Message, **more: object) -> ChatRequest:
    return ChatRequest("openai", "m", messages, **more)  # type: ignore[arg-type]


def said(request: ChatRequest) -> str:
    return "\n".join(text for text, _ in texts_of(request))


def test_the_strictest_action_wins() -> None:
    order = [Action.BLOCK, Action.REDACT, Action.TOKENIZE, Action.HASH, Action.MASK, Action.LOG]
    assert sorted(Action, key=lambda action: -action.strictness) == order
    merged = strictest({"card": Action.MASK, "ip": Action.LOG}, {"card": Action.REDACT})
    assert merged == {"card": Action.REDACT, "ip": Action.LOG}


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (Action.LOG, f"pay {CARD} now"),
        (Action.MASK, "pay ************6467 now"),
        (Action.REDACT, "pay [CARD] now"),
    ],
)
def test_each_action_changes_the_text_in_its_way(action: Action, expected: str) -> None:
    screening = Screening.begin(b"s")
    assert guard(action).text(f"pay {CARD} now", "x", screening) == expected
    assert screening.tally.findings() == (Finding(kind.CARD, action.value, "x"),)


def test_a_digest_is_the_same_however_a_value_is_written_and_depends_on_the_key() -> None:
    hashing, screening = guard(Action.HASH), Screening.begin(b"s")
    one = hashing.text("4539148803436467", "x", screening)
    other = hashing.text("4539 1488 0343 6467", "x", screening)
    foreign = Guard(hashing.plan, b"another key").text(CARD, "x", screening)
    assert one == other != foreign
    assert CARD not in one


def test_what_must_not_pass_is_refused_without_being_repeated() -> None:
    with pytest.raises(Forbidden) as refused:
        guard(Action.BLOCK).text(f"to {EMAIL}", "messages[0]", Screening.begin(b"s"))
    assert refused.value.code == "content_blocked"
    assert "email" in str(refused.value)
    assert EMAIL not in str(refused.value)


def test_findings_and_tables_never_show_a_value() -> None:
    screening = Screening.begin(b"s")
    TOKENIZING.text(f"{EMAIL} {CARD}", "x", screening)
    shown = repr(screening) + repr(screening.tally.findings())
    assert EMAIL not in shown
    assert CARD not in shown


def test_every_surface_of_a_call_is_checked() -> None:
    data = base64.b64encode(f"mail {EMAIL}".encode()).decode()
    request = call(
        user(f"a {EMAIL}"),
        Message(
            ASSISTANT, (ToolCall("1", "f", json.dumps({"to": EMAIL})), Thinking(f"hm {EMAIL}"))
        ),
        Message(TOOL, (ToolResult("1", (Text(json.dumps([EMAIL])), Text(f"b {EMAIL}"))),)),
        Message(
            USER,
            (
                Media("file", "text/plain", data=data),
                Media("file", text=f"c {EMAIL}", name=f"{EMAIL}.txt"),
                Media("image", url=f"https://host.test/?to={EMAIL}"),
                Foreign("openai", Raw(json.dumps({"x": [EMAIL]}).encode())),
            ),
        ),
        tools=(Tool("f", f"ask {EMAIL}", Raw(json.dumps({"default": EMAIL}).encode())),),
        user=EMAIL,
        metadata={"who": EMAIL},
        extra={"note": Raw(json.dumps(EMAIL).encode())},
    )
    screening = Screening.begin(b"s")
    changed = screen_request(REDACTING, request, screening)
    assert EMAIL not in said(changed)
    media = changed.messages[3].parts[0]
    assert isinstance(media, Media)
    assert base64.b64decode(media.data) == b"mail [EMAIL]"
    assert json.loads(bytes(changed.extra["note"])) == "[EMAIL]"
    assert sum(finding.count for finding in screening.tally.findings()) == 15


def test_what_a_provider_signed_goes_back_unchanged_or_without_its_signature() -> None:
    signed = Thinking("hm, let me see", signature="abc")
    said = Thinking(f"hm {EMAIL}", signature="abc", sealed="xyz")
    request = call(Message(ASSISTANT, (signed, said)))
    changed = screen_request(REDACTING, request, Screening.begin(b"s"))
    assert changed.messages[0].parts == (signed, Thinking("hm [EMAIL]", sealed="xyz"))


def test_reasoning_keeps_its_tokens_for_its_maker_signed_them() -> None:
    screening = Screening.begin(b"s")
    told = TOKENIZING.text(EMAIL, "x", screening)
    thought = Thinking(f"write to {told}", signature="abc")
    choice = Choice(0, (thought, Text(f"I write to {told}")))
    answer = ChatResponse("openai", "i", "m", (choice,))
    back = restore_response(screen_response(TOKENIZING, answer, screening), screening.vault)
    assert back.choices[0].parts == (thought, Text(f"I write to {EMAIL}"))


def test_media_that_nobody_reads_are_named_and_text_in_disguise_is_read() -> None:
    pdf = Media("file", "application/pdf", data=base64.b64encode(b"%PDF-1.7\xff").decode())
    plain = base64.b64encode(f"mail {EMAIL}".encode()).decode()
    media = (
        pdf,
        Media("file", "application/octet-stream", data=plain),
        Media("image", "image/png", data="iVBORw0KGgo="),
        Media("file", file_id="file-1"),
        Media("audio", url="https://host.test/a.mp3"),
        Media("file", "application/pdf", data=base64.b64encode(b"%PDF-1.4 abc").decode()),
    )
    seen: list[tuple[str, str]] = []
    request = call(Message(USER, media))
    changed = screen_request(
        REDACTING, request, Screening.begin(b"s"), lambda one, at: seen.append((one.kind, at))
    )
    place = "messages[0].parts"
    assert seen == [
        ("file", f"{place}[0]"),
        ("image", f"{place}[2]"),
        ("file", f"{place}[3]"),
        ("audio", f"{place}[4]"),
        ("file", f"{place}[5]"),
    ]
    read = changed.messages[0].parts[1]
    assert isinstance(read, Media)
    assert base64.b64decode(read.data) == b"mail [EMAIL]"


def test_only_words_of_an_answer_are_read_where_its_numbers_are_the_providers() -> None:
    blob = "4539148803436467" + "A" * 2000
    body = json.dumps(
        {"p": 0.4539148803436467, "n": 4539148803436467, "b64_json": blob,
         "q": f'say \\"{EMAIL}\\" \n', "t": True},
    )  # fmt: skip
    screening = Screening.begin(b"s")
    told = REDACTING.json_text(body, "x", screening, numbers=False)
    assert told == body.replace(EMAIL, "[EMAIL]")
    assert [(each.kind, each.count) for each in screening.tally.findings()] == [("email", 1)]
    assert REDACTING.json_text(body, "x", Screening.begin(b"s")) != told


def test_a_check_that_nobody_waits_for_ends_between_two_texts() -> None:
    class GivenUp(Exception):
        pass

    calls: list[int] = []

    def pause() -> None:
        calls.append(1)
        if len(calls) > 3:
            raise GivenUp

    screening = Screening.begin(b"s", pause)
    with pytest.raises(GivenUp):
        REDACTING.text("nothing to see here. " * 40_000, "x", screening)
    assert len(calls) == 4


def test_a_call_without_findings_is_unchanged() -> None:
    request = call(user("hello", "there"), extra={"top": Raw(b"1e400")})
    assert screen_request(REDACTING, request, Screening.begin(b"s")) == request


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("my card 4539 1488", "0343 6467 thanks"),
        ("ssn: 536-22-", "8741"),
        ("iban GB29NWBK6016", "1331926819 ok"),
        ("mail jane.d", "oe@example.org please"),
    ],
)
def test_a_value_over_two_messages_is_found_also_with_an_answer_between(
    one: str, other: str
) -> None:
    for messages in (
        (user(one), user(other)),
        (user(one, other),),
        (user(one), Message(ASSISTANT, (Text("Go on."),)), user(other)),
    ):
        changed = said(screen_request(REDACTING, call(*messages), Screening.begin(b"s")))
        assert "[" in changed.splitlines()[0]
        assert "[" in changed.splitlines()[-1]


def test_a_value_in_the_next_message_does_not_swallow_the_word_before_it() -> None:
    changed = screen_request(REDACTING, call(user("write to"), user(EMAIL)), Screening.begin(b"s"))
    assert said(changed) == "write to\n[EMAIL]"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"card": 4539148803436467}', '{"card": "[CARD]"}'),
        ('{"a":"\\"jane.doe@example.org\\""}', '{"a":"\\"[EMAIL]\\""}'),
        ('{"a":"jane.doe\\u0040example.org"}', '{"a":"[EMAIL]"}'),
        ('{"jane.doe@example.org": 1.50, "b": [ true]}', '{"[EMAIL]": 1.50, "b": [ true]}'),
    ],
)
def test_json_stays_as_it_was_but_for_the_values(before: str, after: str) -> None:
    assert REDACTING.json_text(before, "x", Screening.begin(b"s")) == after


LEAVES = st.one_of(
    st.text(max_size=20),
    st.integers(),
    st.sampled_from([EMAIL, CARD, int(CARD), f'a\\b "{EMAIL}" \n{CARD}', "GB29NWBK60161331926819"]),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=150)
@given(st.lists(VALUES, max_size=4), st.booleans())
def test_json_stays_json_and_tokens_bring_it_back(value: list[object], ascii_only: bool) -> None:
    before = json.dumps(value, ensure_ascii=ascii_only)
    screening = Screening.begin(b"s")
    redacted = REDACTING.json_text(before, "x", screening)
    assert EMAIL not in json.dumps(json.loads(redacted))
    tokenized = TOKENIZING.json_text(before, "x", screening)
    restored = json.loads(screening.vault.restore(tokenized, escaped=True))
    assert stringed(restored) == stringed(value)


def stringed(value: object) -> object:
    """Numbers that became strings compare as equal."""
    if isinstance(value, list):
        return [stringed(item) for item in value]
    if isinstance(value, dict):
        return {key: stringed(item) for key, item in value.items()}
    return str(value)


def test_tokens_come_back_exactly_in_answers_and_in_arguments() -> None:
    screening = Screening.begin(b"s")
    secret = 'p"q\\r-77Xyz!'
    request = call(user(f"mail {EMAIL}, password={secret} ok"))
    changed = screen_request(TOKENIZING, request, screening)
    sent = said(changed)
    assert EMAIL not in sent
    mail_token = screening.vault.token(kind.EMAIL, EMAIL)
    other = screening.vault.token(kind.SECRET, secret)
    assert mail_token in sent
    answer = ChatResponse(
        "openai",
        "i",
        "m",
        (
            Choice(
                0,
                (
                    Text(f"x{mail_token}y and EMAIL_AAAAAAAAAA"),
                    ToolCall("1", "f", json.dumps({"to": mail_token, "p": other})),
                ),
            ),
        ),
    )
    back = restore_response(answer, screening.vault)
    text, tool_call = back.choices[0].parts
    assert isinstance(text, Text)
    assert isinstance(tool_call, ToolCall)
    assert text.text == f"x{EMAIL}y and EMAIL_AAAAAAAAAA"
    assert json.loads(tool_call.arguments) == {"to": EMAIL, "p": secret}


def test_tokens_depend_on_the_secret_and_are_stable_under_it() -> None:
    one, same, other = (Screening.begin(secret).vault for secret in (b"s", b"s", b"t"))
    assert one.token("email", EMAIL) == same.token("email", EMAIL) != other.token("email", EMAIL)


def test_probabilities_of_tokens_do_not_spell_out_what_was_changed() -> None:
    choice = Choice(0, (Text(EMAIL),), logprobs=(TokenLogprob(EMAIL, -0.1),))
    response = ChatResponse("openai", "i", "m", (choice,))
    changed = screen_response(REDACTING, response, Screening.begin(b"s"))
    assert changed.choices == (Choice(0, (Text("[EMAIL]"),)),)


class Names:
    """A recognizer of one name, which fails on a word."""

    name = "names"
    kinds: tuple[str, ...] = (kind.PERSON,)

    def find(self, text: str) -> list[Span] | DetectorFailure:
        if "boom" in text:
            return DetectorFailure(self.name, "model unloaded")
        at = text.find("Jane")
        return [] if at < 0 else [Span(at, at + 4, kind.PERSON)]


def named(*, required: bool) -> Guard:
    recognizer: Recognizer = Names()
    return Guard(
        Plan({kind.PERSON: Action.REDACT}, recognizers=(recognizer,), required=required), b"k"
    )


def test_a_plugged_in_recognizer_adds_its_types() -> None:
    assert named(required=True).text("Hi Jane!", "x", Screening.begin(b"s")) == "Hi [PERSON]!"


def test_what_a_recognizer_finds_besides_is_not_what_a_policy_asked_for() -> None:
    class Places(Names):
        kinds: tuple[str, ...] = (kind.PERSON, kind.ADDRESS)

        def find(self, text: str) -> list[Span]:
            return [Span(0, 4, kind.ADDRESS), Span(9, 13, kind.PERSON)]

    screening = Screening.begin(b"s")
    guard = Guard(Plan({kind.PERSON: Action.REDACT}, recognizers=(Places(),)), b"k")
    assert guard.text("Rome has Jane", "x", screening) == "Rome has [PERSON]"
    assert screening.tally.findings() == (Finding(kind.PERSON, "redact", "x"),)


def test_a_detector_that_fails_blocks_where_the_policy_requires_it() -> None:
    with pytest.raises(Unavailable) as refused:
        named(required=True).text("boom", "x", Screening.begin(b"s"))
    assert refused.value.code == "guardrail_failed"
    screening = Screening.begin(b"s")
    assert named(required=False).text("boom", "x", screening) == "boom"
    assert screening.tally.findings() == (Finding(kind.FAILURE, "log", "x"),)


def test_a_text_over_the_limit_is_refused() -> None:
    with pytest.raises(PayloadTooLarge):
        guard(most_characters=10).text("x" * 11, "x", Screening.begin(b"s"))


def test_an_empty_tally_refuses_nothing() -> None:
    Tally().refuse_if_blocked()
    assert Tally().findings() == ()
