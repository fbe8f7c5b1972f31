"""Voxel-wise encoding models for music and the auditory cortex."""

import lazy_loader

__version__ = "0.1.0"
# Names load on first use: `b2m --version` should not wait for torch.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
