"""Gallery: pictures, the interactive page and the report of a results folder. Nothing is computed anew."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
