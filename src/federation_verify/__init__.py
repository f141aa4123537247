"""An independent verifier of Federation's evidence: standard library and cryptography only."""
