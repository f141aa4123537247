"""Policies: what may go where, compiled into sets of deployments; pure decisions."""
