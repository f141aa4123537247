"""Facts about providers and models as data, compiled at build, and their reader."""
