"""One call, one answer and one stream that say everything the Messages language can say."""

from __future__ import annotations

import json
from typing import Any

FULL: dict[str, Any] = {
    "model": "claude",
    "max_tokens": 2048,
    "system": [
        {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    ],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="},
                    "transformations": {"oversized_image": "error"},
                },
                {"type": "image", "source": {"type": "url", "url": "https://acme.test/a.png"}},
                {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
                {
                    "type": "document",
                    "title": "A",
                    "context": "from the archive",
                    "citations": {"enabled": True},
                    "source": {
                        "type": "base64",
                        "media_type": "application/pdf",
                        "data": "JVBERi0=",
                    },
                },
                {"type": "document", "source": {"type": "url", "url": "https://acme.test/b.pdf"}},
                {
                    "type": "document",
                    "source": {"type": "text", "media_type": "text/plain", "data": "Words."},
                },
                {
                    "type": "document",
                    "source": {"type": "content", "content": [{"type": "text", "text": "One"}]},
                },
                {
                    "type": "search_result",
                    "source": "https://acme.test/c",
                    "title": "C",
                    "content": [{"type": "text", "text": "Found."}],
                    "citations": {"enabled": True},
                },
                {"type": "container_upload", "file_id": "file_2"},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Let me see.", "signature": "sig-1"},
                {"type": "redacted_thinking", "data": "sealed-1"},
                {
                    "type": "text",
                    "text": "It says so.",
                    "citations": [
                        {
                            "type": "char_location",
                            "cited_text": "Words.",
                            "document_index": 2,
                            "document_title": None,
                            "start_char_index": 0,
                            "end_char_index": 6,
                        }
                    ],
                },
                {
                    "type": "server_tool_use",
                    "id": "srvtoolu_1",
                    "name": "web_search",
                    "input": {"query": "x"},
                },
                {
                    "type": "web_search_tool_result",
                    "tool_use_id": "srvtoolu_1",
                    "content": [
                        {
                            "type": "web_search_result",
                            "url": "https://acme.test",
                            "title": "T",
                            "encrypted_content": "E",
                        }
                    ],
                },
                {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"deep": [1, 2.50]}},
                {
                    "type": "tool_use",
                    "id": "toolu_2",
                    "name": "look",
                    "input": {},
                    "caller": {"type": "direct"},
                },
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "seen"},
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_2",
                    "is_error": True,
                    "content": [
                        {"type": "text", "text": "no"},
                        {
                            "type": "image",
                            "source": {
                                "type": "base64",
                                "media_type": "image/gif",
                                "data": "R0lGOD",
                            },
                        },
                    ],
                    "cache_control": {"type": "ephemeral"},
                },
                {"type": "text", "text": "Go on."},
            ],
        },
        {"role": "system", "content": "From now on in French."},
        {"role": "assistant", "content": "Oui"},
        {"role": "user", "content": "And?"},
    ],
    "tools": [
        {
            "name": "look",
            "description": "Looks.",
            "input_schema": {"type": "object", "properties": {"deep": {"type": "array"}}},
            "strict": True,
            "defer_loading": False,
            "cache_control": {"type": "ephemeral"},
        },
        {"type": "bash_20250124", "name": "bash"},
        {"type": "web_search_20260318", "name": "web_search", "max_uses": 2},
    ],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "thinking": {"type": "adaptive", "display": "summarized"},
    "output_config": {
        "effort": "high",
        "format": {"type": "json_schema", "schema": {"type": "object"}},
    },
    "stop_sequences": ["END"],
    "metadata": {"user_id": "u-1"},
    "service_tier": "standard_only",
    "inference_geo": "us",
    "speed": "standard",
    "container": "box-1",
}


ANSWER: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x-1",
    "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
        {"type": "redacted_thinking", "data": "sealed"},
        {
            "type": "text",
            "text": "So it is.",
            "citations": [
                {
                    "type": "web_search_result_location",
                    "cited_text": "It is.",
                    "encrypted_index": "E1",
                    "title": "T",
                    "url": "https://acme.test",
                }
            ],
        },
        {
            "type": "server_tool_use",
            "id": "srvtoolu_1",
            "name": "web_search",
            "input": {"query": "x"},
        },
        {
            "type": "web_search_tool_result",
            "tool_use_id": "srvtoolu_1",
            "content": {"type": "web_search_tool_result_error", "error_code": "unavailable"},
        },
        {
            "type": "tool_use",
            "id": "toolu_1",
            "name": "look",
            "input": {"a": [1, 2.0]},
            "caller": {"type": "direct"},
        },
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "container": {"id": "box", "expires_at": "2026-11-20T00:00:00Z"},
    "usage": {
        "input_tokens": 10,
        "cache_creation_input_tokens": 30,
        "cache_read_input_tokens": 200,
        "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
        "output_tokens": 40,
        "output_tokens_details": {"thinking_tokens": 12},
        "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0},
        "service_tier": "standard",
    },
}


def event(kind: str, eol: str = "\n", **members: Any) -> bytes:
    text = json.dumps({"type": kind, **members}, ensure_ascii=False)
    return f"event: {kind}{eol}data: {text}{eol}{eol}".encode()


def start(**usage: Any) -> bytes:
    return event(
        "message_start",
        message={
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-x-1",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 10, "output_tokens": 1, "service_tier": "standard", **usage},
        },
    )


def opens(index: int, **block: Any) -> bytes:
    return event("content_block_start", index=index, content_block=block)


def adds(index: int, **delta: Any) -> bytes:
    return event("content_block_delta", index=index, delta=delta)


def ends(index: int) -> bytes:
    return event("content_block_stop", index=index)


def finish(reason: str = "end_turn", usage: dict[str, Any] | None = None, **delta: Any) -> bytes:
    return event(
        "message_delta",
        delta={"stop_reason": reason, "stop_sequence": None, **delta},
        usage=usage or {"output_tokens": 40},
    )


STOP = event("message_stop")
PING = event("ping")
CITED = {
    "type": "char_location",
    "cited_text": "w",
    "document_index": 0,
    "document_title": "T",
    "start_char_index": 0,
    "end_char_index": 1,
}

STREAM: list[bytes] = [
    start(cache_read_input_tokens=200, cache_creation_input_tokens=30),
    opens(0, type="thinking", thinking="", signature=""),
    PING,
    adds(0, type="thinking_delta", thinking="Let me "),
    adds(0, type="thinking_delta", thinking="sëe 👀."),
    adds(0, type="signature_delta", signature="sig"),
    ends(0),
    opens(1, type="redacted_thinking", data="sealed"),
    ends(1),
    opens(2, type="text", text=""),
    adds(2, type="text_delta", text="It "),
    adds(2, type="text_delta", text="is."),
    adds(2, type="citations_delta", citation=CITED),
    ends(2),
    opens(3, type="server_tool_use", id="srvtoolu_1", name="web_search", input={}),
    adds(3, type="input_json_delta", partial_json='{"query":'),
    adds(3, type="input_json_delta", partial_json='"x"}'),
    ends(3),
    opens(4, type="web_search_tool_result", tool_use_id="srvtoolu_1", content=[]),
    ends(4),
    opens(5, type="tool_use", id="toolu_1", name="look", input={}),
    adds(5, type="input_json_delta", partial_json=""),
    adds(5, type="input_json_delta", partial_json='{"a":'),
    adds(5, type="input_json_delta", partial_json=' "ü"}'),
    ends(5),
    opens(6, type="tool_use", id="toolu_2", name="look", input={}),
    ends(6),
    finish(
        "tool_use",
        {"output_tokens": 40, "output_tokens_details": {"thinking_tokens": 9}},
        container={"id": "box", "expires_at": "2026-11-20T00:00:00Z"},
    ),
    STOP,
]
STREAMED: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x-1",
    "content": [
        {"type": "thinking", "thinking": "Let me sëe 👀.", "signature": "sig"},
        {"type": "redacted_thinking", "data": "sealed"},
        {"type": "text", "text": "It is.", "citations": [CITED]},
        {
            "type": "server_tool_use",
            "id": "srvtoolu_1",
            "name": "web_search",
            "input": {"query": "x"},
        },
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
        {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"a": "ü"}},
        {"type": "tool_use", "id": "toolu_2", "name": "look", "input": {}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "container": {"id": "box", "expires_at": "2026-11-20T00:00:00Z"},
    "usage": {
        "input_tokens": 10,
        "output_tokens": 40,
        "cache_read_input_tokens": 200,
        "cache_creation_input_tokens": 30,
        "output_tokens_details": {"thinking_tokens": 9},
        "service_tier": "standard",
    },
}

ERROR = event("error", error={"type": "overloaded_error", "message": "Overloaded"})

ODD: list[bytes] = [
    b"data: {oops\n\n",
    b"data: [DONE]\n\n",
    b"event: x\n\n",
    b"data: 3\n\n",
    b"data: null\n\n",
    event("brand_new", thing=1),
    adds(99, type="text_delta", text="lost"),
    ends(99),
    event("content_block_delta", index=0, delta=None),
    event("content_block_delta", index=0),
    event("content_block_delta", index=0, delta={"type": "new_delta", "thing": 1}),
    adds(0, type="citations_delta", citation=3),
    opens(0, type="text", text="again"),
    event("content_block_start", index=7, content_block={"type": "text"}),
    event("content_block_start", index=7, content_block=None),
    event("message_start", message=None),
    event("message_delta", delta=None, usage={"output_tokens": "x"}),
    event("message_delta", delta={"stop_reason": None}, usage=None),
    b"event: \xff\ndata: \xff\n\n",
]
"""Events that nobody can read, or that say nothing."""
