"""Composition: alone knows which implementation stands behind a port."""
