"""Operations other than chat, each keyed by operation and wire language."""
