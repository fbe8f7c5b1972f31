"""Figures: flatmaps, zooms, inflated surfaces and panels at journal size."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
