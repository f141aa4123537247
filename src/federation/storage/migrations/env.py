"""For `alembic revision` by developers only; a running gateway uses `storage.upgrade`."""
