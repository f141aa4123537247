"""A row without remote pictures has its forwarded bodies read."""

from __future__ import annotations

import json

from native_dialects import client_request, make_upstream

from federation.dialects.anthropic.client import CLIENT
from federation.dialects.anthropic.upstream import prepare


def test_a_picture_is_looked_at_only_where_the_row_takes_no_remote_ones() -> None:
    picture = {"type": "image", "source": {"type": "url", "url": "https://a.test/b.png"}}
    body = {
        "model": "m",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": [picture]}],
    }
    request = client_request(body, "/v1/messages")
    seen = CLIENT.glance(request)
    raw = json.dumps(body).encode()
    plain = make_upstream(prepare, "anthropic")
    inline = make_upstream(prepare, "anthropic", quirks={"image_urls": False})
    assert not plain.needs_translation(seen, raw)
    assert inline.needs_translation(seen, raw)
