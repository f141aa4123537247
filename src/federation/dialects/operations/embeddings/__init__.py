"""Vectors of texts and pictures, in the wire languages that have them."""
