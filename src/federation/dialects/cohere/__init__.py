"""The wire language of Cohere's v2 chat.

Reference: https://docs.cohere.com/reference/chat
"""
