"""Price book arithmetic: exact, pure."""
