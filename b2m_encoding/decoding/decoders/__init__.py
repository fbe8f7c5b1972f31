"""Decoders: from windows of responses to windows of features. One interface, :class:`Decoder`; a registry by name."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
