"""The wire language of OpenAI's legacy Completions, towards clients only.

Reference: https://platform.openai.com/docs/api-reference/completions
"""
