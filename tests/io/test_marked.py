"""Nothing is removed but what the package wrote."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2m_encoding.errors import InputError
from b2m_encoding.io.marked import (
    MARKER,
    mark_folder,
    remove_abandoned_work,
    remove_work,
    remove_written,
    written_files,
)

from .folders import FILES, fill, tree


@pytest.fixture(params=["corpus", "with [glob] * signs?", "-rf", "ü"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "parent" / str(request.param)
    mark_folder(path, "corpus", FILES)
    fill(path)
    return path


def test_all_that_was_written_is_removed(folder: Path) -> None:
    neighbour = folder.with_name("neighbour")
    neighbour.mkdir()
    assert remove_written(folder, "corpus") == []
    assert tree(folder.parent) == ["neighbour"]


def test_files_of_the_user_are_kept_and_named(folder: Path) -> None:
    fill(folder, ("notes.txt", "sub/mine.txt", ".hidden"))
    kept = remove_written(folder, "corpus")
    assert kept == [".hidden", "notes.txt", "sub/mine.txt"]
    assert tree(folder) == [".hidden", "notes.txt", "sub", "sub/mine.txt"]
    assert (folder / "sub/mine.txt").read_text() == "sub/mine.txt"


def test_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    fill(outside, ("b.txt", "deep/c.txt"))
    for name in ("sub/b.txt", "sub/deep/c.txt"):
        (folder / name).unlink()
    (folder / "sub/deep").rmdir()
    (folder / "sub").rmdir()
    (folder / "sub").symlink_to(outside)  # listed files now lie behind a link
    (folder / "a.txt").unlink()
    (folder / "a.txt").symlink_to(outside / "b.txt")
    assert remove_written(folder, "corpus") == ["a.txt", "sub"]
    assert tree(outside) == ["b.txt", "deep", "deep/c.txt"]


def test_a_link_to_the_folder_stays(folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(folder)
    assert remove_written(link, "corpus") == []
    assert link.is_symlink()
    assert tree(folder) == []


def test_read_only_files_are_removed(folder: Path) -> None:
    (folder / "a.txt").chmod(0o400)
    assert remove_written(folder, "corpus") == []
    assert not folder.exists()


def test_some_files_can_be_removed_and_the_folder_stays_ours(folder: Path) -> None:
    kept = remove_written(folder, "corpus", ["sub/b.txt", "sub/deep/c.txt", "unlisted.txt"])
    assert kept == ["a.txt"]
    assert tree(folder) == [MARKER, "a.txt"]
    assert written_files(folder, "corpus") == ("a.txt",)


def test_a_file_that_was_listed_and_never_written_is_no_error(tmp_path: Path) -> None:
    mark_folder(tmp_path / "a", "corpus", FILES)
    assert remove_written(tmp_path / "a", "corpus") == []
    assert not (tmp_path / "a").exists()
    assert remove_written(tmp_path / "a", "corpus") == []


def test_a_folder_in_the_place_of_a_listed_file_is_kept(folder: Path) -> None:
    (folder / "a.txt").unlink()
    fill(folder, ("a.txt/mine",))
    assert remove_written(folder, "corpus") == ["a.txt/mine"]


@pytest.mark.parametrize(
    "marker",
    [
        "not JSON",
        "[]",
        json.dumps({"software": "other", "kind": "corpus", "files": ["a.txt"]}),
        json.dumps({"software": "b2m_encoding", "kind": "results", "files": ["a.txt"]}),
        json.dumps({"software": "b2m_encoding", "kind": "corpus"}),
        None,
    ],
)
def test_folders_without_our_marker_are_left_alone(marker: str | None, tmp_path: Path) -> None:
    fill(tmp_path)
    if marker is not None:
        (tmp_path / MARKER).write_text(marker)
    before = tree(tmp_path)
    with pytest.raises(InputError, match="not written by this package"):
        remove_written(tmp_path, "corpus")
    with pytest.raises(InputError, match="something else"):
        mark_folder(tmp_path, "corpus")
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", ["/etc/passwd", "../a.txt", "sub/../../a.txt", "", ".", MARKER, "a\\..\\b"])
def test_names_that_lead_out_of_the_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="leads out"):
        mark_folder(tmp_path / "ours", "corpus", [name])
    mark_folder(tmp_path / "ours", "corpus")
    marker = tmp_path / "ours" / MARKER
    marker.write_text(marker.read_text().replace("[]", json.dumps([name])))  # a marker that was tampered with
    (tmp_path / "a.txt").write_text("outside")
    assert remove_written(tmp_path / "ours", "corpus") == []
    assert tree(tmp_path) == ["a.txt"]


@given(st.lists(st.text(max_size=12)))
def test_every_listed_name_is_below_the_folder(names: list[str]) -> None:
    root = Path("/nowhere/folder")
    for name in names:
        try:
            mark_folder(Path(os.devnull) / "x", "corpus", [name])
        except InputError:
            continue  # refused
        except OSError:  # accepted, but the system has no such folder
            assert root in Path(os.path.normpath(root / name)).parents


def test_empty_folders_of_the_user_are_kept(folder: Path) -> None:
    (folder / "sub/mine").mkdir()
    remove_written(folder, "corpus")
    assert tree(folder) == ["sub", "sub/mine"]


def test_a_lock_beside_counts_as_empty(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("")
    (tmp_path / ".partial-01234567-.b2m_encoding.json").write_text("of a process that is marking it too")
    with pytest.raises(InputError, match="something else"):
        mark_folder(tmp_path, "corpus")
    mark_folder(tmp_path, "corpus", beside=[".lock"])
    assert written_files(tmp_path, "corpus") == ()


def test_a_working_folder_is_removed_without_a_list(tmp_path: Path) -> None:
    outside, work = tmp_path / "outside", tmp_path / ".work"
    fill(outside)
    mark_folder(work, "work")
    fill(work)
    (work / "link").symlink_to(outside)
    (work / ".a.partial-12-0123abcd").mkdir()
    remove_abandoned_work(work, "work")
    assert ".a.partial-12-0123abcd" not in tree(work)
    remove_work(work, "work", work / "sub")
    remove_work(work, "work", work / "sub")
    assert tree(work) == [MARKER, "a.txt", "link"]
    for path in (work, outside / "a.txt", work / "link/a.txt", work / "../outside", tmp_path):
        with pytest.raises(ValueError, match=r"not below|not in the subpath"):
            remove_work(work, "work", path)
    remove_work(work, "work")
    assert tree(tmp_path) == ["outside", *(f"outside/{name}" for name in tree(outside))]
    assert len(tree(outside)) == 5


def test_a_folder_of_the_user_is_no_working_folder(tmp_path: Path) -> None:
    fill(tmp_path)
    with pytest.raises(InputError, match="not written by this package"):
        remove_work(tmp_path, "work")
    mark_folder(tmp_path / "corpus", "corpus")
    with pytest.raises(ValueError, match="may hold files of the user"):
        remove_work(tmp_path / "corpus", "corpus")


def test_a_working_folder_whose_marker_is_damaged_stays_ours(tmp_path: Path) -> None:
    mark_folder(tmp_path / ".work", "work")
    marker = tmp_path / ".work" / MARKER
    good = marker.read_bytes()
    for place in range(len(good)):
        marker.write_bytes(good[:place] + bytes([good[place] ^ 4]) + good[place + 1 :])
        mark_folder(tmp_path / ".work", "work")
    for other in ("corpus", "demo", "shards"):
        mark_folder(tmp_path / other, other)
        with pytest.raises(InputError, match="not written by this package"):
            remove_work(tmp_path / other, "work")
