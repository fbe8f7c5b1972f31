"""Statistics: scores, intervals, ceilings, significance, clusters, partitioning, preference, regions, leakage audit."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
