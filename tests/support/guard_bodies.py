"""A body of each chat dialect that says about all that the dialect can say."""

from __future__ import annotations

from typing import Any

OBJECT = {
    "type": "object",
    "description": "d",
    "title": "t",
    "additionalProperties": False,
    "properties": {"a": {"type": "string", "enum": ["x"], "default": "x", "const": "x"}},
}
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
OPENAI: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "s"},
        {
            "role": "user",
            "name": "u",
            "content": [
                {"type": "text", "text": "t"},
                {
                    "type": "image_url",
                    "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"},
                },
                {"type": "image_url", "image_url": {"url": "https://h.test/a.png"}},
            ],
        },
        {
            "role": "assistant",
            "content": "c",
            "reasoning_content": "r",
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "f", "arguments": '{"a": "b"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "done"},
    ],
    "tools": [
        {"type": "function", "function": {"name": "f", "description": "d", "parameters": OBJECT}}
    ],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "n", "description": "d", "strict": True, "schema": OBJECT},
    },
    "stop": ["END"],
    "metadata": {"k": "v"},
    "prompt_cache_key": "p",
    "user": "u",
    "safety_identifier": "i",
    "reasoning_effort": "low",
    "verbosity": "low",
    "logit_bias": {"50256": -1},
}
BODIES: dict[str, tuple[str, dict[str, Any]]] = {
    "openai": ("/v1/chat/completions", OPENAI),
    "openai (plain)": (
        "/v1/chat/completions",
        {
            "model": "m",
            "messages": [{"role": "user", "content": "hello"}],
            "stop": "x",
            "user": "u",
            "prompt_cache_key": "p",
            "stream": True,
            "stream_options": {"include_usage": True},
        },
    ),
    "openai_completions": (
        "/v1/completions",
        {"model": "m", "prompt": "p", "stop": ["x"], "user": "u"},
    ),
    "openai_responses": (
        "/v1/responses",
        {
            "model": "m",
            "instructions": "i",
            "store": False,
            "metadata": {"k": "v"},
            "user": "u",
            "prompt_cache_key": "p",
            "reasoning": {"effort": "low", "summary": "auto"},
            "input": [
                {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "t"}],
                },
                {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a": 1}'},
                {"type": "function_call_output", "call_id": "c1", "output": "done"},
            ],
            "tools": [{"type": "function", "name": "f", "description": "d", "parameters": OBJECT}],
            "tool_choice": {"type": "function", "name": "f"},
            "text": {
                "format": {"type": "json_schema", "name": "n", "description": "d", "schema": OBJECT}
            },
        },
    ),
    "anthropic": (
        "/v1/messages",
        {
            "model": "m",
            "max_tokens": 9,
            "system": [{"type": "text", "text": "s"}],
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "text",
                            "text": "t",
                            "cache_control": {"type": "ephemeral", "ttl": "5m"},
                        },
                        {
                            "type": "image",
                            "source": {"type": "base64", "media_type": "image/png", "data": PNG},
                        },
                    ],
                },
                {
                    "role": "assistant",
                    "content": [
                        {"type": "text", "text": "t"},
                        {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": "b"}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "c1",
                            "content": [{"type": "text", "text": "r"}],
                        }
                    ],
                },
            ],
            "tools": [{"name": "f", "description": "d", "input_schema": OBJECT}],
            "tool_choice": {"type": "tool", "name": "f"},
            "stop_sequences": ["END"],
            "metadata": {"user_id": "u"},
            "output_config": {"format": {"type": "json_schema", "schema": OBJECT}, "effort": "low"},
        },
    ),
    "gemini": (
        "/v1beta/models/work:generateContent",
        {
            "systemInstruction": {"parts": [{"text": "s"}]},
            "contents": [
                {
                    "role": "user",
                    "parts": [
                        {"text": "t"},
                        {"inlineData": {"mimeType": "image/png", "data": PNG}},
                    ],
                },
                {
                    "role": "model",
                    "parts": [{"functionCall": {"id": "c1", "name": "f", "args": {"a": "b"}}}],
                },
                {
                    "role": "user",
                    "parts": [
                        {"functionResponse": {"id": "c1", "name": "f", "response": {"r": "x"}}}
                    ],
                },
            ],
            "tools": [
                {"functionDeclarations": [{"name": "f", "description": "d", "parameters": OBJECT}]}
            ],
            "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
            "labels": {"k": "v"},
            "generationConfig": {
                "stopSequences": ["END"],
                "responseMimeType": "application/json",
                "responseSchema": OBJECT,
            },
        },
    ),
    "cohere": (
        "/v2/chat",
        {
            "model": "m",
            "stop_sequences": ["END"],
            "messages": [
                {"role": "user", "content": "t"},
                {
                    "role": "assistant",
                    "tool_plan": "p",
                    "tool_calls": [
                        {
                            "id": "c1",
                            "type": "function",
                            "function": {"name": "f", "arguments": "{}"},
                        }
                    ],
                },
                {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "r"}]},
            ],
            "documents": [{"id": "d1", "data": {"text": "t"}}, "plain"],
            "tools": [
                {
                    "type": "function",
                    "function": {"name": "f", "description": "d", "parameters": OBJECT},
                }
            ],
            "response_format": {"type": "json_object", "json_schema": OBJECT},
        },
    ),
    "ollama": (
        "/api/chat",
        {
            "model": "m",
            "stream": False,
            "format": OBJECT,
            "options": {"stop": ["END"], "top_k": 4},
            "keep_alive": "5m",
            "messages": [
                {"role": "user", "content": "t", "images": [PNG]},
                {
                    "role": "assistant",
                    "content": "",
                    "thinking": "h",
                    "tool_calls": [
                        {"id": "c1", "function": {"name": "f", "arguments": {"a": "b"}}}
                    ],
                },
                {"role": "tool", "tool_name": "f", "tool_call_id": "c1", "content": "done"},
            ],
            "tools": [
                {
                    "type": "function",
                    "function": {"name": "f", "description": "d", "parameters": OBJECT},
                }
            ],
        },
    ),
    "ollama_generate": (
        "/api/generate",
        {
            "model": "m",
            "prompt": "p",
            "system": "s",
            "format": OBJECT,
            "options": {"stop": ["END"]},
        },
    ),
    "bedrock": (
        "/model/work/converse",
        {
            "system": [{"text": "s"}],
            "messages": [
                {"role": "user", "content": [{"text": "t"}]},
                {
                    "role": "assistant",
                    "content": [{"toolUse": {"toolUseId": "c1", "name": "f", "input": {"a": "b"}}}],
                },
                {
                    "role": "user",
                    "content": [
                        {
                            "toolResult": {
                                "toolUseId": "c1",
                                "content": [{"text": "r"}, {"json": {"a": "b"}}],
                                "status": "success",
                            }
                        }
                    ],
                },
            ],
            "inferenceConfig": {"stopSequences": ["END"], "maxTokens": 9},
            "toolConfig": {
                "tools": [
                    {"toolSpec": {"name": "f", "description": "d", "inputSchema": {"json": OBJECT}}}
                ],
                "toolChoice": {"tool": {"name": "f"}},
            },
            "requestMetadata": {"k": "v"},
            "additionalModelRequestFields": {"a": ["b"]},
        },
    ),
}
