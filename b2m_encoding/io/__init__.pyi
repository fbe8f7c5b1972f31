from .archives import check_archive, read_archive
from .cache import cache_folder, cached_matrix
from .hashes import FileHashes, file_digest, file_hash, sha256
from .packages import package_file
from .paths import is_below, portable_arguments, portable_path, portable_tree
from .removal import mark_folder, remove_abandoned, remove_written, siblings, temporary_folder, written_files
from .writing import locked, replacing, replacing_path, reported_as_input_error, write_whole

__all__ = [
    "FileHashes",
    "cache_folder",
    "cached_matrix",
    "check_archive",
    "file_digest",
    "file_hash",
    "is_below",
    "locked",
    "mark_folder",
    "package_file",
    "portable_arguments",
    "portable_path",
    "portable_tree",
    "read_archive",
    "remove_abandoned",
    "remove_written",
    "replacing",
    "replacing_path",
    "reported_as_input_error",
    "sha256",
    "siblings",
    "temporary_folder",
    "write_whole",
    "written_files",
]
