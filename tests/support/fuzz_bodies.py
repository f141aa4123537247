"""JSON that clients and providers could send by mistake or on purpose: real bodies with values of
the wrong kind, members twice, numbers without end, half characters.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, Final, TypeAlias

from hypothesis import strategies as st
from json_mutations import ODD, places

Document: TypeAlias = dict[str, Any]

_GOLDEN: Final = Path(__file__).parents[1] / "golden"
_RAW: Final = "@@raw{}@@"
_RAWS: Final = (
    b"1e999",
    b"-1e-999",
    b"123456789012345678901234567890",
    b"-0",
    b"0.1e1",
    b'"\\ud800"',
    b'"\\udc00\\ud800x"',
    b'"\\u0000"',
    b'"data:image/png;base64,@@@"',
    b'"data:;base64"',
    b'"https://"',
    b'"-----BEGIN"',
    b"[" * 600 + b"]" * 600,
    b'{"a":' * 600 + b"1" + b"}" * 600,
    b'"' + b"x" * 3000 + b'"',
    b"NaN",
    b"tru",
    b'"\xff"',
    b"",
)
_WORDS: Final = st.sampled_from(
    (
        *("text", "image", "tool_use", "tool_result", "thinking", "function", "image_url"),
        *("auto", "none", "any", "user", "assistant", "system", "developer", "tool"),
        *("base64", "input_text", "output_text", "json_schema", "enabled", "url", ""),
    )
)
_VALUES: Final = st.one_of(
    ODD, ODD, _WORDS, _WORDS, st.sampled_from(range(len(_RAWS))).map(_RAW.format)
)


def golden_bodies(dialect: str, kind: str, *keys: str) -> list[Any]:
    """What the golden files of a dialect hold under the first of these keys."""
    found = []
    for path in sorted((_GOLDEN / dialect).glob(f"{kind}_*.json")):
        case = json.loads(path.read_text("utf-8"))
        found += [case[key] for key in keys if key in case][:1]
    return found


@st.composite
def broken(draw: st.DrawFn, documents: list[Document], most: int = 2) -> bytes:
    """One of the documents after a few accidents, as JSON or nearly so."""
    document = copy.deepcopy(draw(st.sampled_from(documents)))
    twice: list[tuple[str, bytes]] = []
    for _ in range(draw(st.integers(1, most))):
        known = places(document)
        if not known:
            break
        path = draw(st.sampled_from(known))
        holder = document
        for step in path[:-1]:
            holder = holder[step]
        _accident(draw, document, holder, path[-1], twice)
    text = json.dumps(document, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    for number, raw in enumerate(_RAWS):
        text = text.replace(b'"%b"' % _RAW.format(number).encode(), raw)
    for marker, name in twice:
        text = text.replace(marker.encode(), name)
    return text


def _accident(
    draw: st.DrawFn, document: Any, holder: Any, last: Any, twice: list[tuple[str, bytes]]
) -> None:
    kind = draw(st.integers(0, 9))
    if kind <= 3:
        holder[last] = draw(_VALUES)
    elif kind == 4:
        del holder[last]
    elif kind == 5:
        other = draw(st.sampled_from(places(document)))
        value = document
        for step in other:
            value = value[step]
        holder[last] = copy.deepcopy(value)
    elif kind == 6:
        holder[last] = [holder[last]]
    elif kind == 7:
        holder[last] = {draw(_WORDS): holder[last]}
    elif isinstance(holder, list):
        holder.insert(last, copy.deepcopy(holder[last]))
    elif kind == 8:
        name = draw(st.sampled_from((str(last), "x_unknown", "")))
        escaped = "".join(f"\\u{ord(char):04x}" for char in name if ord(char) < 0x10000)
        marker = f"@@twice{len(twice)}@@"
        twice.append((marker, draw(st.sampled_from((name, escaped))).encode("utf-8", "replace")))
        holder[marker] = draw(_VALUES)
    else:
        holder[draw(_WORDS)] = holder.pop(last)
