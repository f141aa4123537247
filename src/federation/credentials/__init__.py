"""Signers: how a request proves to a provider who sends it. Pure."""
