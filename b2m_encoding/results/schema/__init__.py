"""The contract of the results folder: names of files, kinds of maps, and tables with their columns, each stated once.

``files`` names the files, ``maps`` the statistical maps, ``tables`` the tables. Writers, the reader, figures, pages and
the report take names, labels and descriptions from here.
"""

from b2m_encoding.results.schema.files import CHANCE, GROUP, JOINT
from b2m_encoding.results.schema.maps import CORRECTIONS, LABELS, MAPS, SHORT_LABELS, UNMASKED, Correction, MapKind
from b2m_encoding.results.schema.tables import TABLES, Table

__all__ = [
    "CHANCE",
    "CORRECTIONS",
    "GROUP",
    "JOINT",
    "LABELS",
    "MAPS",
    "SHORT_LABELS",
    "TABLES",
    "UNMASKED",
    "Correction",
    "MapKind",
    "Table",
]
