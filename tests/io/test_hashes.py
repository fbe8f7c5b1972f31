"""Hashes of files and folders: one answer per object, and every change afterwards is found."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.io.hashes import FileHashes, read_regular, sha256


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "bold.zarr"
    (folder / "c/0").mkdir(parents=True)
    (folder / ".zarray").write_text("{}")
    (folder / "c/0/1").write_text("chunk")
    return folder


def test_a_folder_is_its_names_and_contents(folder: Path, tmp_path: Path) -> None:
    def digest() -> str:
        return FileHashes(tmp_path / "hashes.json").of(folder)

    found = {digest()}
    assert digest() in found
    (folder / "c/0/1").write_text("other")
    found.add(digest())
    (folder / "c/0/1").rename(folder / "c/0/2")
    found.add(digest())
    (folder / "c/0/2").rename(folder / "c/2")
    found.add(digest())
    (folder / "c/3").write_text("")
    found.add(digest())
    (folder / ".zarray").unlink()
    found.add(digest())
    assert len(found) == 6


def test_links_are_followed_once_and_pipes_are_no_content(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/a.wav").write_text("sound")
    before = FileHashes(tmp_path / "hashes.json").of(folder)
    (folder / "link").symlink_to(tmp_path / "outside")
    linked = FileHashes(tmp_path / "hashes.json").of(folder)
    assert linked != before
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe.wav")
    assert FileHashes(tmp_path / "hashes.json").of(folder) == linked
    (tmp_path / "outside/a.wav").write_text("other")
    assert FileHashes(tmp_path / "hashes.json").of(folder) != linked
    (folder / "dangling").symlink_to(tmp_path / "nowhere")
    assert FileHashes(tmp_path / "hashes.json").of(folder) != linked


@pytest.mark.parametrize("change", ["edit", "touch", "add", "remove"])
def test_a_change_is_found_and_the_answer_stays(change: str, folder: Path, tmp_path: Path) -> None:
    hashes, file = FileHashes(tmp_path / "hashes.json"), folder / "c/0/1"
    before = hashes.of(folder), hashes.of(file), hashes.of(tmp_path / "none")
    assert before[1:] == (sha256(file), "missing")
    hashes.require_unchanged([folder, file, tmp_path / "none"], read=True)
    hashes.save()
    {
        "edit": lambda: file.write_text("other"),
        "touch": lambda: os.utime(file, ns=(0, 0)),
        "add": lambda: (folder / "c/0/2").write_text("more"),
        "remove": file.unlink,
    }[change]()
    assert (hashes.of(folder), hashes.of(file), hashes.of(tmp_path / "none")) == before
    for reader in (hashes, FileHashes(tmp_path / "hashes.json")):  # workers read the table
        with pytest.raises(InputError, match="changed while the run went on; run again"):
            reader.require_unchanged([folder])


@pytest.mark.parametrize("how", ["link", "permissions"])
def test_a_new_link_or_other_permissions_are_no_change(how: str, folder: Path, tmp_path: Path) -> None:
    """Backups link files while a study runs: that changes their time of change, not their content."""
    hashes, file = FileHashes(tmp_path / "hashes.json"), folder / "c/0/1"
    hashes.of(folder)
    before = file.stat().st_ctime_ns
    os.link(file, tmp_path / "backup") if how == "link" else file.chmod(0o600)
    assert file.stat().st_ctime_ns > before
    hashes.require_unchanged([folder, file])
    hashes.require_unchanged([folder, file], read=True)
    times = file.stat()
    file.write_text("CHUNK")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(InputError, match=r"^1 changed while the run went on"):
        hashes.require_unchanged([folder])


def test_a_file_that_appears_is_a_change(tmp_path: Path) -> None:
    hashes = FileHashes(tmp_path / "hashes.json")
    assert hashes.of(tmp_path / "a") == "missing"
    (tmp_path / "a").write_text("")
    assert list(hashes.changed([tmp_path / "a"])) == [tmp_path / "a"]


@pytest.mark.parametrize("read", [sha256, read_regular])
def test_a_pipe_is_an_error_and_no_end(read: Callable[[Path], object], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "folder", "/dev/zero"):
        (tmp_path / "folder").mkdir(exist_ok=True)
        with pytest.raises(OSError, match="not a regular file"):
            read(tmp_path / name)


def test_results_do_not_belong_to_the_folder_around_them(tmp_path: Path) -> None:
    work = tmp_path / ".results.work"
    for name in ("results", ".results.work", ".results.partial-1", "genre"):
        (tmp_path / name).mkdir()
    (tmp_path / "genre/a.wav").write_text("sound")
    before = FileHashes(work / "hashes.json", tmp_path / "results").of(tmp_path)
    for name in ("results", ".results.work", ".results.partial-1"):
        (tmp_path / name / "file").write_text("result")
    assert FileHashes(work / "hashes.json", tmp_path / "results").of(tmp_path) == before
