"""Stages: what stands around the dispatcher, one concern each."""
