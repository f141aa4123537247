"""Labelled prompts for training and measuring: public data, capped, and our own seeds.

The data is not part of this repository. `kind` is finer than an intent: the classifier
maps kinds to intents (`federation.routing.classifier.KINDS`).
"""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from bench.intent_labels import MEASURED, TRAINED, by_line
from bench.intent_rules import code_kind
from bench.intent_seeds import prompts

_CREATIVE = re.compile(
    r"\b(poem|story|song|lyrics|haiku|limerick|dialogue|rap|joke|riddle|novel|play|riff|verse)\b",
    re.IGNORECASE,
)
_PUBLIC = {
    "math": "math",
    "reasoning": "reasoning",
    "knowledge": "question_answering",
    "classification": "classification",
    "chat": "chat",
    "extraction": "extraction",
    "summarization": "summarization",
    "translation": "translation",
}
_FUSION = {
    "natural_qa": "question_answering",
    "trivia_qa": "question_answering",
    "commonsense_qa": "question_answering",
    "math": "math",
    "mbpp": "code_implementation",
    "human_eval": "code_implementation",
    "agentverse-logicgrid": "reasoning",
    "commongen": "creative_writing",
}
_CAPS = {"gsm8k_train": 300, "mmlu": 300, "clinc_smalltalk": 120, "crux": 40, "ifeval": 250}
_FUSION_CAP = 100


@dataclass(frozen=True)
class Example:
    """A prompt with its kind, where it comes from, and how much it counts."""

    text: str
    kind: str
    source: str
    weight: float = 1.0


def rows(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    """The rows of one file."""
    with gzip.open(folder / f"{name}.jsonl.gz", "rt") as lines:
        for line in lines:
            yield json.loads(line)


def examples(folder: Path, rng: Random) -> list[Example]:
    """Everything to train on but `real`, in random order."""
    found = [*_public(folder, rng), *_fusion(folder, rng), *_pro(folder, rng), *_clinc(folder, rng)]
    found += [Example(text, kind, "seeds") for kind, text in prompts(rng)]
    found += labelled(folder, measured=False)
    rng.shuffle(found)
    return found


def real(folder: Path) -> list[Example]:
    """Prompts of real users, labelled by a model: code, math, creative."""
    kinds = {"math": "math", "creative": "creative_writing"}
    return [
        Example(
            row["prompt"],
            kinds.get(row["label"]) or code_kind(row["prompt"][:1600]),
            "arena_hard_v2",
        )
        for row in rows(folder, "intent_arena_hard_v2_half")
    ]


def labelled(folder: Path, *, measured: bool) -> list[Example]:
    """Prompts of real users, labelled by hand; `measured` ones must not be trained on."""
    texts = [row["prompt"] for row in rows(folder, "arena_hard_v0.1_prompts_clusters")]
    table = by_line(MEASURED if measured else TRAINED)
    return [Example(texts[line], kind, "arena_hard_v01", 3.0) for line, kind in table.items()]


def _capped(found: Iterable[Example], caps: dict[str, int], other: int) -> list[Example]:
    seen: Counter[str] = Counter()
    kept = []
    for example in found:
        seen[example.source] += 1
        if seen[example.source] <= caps.get(example.source, other):
            kept.append(example)
    return kept


def _public(folder: Path, rng: Random) -> list[Example]:
    found = []
    for row in rows(folder, "intent_train_public"):
        source, label, text = row["source"], row["label"], row["prompt"]
        if source == "bbh_dyck_languages":
            continue
        kind = _PUBLIC.get(label)
        if label == "creative":
            kind = "creative_writing" if _CREATIVE.search(text) else "technical_writing"
        elif label == "code":
            kind = "code_review" if source == "crux" else code_kind(text)
            kind = "code_implementation" if source == "humaneval" else kind
        assert kind is not None, label
        found.append(Example(text, kind, source))
    rng.shuffle(found)
    return _capped(found, _CAPS, 40)


def _fusion(folder: Path, rng: Random) -> list[Example]:
    found = [
        Example(row["prompt"], _FUSION[row["task"]], f"fusion_{row['task']}")
        for row in rows(folder, "llmrouter_fusion9_train")
        if row["task"] in _FUSION
    ]
    rng.shuffle(found)
    return _capped(found, {}, _FUSION_CAP)


def _pro(folder: Path, rng: Random) -> list[Example]:
    found = [
        Example(row["prompt"], "math", "mmlu_pro")
        for row in rows(folder, "mmlu_pro_nonmmlu")
        if row["cat"] in {"math", "physics", "engineering", "chemistry"}
    ]
    rng.shuffle(found)
    return found[:200]


def _clinc(folder: Path, rng: Random) -> list[Example]:
    kinds = {"translate": "translation", "definition": "question_answering"}
    kinds |= dict.fromkeys(("oos", "fun_fact", "nutrition_info"), "question_answering")
    kinds |= dict.fromkeys(("travel_suggestion", "meal_suggestion"), "decision_support")
    found = [
        Example(row["text"], kinds[row["label"]], f"clinc_{row['label']}")
        for row in rows(folder, "clinc150_train_val")
        if row["label"] in kinds
    ]
    rng.shuffle(found)
    return _capped(found, {"clinc_translate": 90}, 40)
