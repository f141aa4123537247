"""The wire language of OpenAI's Chat Completions, which most hosts speak with small differences.

Reference: https://platform.openai.com/docs/api-reference/chat
"""
