"""Checks on content: personal data, secrets, injections. Pure: text in, findings out."""
