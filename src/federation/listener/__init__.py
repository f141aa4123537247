"""The inference plane's HTTP server."""
