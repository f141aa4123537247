"""Lists by the page, as each language's clients walk through them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from federation.dialects.anthropic import listing as anthropic
from federation.dialects.cohere import listing as cohere
from federation.dialects.gemini import listing as gemini
from federation.dialects.openai_responses.listing import read_page
from federation.errors import InvalidRequest

NAMES = ("a", "b", "c", "d", "e")
ODD_NUMBERS = ("", "x", "-1", "1.5", "²", "1²", "9" * 5000, "000000001" + "9" * 5000)


def page(**terms: str) -> dict[str, Any]:
    found = json.loads(anthropic.render_models([(name, None) for name in NAMES], terms))
    assert isinstance(found, dict)
    return found


def walked(step: str, place: str) -> list[str]:
    """The names that a client sees which goes on as long as there is more."""
    terms, seen = {"limit": "2"}, []
    if step == "before_id":
        terms[step] = NAMES[-1]
    while True:
        found = page(**terms)
        names = [row["id"] for row in found["data"]]
        seen += names if step == "after_id" else names[::-1]
        if not found["has_more"]:
            return seen
        terms[step] = found[place]


def test_a_list_is_walked_to_its_end() -> None:
    assert walked("after_id", "last_id") == list(NAMES)


def test_a_list_is_walked_back_to_its_beginning() -> None:
    assert walked("before_id", "first_id") == list(NAMES[-2::-1])


@pytest.mark.parametrize(
    ("terms", "names", "more"),
    [
        ({"before_id": "a"}, "", False),
        ({"before_id": "c"}, "ab", False),
        ({"before_id": "c", "limit": "1"}, "b", True),
        ({"after_id": "a", "before_id": "e", "limit": "2"}, "cd", True),
        ({"after_id": "b", "before_id": "e", "limit": "2"}, "cd", False),
        ({"after_id": "d", "before_id": "b"}, "", False),
        ({"after_id": "e"}, "", False),
        ({"after_id": "?", "limit": "5"}, "abcde", False),
    ],
)
def test_what_stands_on_a_page(terms: dict[str, str], names: str, more: bool) -> None:
    found = page(**terms)
    assert "".join(row["id"] for row in found["data"]) == names
    assert found["has_more"] is more


@pytest.mark.parametrize("text", ODD_NUMBERS)
@pytest.mark.parametrize(
    ("render", "name"),
    [
        (anthropic.render_models, "limit"),
        (gemini.render_models, "pageSize"),
        (gemini.render_models, "pageToken"),
        (cohere.render_models, "page_size"),
        (cohere.render_models, "page_token"),
        (lambda _, terms: read_page(f"limit={quote(terms['limit'])}"), "limit"),
    ],
)
def test_what_is_no_number_is_refused(
    render: Callable[[list[Any], dict[str, str]], object], name: str, text: str
) -> None:
    if not text and name != "limit":
        assert render([], {name: text})
        return
    with pytest.raises(InvalidRequest) as refused:
        render([], {name: text})
    assert refused.value.param == name
