"""The closed lists that a policy's words are checked against.

Operations and types of personal data stand here again, although other rooms own them:
configuration may import neither. A test keeps the lists in step.
"""

from __future__ import annotations

from federation.domain.catalogue import Tier

OPERATIONS = (
    "chat",
    "count_tokens",
    "embeddings",
    "rerank",
    "image",
    "image_edit",
    "speech",
    "transcription",
    "audio_translation",
    "moderations",
    "responses",
    "passthrough",
)
PII_TYPES = (
    "email",
    "phone",
    "card",
    "iban",
    "ssn",
    "national_id",
    "ip",
    "passport",
    "drivers_license",
    "bank_account",
    "date_of_birth",
    "person",
    "address",
    "api_key",
    "token",
    "private_key",
    "secret",
)
VALIDATORS = ("luhn", "mod97", "verhoeff", "mod11_10")
"""Check digits that a pattern of personal data may ask for."""
GUARDS = ("pii", "secrets", "injection", "tools", "canary")
TIERS = tuple(tier.value for tier in Tier)
