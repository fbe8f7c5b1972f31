from .atlas import Atlas, atlas_states, load_atlas
from .definition import RegionSet, list_atlases
from .drawn_regions import pycortex_overlays
from .grayordinates import GrayordinateSpace, grayordinate_space
from .images import image_suffix, read_maps, write_maps
from .labels import is_labelled
from .meshes import HEMISPHERES, Hemisphere, Mesh
from .names import as_space
from .projection import drawing_surface, reason_not_drawn, resample, resampling_matrix, volume_to_surface
from .pycortex import PycortexMapper, pycortex_volume
from .registration import project
from .space import RegionSpace, Space, Unplaced
from .surface import SurfaceSpace, freesurfer_subject, pycortex_subject, surface_space
from .targets import target_table, to_dataset
from .volume import VolumeSpace

__all__ = [
    "HEMISPHERES",
    "Atlas",
    "GrayordinateSpace",
    "Hemisphere",
    "Mesh",
    "PycortexMapper",
    "RegionSet",
    "RegionSpace",
    "Space",
    "SurfaceSpace",
    "Unplaced",
    "VolumeSpace",
    "as_space",
    "atlas_states",
    "drawing_surface",
    "freesurfer_subject",
    "grayordinate_space",
    "image_suffix",
    "is_labelled",
    "list_atlases",
    "load_atlas",
    "project",
    "pycortex_overlays",
    "pycortex_subject",
    "pycortex_volume",
    "read_maps",
    "reason_not_drawn",
    "resample",
    "resampling_matrix",
    "surface_space",
    "target_table",
    "to_dataset",
    "volume_to_surface",
    "write_maps",
]
