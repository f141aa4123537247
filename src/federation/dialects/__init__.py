"""Wire languages: pure codecs, a package each."""
