from .archives import check_archive, read_archive
from .cache import cache_folder, cached_matrix
from .hashes import FileHashes, file_digest, file_hash, sha256
from .marked import mark_folder, remove_work, remove_written, written_files
from .names import check_label, inside, printable, safe_name
from .packages import package_file
from .paths import is_below, portable_arguments, portable_path, portable_tree
from .removal import move, remove_abandoned, replacing_path, siblings, temporary_folder
from .swapping import finish_replacing, put_in_place
from .tensors import write_tensors
from .writing import locked, replacing, reported_as_input_error, write_all, write_whole

__all__ = [
    "FileHashes",
    "cache_folder",
    "cached_matrix",
    "check_archive",
    "check_label",
    "file_digest",
    "file_hash",
    "finish_replacing",
    "inside",
    "is_below",
    "locked",
    "mark_folder",
    "move",
    "package_file",
    "portable_arguments",
    "portable_path",
    "portable_tree",
    "printable",
    "put_in_place",
    "read_archive",
    "remove_abandoned",
    "remove_work",
    "remove_written",
    "replacing",
    "replacing_path",
    "reported_as_input_error",
    "safe_name",
    "sha256",
    "siblings",
    "temporary_folder",
    "write_all",
    "write_tensors",
    "write_whole",
    "written_files",
]
