"""Spaces: where targets live, how maps move between them, and the atlases drawn on them."""

from b2m_encoding.spaces.atlas import Atlas, list_atlases, load_atlas
from b2m_encoding.spaces.space import RegionSpace, Space, Unplaced
from b2m_encoding.spaces.surface import Hemisphere, Mesh, SurfaceSpace, surface_space
from b2m_encoding.spaces.volume import VolumeSpace, project, volume_to_surface

__all__ = [
    "Atlas",
    "Hemisphere",
    "Mesh",
    "RegionSpace",
    "Space",
    "SurfaceSpace",
    "Unplaced",
    "VolumeSpace",
    "list_atlases",
    "load_atlas",
    "project",
    "surface_space",
    "volume_to_surface",
]
