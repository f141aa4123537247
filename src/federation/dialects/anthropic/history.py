"""Takes out of forwarded messages what our own face handed out and the vendor refuses.

Reasoning of another provider is shown to a client of this language as a thinking block, whose
signature is empty, and a call of another provider may have an id of any letters. Both come
back with the conversation when the vendor takes over, and each would be a 400. Bodies without
such members are not looked into: most conversations hold signatures, and none to repair.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.anthropic.ids import Ids
from federation.dialects.tokenizer import Members

_MESSAGES: Final = msgspec.json.Decoder(list[dict[str, Raw]])
_BLOCKS: Final = msgspec.json.Decoder(list[dict[str, Raw]])
_STRING: Final = msgspec.json.Decoder(str)
_UNSIGNED: Final = re.compile(rb'"signature"\s*:\s*(?:""|null)')
_CALLED: Final = b'"tool_use'
_ODD_ID: Final = re.compile(rb'"(?:tool_use_)?id"\s*:\s*"(?![A-Za-z0-9_-]+")')
_THINKING: Final = Raw(b'"thinking"')
_STATELESS: Final = (Raw(b'"tool_use"'), Raw(b'"text"'))
_NAMED: Final = {b'"tool_use"': "id", b'"tool_result"': "tool_use_id"}
_EMPTY: Final = (Raw(b'""'), Raw(b"null"))


def mend(messages: bytes) -> bytes | None:
    """The messages without what the vendor refuses; None where nothing is to be done. They are
    ones that were glanced at."""
    ids = Ids() if _CALLED in messages and _ODD_ID.search(messages) else None
    if ids is None and not _UNSIGNED.search(messages):
        return None
    changed = False
    kept: list[Members] = []
    for message in _MESSAGES.decode(messages):
        content = message.get("content", _EMPTY[1])
        if bytes(memoryview(content)[:1]) != b"[":
            kept.append(message)
            continue
        blocks = _BLOCKS.decode(content)
        left = [mended for block in blocks if (mended := _mend_block(block, ids)) is not None]
        if left == blocks:
            kept.append(message)
            continue
        changed = True
        if left:
            message["content"] = Raw(msgspec.json.encode(left))
            kept.append(message)
    return msgspec.json.encode(kept) if changed else None


def _mend_block(block: Members, ids: Ids | None) -> Members | None:
    kind = block.get("type", _EMPTY[1])
    name = _NAMED.get(bytes(kind)) if ids is not None else None
    if ids is not None and name is not None and bytes(memoryview(block.get(name, b""))[:1]) == b'"':
        given = _STRING.decode(block[name])
        block = {**block, name: Raw(msgspec.json.encode(ids.of(given)))}
    if kind == _THINKING and block.get("signature", _EMPTY[0]) in _EMPTY:
        return None
    if kind in _STATELESS and "signature" in block:
        return {name: raw for name, raw in block.items() if name != "signature"}
    return block
