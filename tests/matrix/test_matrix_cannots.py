"""The list of cannots says only what the loss tables and the vendors' own code say."""

from __future__ import annotations

import inspect

import pytest
from cohere.types.document import Document
from cohere.types.tool_content import DocumentToolContent, TextToolContent
from matrix.cannots import BEHAVIORS, Cannot, load
from matrix.cells import cells
from matrix.maps import LOSSES, MODULES
from openai.resources.responses import Responses
from openai.types.chat import ChatCompletionToolMessageParam

from federation.dialects.losses import DROP, FEATURES, REFUSE

LISTED = load()
NAMES = [f"{entry.feature}-{entry.behavior}-{index}" for index, entry in enumerate(LISTED)]


@pytest.mark.parametrize("entry", LISTED, ids=NAMES)
def test_an_entry_is_of_a_known_kind_and_says_why(entry: Cannot) -> None:
    assert entry.behavior in BEHAVIORS
    assert entry.why.endswith(".")
    assert entry.source


@pytest.mark.parametrize("entry", LISTED, ids=NAMES)
def test_an_entry_holds_for_some_cell(entry: Cannot) -> None:
    assert any(entry.holds(cell) for cell in cells())


@pytest.mark.parametrize(
    "entry", [one for one in LISTED if one.behavior in ("dropped", "refused")], ids=str
)
def test_what_is_left_out_or_refused_stands_in_the_loss_tables(entry: Cannot) -> None:
    assert entry.feature in FEATURES
    action = DROP if entry.behavior == "dropped" else REFUSE
    for upstream in entry.upstreams:
        if entry.feature == "thinking_state" and entry.feature not in LOSSES[upstream]:
            continue  # states of others are taken off before a dialect sees the call
        assert LOSSES[upstream][entry.feature].action == action, upstream


def test_every_dialect_has_its_losses() -> None:
    assert set(LOSSES) == set(MODULES)
    assert all(set(table) <= set(FEATURES) for table in LOSSES.values())


def test_what_a_client_cannot_ask_is_not_in_its_official_code() -> None:
    assert not any("stop" in name for name in inspect.signature(Responses.create).parameters)
    assert "Iterable[ChatCompletionContentPartTextParam]" in str(
        ChatCompletionToolMessageParam.__annotations__["content"]
    )
    assert set(Document.model_fields) == {"data", "id"}
    assert set(TextToolContent.model_fields) == {"type", "text"}
    assert set(DocumentToolContent.model_fields) == {"type", "document"}
