"""Journal files, the relational store and secrets."""
