"""Generators of music from decoded embeddings: one protocol, and a registry by name."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
