"""What travels: HTTP messages, usage, journal records, frames between our processes."""
