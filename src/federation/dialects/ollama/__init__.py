"""The wire language of Ollama's native chat, with the listings that its clients ask for.

Reference: https://docs.ollama.com/api/chat
"""
