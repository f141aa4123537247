"""The nouns: what the gateway thinks with. Frozen, free of I/O, equal by value."""
