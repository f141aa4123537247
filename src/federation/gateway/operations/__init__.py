"""Operations other than chat on their way through the gateway."""
