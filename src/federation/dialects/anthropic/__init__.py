"""The Messages language of Claude: `/v1/messages` and `/v1/messages/count_tokens`.

Reference: https://platform.claude.com/docs/en/api/messages
"""
