"""What a target of another wire language cannot say, for operations other than chat.

The same rules as for chat: an encoder names what it leaves out, and the rule says whether
the call goes on with a warning or is refused before anything is spent.
"""

from __future__ import annotations

from typing import Final

from federation.dialects.losses import DROP, REFUSE, Losses, Rule, Table

FEATURES: Final[dict[str, str]] = {
    "dimensions": "a number of dimensions",
    "embedding_form": "this form of vectors",
    "embedding_purpose": "what the texts are embedded for",
    "embedding_title": "a document's title",
    "image_input": "pictures to embed",
    "image_url": "pictures by remote address",
    "mixed_input": "inputs of several parts",
    "token_input": "texts given as token numbers",
    "truncate": "how a text that is too long is cut",
    "max_tokens_per_doc": "a limit of tokens for each document",
    "document_objects": "documents with more than a text",
    "user": "the end user's id",
    "unknown_field": "fields that only the client's dialect knows",
}
"""The vocabulary: every name that an encoder may report."""

_WHY: Final[dict[str, tuple[str, str]]] = {
    "dimensions": (REFUSE, "Vectors of another length do not fit the caller's index."),
    "embedding_form": (REFUSE, "Quantized vectors cannot be made from others without loss."),
    "embedding_purpose": (DROP, "The model embeds every text alike, or knows fewer purposes."),
    "embedding_title": (DROP, "There is no such field."),
    "image_input": (REFUSE, "Leaving a picture out would give a vector of something else."),
    "image_url": (REFUSE, "Pictures must be inline; the gateway fetches nothing by itself."),
    "mixed_input": (REFUSE, "Leaving a part out would give a vector of something else."),
    "token_input": (REFUSE, "Token numbers mean nothing to another tokenizer."),
    "truncate": (DROP, "The provider decides by itself what it does with a long text."),
    "max_tokens_per_doc": (DROP, "There is no such field."),
    "document_objects": (REFUSE, "The ranking would not see the other members."),
    "user": (DROP, "There is no such field."),
    "unknown_field": (DROP, "There is no such field."),
}


def table(source: str, *features: str) -> Table:
    """The loss table of one dialect; `source` is the document that shows what it can say."""
    return {name: Rule(*_WHY[name], source) for name in features}


def begun(rules: Table) -> Losses:
    """What gathers the losses of one encoding."""
    return Losses(rules, FEATURES)
