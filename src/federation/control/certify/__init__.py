"""A kit of checks that prove what a provider's row says, against its real endpoint."""
