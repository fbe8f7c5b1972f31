"""The contract of the results folder: names of files, kinds of maps, and tables with their columns, each stated once.

``files`` names the files, ``maps`` the statistical maps, ``tables`` the tables. Writers, the reader, figures, pages and
the report take names, labels and descriptions from here.
"""

from b2m_encoding.results.schema.files import CHANCE as CHANCE
from b2m_encoding.results.schema.files import GROUP as GROUP
from b2m_encoding.results.schema.files import JOINT as JOINT
from b2m_encoding.results.schema.maps import CORRECTIONS as CORRECTIONS
from b2m_encoding.results.schema.maps import LABELS as LABELS
from b2m_encoding.results.schema.maps import MAPS as MAPS
from b2m_encoding.results.schema.maps import SHORT_LABELS as SHORT_LABELS
from b2m_encoding.results.schema.maps import UNMASKED as UNMASKED
from b2m_encoding.results.schema.maps import Correction, MapKind
from b2m_encoding.results.schema.maps import counted_from as counted_from
from b2m_encoding.results.schema.tables import TABLES as TABLES
from b2m_encoding.results.schema.tables import Table

__all__ = ["Correction", "MapKind", "Table"]
