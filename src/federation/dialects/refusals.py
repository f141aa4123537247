"""What a refusal is about, where the status alone does not tell: a prompt over the context, or
a state of reasoning that is another provider's.

Hosts of one language say it in many words, and some with codes of their own, so the words
are looked for and not the host. The trap: "too long" is also said of names, files and single
strings; only the prompt as a whole counts.
"""

from __future__ import annotations

import re
from typing import Final

from federation.errors import UpstreamError, UpstreamRejected, UpstreamTooLong

_CODES: Final = frozenset(
    ("context_length_exceeded", "model_context_window_exceeded", "context_window_exceeded")
)
_WORDS: Final = re.compile(
    r"maximum context length"
    r"|max(?:imum)?[ _](?:model|prompt|input)[ _]len(?:gth)?"
    r"|context (?:length|window|size)[^.]{0,60}(?:exceed|too (?:long|large|small)|limit)"
    r"|exceed[^.]{0,60}context (?:length|window|size)"
    r"|prompt (?:is|was) too long"
    r"|input is too long for (?:the )?requested model"
    r"|input (?:token count|length)[^.]{0,60}exceed"
    r"|too many (?:input )?tokens"
    r"|reduce the length of the messages",
    re.IGNORECASE,
)
_STATE: Final = r"(?:signature|encrypted[ _]content|redacted_?(?:content|thinking))"
_BAD: Final = (
    r"(?:invalid|corrupt|not valid|mismatch|could not|cannot|can't|unable to|failed to|decrypt)"
)
_STATES: Final = re.compile(
    rf"{_BAD}.{{0,80}}{_STATE}|{_STATE}.{{0,80}}{_BAD}|item with id .{{0,4}}rs_.{{0,120}}not found",
    re.IGNORECASE | re.DOTALL,
)
_LONGEST: Final = 4096


def classified(error: UpstreamError) -> UpstreamError:
    """The error itself, or `UpstreamTooLong` in its place."""
    if not isinstance(error, UpstreamRejected) or isinstance(error, UpstreamTooLong):
        return error
    said = error.body[:_LONGEST].decode("utf-8", "replace")
    coded = error.code in _CODES or any(code in said for code in _CODES)
    if not coded and not _WORDS.search(error.message) and not _WORDS.search(said):
        return error
    return UpstreamTooLong(
        error.message,
        param=error.param,
        status=error.status,
        upstream_status=error.upstream_status,
        body=error.body,
        content_type=error.content_type,
    )


def refuses_state(error: UpstreamRejected) -> bool:
    """Whether a provider says that it cannot open or verify a state in the conversation."""
    if _STATES.search(error.message[:_LONGEST]):
        return True
    return _STATES.search(error.body[:_LONGEST].decode("utf-8", "replace")) is not None
