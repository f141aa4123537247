"""One module for each step of the schema, named m<number>_<what>."""
