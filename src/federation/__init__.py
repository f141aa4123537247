"""Federation: one API for every model provider.

Importing the package loads nothing else: a worker, the command line and an embedding
program each import just the rooms that they use.
"""

__version__ = "0.1.0"
