"""Evidence: hash chain, Merkle tree, proofs, signed checkpoints. Pure."""
