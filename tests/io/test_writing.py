"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.io.removal import replacing_path
from b2m_encoding.io.writing import replacing, reported_as_input_error, write_whole


def test_a_failed_block_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = write_whole(tmp_path / "a.txt", "old")
    with pytest.raises(TypeError), replacing(path) as stream:
        stream.writelines([b"half of the n", 1])  # type: ignore[list-item]
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


def test_the_old_file_is_there_until_the_block_ends(tmp_path: Path) -> None:
    path = write_whole(tmp_path / "map.func.gii", "old")
    with replacing_path(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.name.startswith(".")
        assert temporary.name.endswith("map.func.gii")
    assert path.read_text() == "new"
    assert [file.name for file in tmp_path.iterdir()] == ["map.func.gii"]


def test_threads_that_write_one_file_leave_one_of_their_contents(tmp_path: Path) -> None:
    contents = [str(i) * 100_000 for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: write_whole(tmp_path / "a.txt", content), contents))
    assert (tmp_path / "a.txt").read_text() in contents
    assert len(list(tmp_path.iterdir())) == 1


def test_files_are_as_readable_as_the_user_wants_new_files(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    path = write_whole(tmp_path / "whole", "é")
    assert path.read_bytes() == "é".encode()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_what_the_system_refuses_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused = reported_as_input_error("it cannot be kept", tmp_path)
    with pytest.raises(InputError, match="cannot be kept") as caught, refused:
        os.mkdir(tmp_path / "file" / "below")
    assert str(caught.value.file).endswith("below")
