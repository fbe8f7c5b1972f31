"""Spaces of targets: surfaces, volumes, grayordinates; resampling of maps between them; atlases."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
