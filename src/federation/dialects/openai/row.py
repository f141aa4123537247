"""What a row asks of a translated call: the quirks that change content, not just members.

A call that is forwarded as bytes keeps its content, so `asks_for_translation` says, from
counts and a few searches in the body, whether the row would refuse these bytes or read them
in another way. A search may also find its word in what somebody wrote; then a call is
translated that did not need to be, which costs time and changes nothing.

    system_role          developer: system text under that role; first_only: one, in front
    messages_alternate   user and assistant turns must take turns
    string_content       content is a string
    empty_assistant      reject: no assistant message without text and calls
    name_field           tool_only: names on tool messages alone
    image_urls           false: pictures are sent inline only
    tool_choice          [word, ...]: the only ones accepted
    tool_types           [kind, ...]: the only ones accepted
    tool_schema_strip    [key, ...]: taken out of tool definitions
    tool_schema_rename   {key: key} in a tool's definition
    tool_result_string   true
    tool_results         one_per_assistant_turn
    tool_call_id         alnum9
    tool_call_ids        false: calls carry no id
    tool_arguments       object
    json_mode            false: a schema of any object stands for it
    json_schema_excludes [stream | tools, ...]
    temperature_max      number
    prefill              prefix | continue: what marks the beginning of an answer
    single_choice        true
    cache_breakpoints    number: marks of what may be cached are taken
    unknown_fields       reject: nothing beside the vendor's fields
    extra_fields         member that carries such fields
    reasoning_*, effort_*, thinking_always_on: see `reasoning`
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from federation.dialects.openai.words import REASONING_WORDS
from federation.dialects.quirks import Quirks, listed, named, number, words
from federation.domain.catalogue import Ability, Model
from federation.schema.glance import Glance

_NUMBER: Final = msgspec.json.Decoder(float)
_LISTED_TEXT: Final = re.compile(rb'"content"\s*:\s*\[')
_NO_TEXT: Final = re.compile(rb'"content"\s*:\s*(?:""|null|\[\s*\])')
_SETTING: Final = re.compile(rb'"role"\s*:\s*"(?:system|developer)"')


class Row(msgspec.Struct, frozen=True):
    """The quirks of one deployment that a translated call obeys."""

    developer: bool = False
    system_first: bool = False
    alternate: bool = False
    string_content: bool = False
    empty_assistant: bool = True
    """An assistant message may be empty."""
    names: bool = True
    """Every message may carry a name."""
    image_urls: bool = True
    video: bool = False
    """The model takes films."""
    tool_choices: frozenset[str] | None = None
    tool_types: frozenset[str] | None = None
    schema_strip: frozenset[str] = frozenset()
    schema_rename: dict[str, str] = {}
    result_string: bool = False
    results_apart: bool = False
    short_ids: bool = False
    call_ids: bool = True
    object_arguments: bool = False
    json_mode: bool = True
    schema_excludes: frozenset[str] = frozenset()
    temperature_max: float | None = None
    single_choice: bool = False
    prefill: str = ""
    cache_marks: int = 0
    strangers: bool = True
    """Fields that the vendor does not know may be sent."""
    extra_field: str = ""
    reasoning_field: str = ""
    control: str = ""
    replay: str = ""
    always_on: bool = False
    effort_none: bool = True
    none_value: str | None = ""
    """What stands for effort none, empty for the word itself, None for null."""
    levels: tuple[str, ...] = ()
    effort_rename: dict[str, str] = {}
    effort_upper: bool = False

    @property
    def arranges(self) -> bool:
        """Messages are moved, joined or parted."""
        return self.system_first or self.alternate or self.results_apart


def read_row(quirks: Quirks, model: Model) -> Row:
    """The row of a deployment, from its provider's and its model's quirks."""
    get = quirks.get
    none_value = get("effort_none_value", "")
    return Row(
        developer=get("system_role") == "developer",
        system_first=get("system_role") == "first_only",
        alternate=get("messages_alternate") is True,
        string_content=get("string_content") is True,
        empty_assistant=get("empty_assistant") != "reject",
        names=get("name_field") != "tool_only",
        image_urls=get("image_urls") is not False,
        video="video" in model.input_modalities,
        tool_choices=named(quirks, "tool_choice"),
        tool_types=named(quirks, "tool_types"),
        schema_strip=named(quirks, "tool_schema_strip") or frozenset(),
        schema_rename=words(quirks, "tool_schema_rename"),
        result_string=get("tool_result_string") is True,
        results_apart=get("tool_results") == "one_per_assistant_turn",
        short_ids=get("tool_call_id") == "alnum9",
        call_ids=get("tool_call_ids") is not False,
        object_arguments=get("tool_arguments") == "object",
        json_mode=get("json_mode") is not False,
        schema_excludes=named(quirks, "json_schema_excludes") or frozenset(),
        temperature_max=number(quirks, "temperature_max"),
        single_choice=get("single_choice") is True,
        prefill=_word(get("prefill")),
        cache_marks=_count(get("cache_breakpoints")),
        strangers=get("unknown_fields") != "reject",
        extra_field=_word(get("extra_fields")),
        reasoning_field=_word(get("reasoning_field")),
        control=_word(get("reasoning_control")) or _assumed_control(quirks, model),
        replay=_word(get("reasoning_replay")),
        always_on=get("thinking_always_on") is True,
        effort_none=get("effort_none") is not False,
        none_value=none_value if none_value is None else str(none_value),
        levels=tuple(listed(quirks, "effort_levels")),
        effort_rename=words(quirks, "effort_rename"),
        effort_upper=get("effort_case") == "upper",
    )


def asks_for_translation(row: Row, glance: Glance, body: bytes) -> bool:
    """Whether a body in this language must be read and written anew for this row.

    Only called for a row that asks for anything at all; see `is_plain`.
    """
    return (
        _answers_otherwise(row, glance)
        or _changes_messages(row, glance, body)
        or (glance.tools > 0 and _changes_tools(row, glance, body))
        or _changes_fields(row, glance, body)
    )


def is_plain(row: Row) -> bool:
    """Whether nothing in a row can ask for a change of content."""
    changing = Row(
        developer=row.developer,
        video=row.video,
        single_choice=row.single_choice,
        cache_marks=row.cache_marks,
        strangers=row.strangers,
        extra_field=row.extra_field,
        control=row.control,
    )
    return row == changing and row.control in ("", "effort")


def _answers_otherwise(row: Row, glance: Glance) -> bool:
    """Whether the answer's reasoning stands within the content, where no client looks for it."""
    if row.reasoning_field == "content_parts":
        return row.always_on or "reasoning" in glance.needs
    return row.reasoning_field == "think_tags"


def _changes_messages(row: Row, glance: Glance, body: bytes) -> bool:
    if glance.images and (row.string_content or not row.image_urls):
        return True
    if row.alternate and glance.messages > 1:
        return True
    if (row.string_content or row.result_string) and _LISTED_TEXT.search(body):
        return True
    if row.system_first and glance.messages > 1 and len(_SETTING.findall(body)) > 1:
        return True
    if not row.empty_assistant and _NO_TEXT.search(body):
        return True
    if not row.names and b'"name"' in body:
        return True
    if _changes_calls(row) and b'"tool_call' in body:
        return True
    return _moves_reasoning(row, body)


def _changes_calls(row: Row) -> bool:
    return row.results_apart or row.short_ids or row.object_arguments or not row.call_ids


def _moves_reasoning(row: Row, body: bytes) -> bool:
    """Whether earlier reasoning stands where the host does not look for it, or is missing."""
    if row.reasoning_field:
        if b'"reasoning_content"' in body and row.reasoning_field != "reasoning_content":
            return True
        if b'"reasoning_details"' in body:
            return True
    turns = {"always": b'"assistant"', "tool_turns": b'"tool_calls"'}.get(row.replay)
    return turns is not None and body.count(turns) > body.count(b'"reasoning_content"')


def _changes_tools(row: Row, glance: Glance, body: bytes) -> bool:
    if row.schema_strip or row.schema_rename:
        return True
    if row.tool_types is not None and b'"custom"' in body and "custom" not in row.tool_types:
        return True
    choice = glance.spans.get("tool_choice")
    if row.tool_choices is None or choice is None:
        return False
    return body[choice.value + 1 : choice.end - 1].decode("latin-1") not in row.tool_choices


def _changes_fields(row: Row, glance: Glance, body: bytes) -> bool:
    spans = glance.spans
    if row.temperature_max is not None and (span := spans.get("temperature")) is not None:
        data = body[span.value : span.end]
        if data != b"null" and _NUMBER.decode(data) > row.temperature_max:
            return True
    if not row.json_mode and "response_format" in spans and b'"json_object"' in body:
        return True
    if row.schema_excludes and "json_schema" in glance.needs:
        return True
    effort = spans.get("reasoning_effort")
    if effort is not None and _steers(row, body[effort.value + 1 : effort.end - 1].decode()):
        return True
    steered = row.control not in ("", "effort") and not REASONING_WORDS.isdisjoint(spans)
    return steered and _FIELDS.get(row.control, row.control) not in spans


_FIELDS: Final = {"reasoning_object": "reasoning", "adaptive": "thinking", "budget": "thinking"}
"""The field by which a control works, where it is not of the same name."""


def _steers(row: Row, effort: str) -> bool:
    """Whether the word of a `reasoning_effort` cannot go on as it is."""
    if row.control not in ("", "effort") or row.effort_upper or effort in row.effort_rename:
        return True
    if effort == "none" and (row.always_on or not row.effort_none or row.none_value != ""):
        return True
    return bool(row.levels) and effort not in row.levels


def _assumed_control(quirks: Quirks, model: Model) -> str:
    """A row that speaks of efforts takes the vendor's field; so does a model that reasons."""
    named = any(name.startswith("effort_") for name in quirks)
    return "effort" if named or Ability.REASONING in model.abilities else ""


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
