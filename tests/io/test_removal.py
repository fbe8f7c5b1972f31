"""Temporary files and folders, and moves: nothing that has another name is removed, nothing is replaced."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from b2m_encoding.io.removal import (
    is_temporary_file,
    move,
    remove_abandoned,
    remove_hash_named,
    remove_listed,
    remove_temporary_files,
    replacing_path,
    siblings,
    temporary_folder,
)

from .folders import fill, tree


def fail_after_writing(folder: Path, outside: Path) -> None:
    fill(folder)
    (folder / "link").symlink_to(outside)
    folder.mkdir()


def test_a_temporary_folder_goes_with_all_that_is_in_it(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    fill(outside)
    with pytest.raises(FileExistsError), temporary_folder(tmp_path / "new") as folder:
        fail_after_writing(folder, outside)
    assert tree(tmp_path) == ["outside", *(f"outside/{name}" for name in tree(outside))]
    assert (outside / "sub/deep/c.txt").is_file()


def test_a_folder_that_took_its_name_is_kept(tmp_path: Path) -> None:
    with temporary_folder(tmp_path / "new") as folder:
        move(folder, tmp_path / "new")
        fill(folder)
    assert (folder / "a.txt").is_file()


def test_only_exact_names_count_as_abandoned(tmp_path: Path) -> None:
    ours = [".a*b.partial-12-0123abcd", ".a*b.partial-12-0123abce"]
    random = "-0123abcd"
    others = [".a*b.partial-", ".a*b.partial-2024", ".a*b.partial-12-mine"]
    others += [f".aXb.partial-12{random}", f"a*b.partial-12{random}", f".a*b.partial-12{random}.bak"]
    for name in ours + others:
        (tmp_path / name).mkdir()
    (tmp_path / ".a*b.partial-13-0123abcd").write_text("a file")
    (tmp_path / ".a*b.partial-14-0123abcd").symlink_to(tmp_path / others[0])
    assert [path.name for path in siblings(tmp_path / "a*b", "partial")] == ours
    assert [path.name for path in remove_abandoned(tmp_path / "a*b")] == ours
    assert sorted(os.listdir(tmp_path)) == sorted([*others, ".a*b.partial-13-0123abcd", ".a*b.partial-14-0123abcd"])


def test_nothing_is_abandoned_where_there_is_no_folder(tmp_path: Path) -> None:
    assert remove_abandoned(tmp_path / "missing" / "a") == []


def test_only_what_the_package_wrote_counts_as_abandoned(tmp_path: Path) -> None:
    for name in (".a.old-1-0123abcd", ".a.old-2-0123abcd"):
        (tmp_path / name).mkdir()
    (tmp_path / ".a.old-1-0123abcd/ours").write_text("")
    assert len(remove_abandoned(tmp_path / "a", "old", lambda folder: (folder / "ours").exists())) == 1
    assert tree(tmp_path) == [".a.old-2-0123abcd"]


def test_a_move_replaces_nothing(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")
    for target in ("a.txt", "sub", "empty", "dangling"):
        with pytest.raises(FileExistsError):
            move(tmp_path / "sub/deep", tmp_path / target)
    move(tmp_path / "sub/deep", tmp_path / "free")
    assert (tmp_path / "free/c.txt").read_text() == "sub/deep/c.txt"


def test_temporary_files_are_recognised_by_their_whole_name(tmp_path: Path) -> None:
    with replacing_path(tmp_path / "a.tsv") as temporary:
        assert is_temporary_file(temporary.name)
        temporary.write_text("")
    for name in ("a.tsv", ".partial-notes.txt", ".partial-0123abcd", "partial-0123abcd-a.tsv"):
        assert not is_temporary_file(name)


def test_only_files_named_by_a_hash_are_removed(tmp_path: Path) -> None:
    fill(tmp_path, ("mine.npz", f"{'a' * 32}.npz", f"{'A' * 32}.npz", f"{'b' * 31}.npz"))
    (tmp_path / f"{'c' * 32}.npz").symlink_to("mine.npz")
    before = tree(tmp_path)
    for path in sorted(tmp_path.iterdir()):
        remove_hash_named(path)
    assert tree(tmp_path) == [name for name in before if name != f"{'a' * 32}.npz"]


def test_listed_files_are_removed_but_not_behind_links(tmp_path: Path) -> None:
    fill(tmp_path / "outside")
    fill(tmp_path / "folder")
    (tmp_path / "folder/link").symlink_to(tmp_path / "outside")
    remove_listed(tmp_path / "folder", ["sub/deep/c.txt", "link/a.txt", "missing", "link"])
    assert tree(tmp_path / "folder") == ["a.txt", "link", "sub", "sub/b.txt"]
    assert len(tree(tmp_path / "outside")) == 5


def test_temporary_files_of_killed_processes_go_and_others_stay(tmp_path: Path) -> None:
    ours = [".partial-0123abcd-a.tsv", ".partial-89abcdef-heard.mp3"]
    others = ["a.tsv", ".partial-a.tsv", ".partial-0123abcd-b.tsv", ".partial-0123ABCD-a.tsv", ".partial-notes-a.tsv"]
    for name in (*ours, *others):
        (tmp_path / name).write_text("mine")
    (tmp_path / ".partial-01234567-a.tsv").mkdir()
    (tmp_path / ".partial-01234568-a.tsv").symlink_to("a.tsv")
    remove_temporary_files(tmp_path, ["a.tsv", ".mp3"])
    kept = {*others, ".partial-01234567-a.tsv", ".partial-01234568-a.tsv"}
    assert {path.name for path in tmp_path.iterdir()} == kept
    remove_temporary_files(tmp_path / "absent", ["a.tsv"])
