"""Alembic's scripts; `storage.upgrade` runs them."""
