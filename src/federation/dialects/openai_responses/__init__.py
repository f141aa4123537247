"""The wire language of OpenAI's Responses API: a conversation of items, answers that can be kept.

Reference: https://platform.openai.com/docs/api-reference/responses
"""
