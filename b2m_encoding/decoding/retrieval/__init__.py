"""Retrieval: a corpus of recordings, embedded, and an exact search for the nearest of them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
