"""Readers of images and tables, cleaning, and responses that are loaded run by run."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
