"""A request becomes attempts, an attempt becomes an answer."""
