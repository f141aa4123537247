"""Eighty real prompts of mixed kinds from the router data: sixty alone, twenty in conversations.

The texts stay in the data folder: what is kept of them is the source and the row number.
The choice is drawn with a fixed seed, so every run asks the same.
"""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import dataclass
from pathlib import Path
from random import Random

_HERE = Path(__file__).resolve().parent
_QUOTAS = (
    ("intent_arena_hard_v2_half.jsonl.gz", "prompt", 20),
    ("arena_hard_v0.1_prompts_clusters.jsonl.gz", "prompt", 14),
    ("intent_train_public.jsonl.gz", "prompt", 12),
    ("zeroeval_crux_mathl5_half.jsonl.gz", "prompt", 5),
    ("llmrouter_fusion9_train.jsonl.gz", "prompt", 5),
    ("clinc150_train_val.jsonl.gz", "text", 4),
)
_CHAINED = ("arena_hard_v0.1_prompts_clusters.jsonl.gz", "intent_arena_hard_v2_half.jsonl.gz")
_CONVERSATIONS = 5
_TURNS = 4
_LONGEST = 12_000
_CHAINED_LONGEST = 2_000


@dataclass(frozen=True)
class Prompt:
    """One prompt and where it stands."""

    source: str
    row: int
    text: str


def data_folder() -> Path:
    """FEDERATION_DATA, or the shared folder beside the repository."""
    named = os.environ.get("FEDERATION_DATA")
    folder = Path(named) if named else _HERE.parent.parent / "shared" / "data"
    if not (folder / "router").is_dir():
        raise SystemExit(f"there is no router data in {folder}: set FEDERATION_DATA to its folder")
    return folder / "router"


def _rows(folder: Path, name: str, field: str, longest: int) -> list[Prompt]:
    source = name.partition(".jsonl")[0]
    found = []
    with gzip.open(folder / name, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            text = json.loads(line)[field]
            if 0 < len(text) <= longest:
                found.append(Prompt(source, number, text))
    return found


def choose(seed: int = 20) -> list[list[Prompt]]:
    """Conversations, most of them of one turn: sixty single prompts and five of four turns."""
    folder = data_folder()
    random = Random(seed)
    single: list[Prompt] = []
    for name, field, count in _QUOTAS:
        single += random.sample(_rows(folder, name, field, _LONGEST), count)
    taken = {(prompt.source, prompt.row) for prompt in single}
    chained = [
        prompt
        for name in _CHAINED
        for prompt in _rows(folder, name, "prompt", _CHAINED_LONGEST)
        if (prompt.source, prompt.row) not in taken
    ]
    turns = random.sample(chained, _CONVERSATIONS * _TURNS)
    talks = [turns[start : start + _TURNS] for start in range(0, len(turns), _TURNS)]
    return [[prompt] for prompt in single] + talks
