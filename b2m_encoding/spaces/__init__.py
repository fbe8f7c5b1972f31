"""Spaces of targets: surfaces, volumes, grayordinates; resampling of maps between them; atlases."""

from b2m_encoding.spaces.atlas import Atlas, atlas_states, load_atlas
from b2m_encoding.spaces.definition import RegionSet, list_atlases
from b2m_encoding.spaces.grayordinates import GrayordinateSpace, grayordinate_space
from b2m_encoding.spaces.images import image_suffix, read_maps, write_maps
from b2m_encoding.spaces.labels import is_labelled
from b2m_encoding.spaces.meshes import HEMISPHERES, Hemisphere, Mesh
from b2m_encoding.spaces.projection import (
    drawing_surface,
    reason_not_drawn,
    resample,
    resampling_matrix,
    volume_to_surface,
)
from b2m_encoding.spaces.pycortex import PycortexMapper, pycortex_volume
from b2m_encoding.spaces.resample import project
from b2m_encoding.spaces.space import RegionSpace, Space, Unplaced
from b2m_encoding.spaces.surface import SurfaceSpace, freesurfer_subject, pycortex_subject, surface_space
from b2m_encoding.spaces.volume import VolumeSpace

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
    "atlas_states",
    "drawing_surface",
    "freesurfer_subject",
    "grayordinate_space",
    "image_suffix",
    "is_labelled",
    "list_atlases",
    "load_atlas",
    "project",
    "pycortex_subject",
    "pycortex_volume",
    "read_maps",
    "reason_not_drawn",
    "resample",
    "resampling_matrix",
    "surface_space",
    "volume_to_surface",
    "write_maps",
]
