"""Simulated providers, labelled as such wherever they appear."""
