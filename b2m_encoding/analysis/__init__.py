"""Analysis of a study: recordings and settings in, frozen results out; no folder is touched."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
