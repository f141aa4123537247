"""Logs and metrics: watches, never decides."""
