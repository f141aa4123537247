"""Stateful responses: kept, continued, fetched, cancelled and deleted by ids that are ours."""
