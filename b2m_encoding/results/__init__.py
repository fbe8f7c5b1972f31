"""Results of a study: the folder, its contract (:mod:`~b2m_encoding.results.schema`), its reader and the report."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
