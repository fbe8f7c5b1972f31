"""Results are written anew without touching what others put into or beside them, whatever kind of place they lie in."""

from __future__ import annotations

import errno
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.io import removal
from b2m_encoding.io.swapping import SWAP
from b2m_encoding.results.bundle import ResultsWriter, recover
from b2m_encoding.results.manifest import changed_files, note_written, read_manifest, write_manifest
from b2m_encoding.results.place import (
    check_owner,
    check_writable,
    results_kept,
    results_locked,
    work_folder_of,
    write_owner,
)
from b2m_encoding.results.schema.files import MANIFEST

Tree = dict[str, str]


def write(path: Path, *names: str, text: str = "written") -> None:
    with ResultsWriter(path, "study", ["01"]) as writer:
        for name in names:
            writer.file(*name.split("/")).write_text(text)
        write_manifest(writer.folder, "basis")


def tree(folder: Path) -> Tree:
    """Every file with its text, every link with its target."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[path.relative_to(folder).as_posix()] = f"-> {os.readlink(path)}"
        elif path.is_file():
            found[path.relative_to(folder).as_posix()] = path.read_text()
    return found


def add(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("mine")


def leave(folder: Path) -> None:
    pass


def lose(folder: Path) -> None:
    (folder / MANIFEST).unlink()


def damage(folder: Path) -> None:
    (folder / MANIFEST).write_text("{")


def other_version(folder: Path) -> None:
    (folder / MANIFEST).write_text(json.dumps({"version": 9, "entries": []}))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write(tmp_path / "parent/results", "a.tsv", "sub-01/map.gii", "figures/old.png")
    return tmp_path / "parent/results"


@pytest.mark.parametrize("spoil", [leave, lose, damage, other_version])
def test_files_of_the_user_survive(results: Path, spoil: Callable[[Path], None]) -> None:
    mine = ("notes.txt", "sub-01/mine.txt", "figures/mine.png", "deep/er/x", ".hidden/y", "deep/manifest.json")
    add(results, *mine)
    spoil(results)
    write(results, "a.tsv", "sub-01/map.gii", "figures/new.png", text="again")
    found = tree(results)
    assert {name: found[name] for name in mine} == dict.fromkeys(mine, "mine")
    assert found["a.tsv"] == found["figures/new.png"] == "again"
    assert [path.name for path in results.parent.iterdir()] == ["results"]
    assert ("figures/old.png" in found) == (spoil in (lose, damage, other_version))
    manifest = read_manifest(results)
    assert manifest is not None
    assert changed_files(results, manifest["files"]) == []


def test_what_the_new_results_lack_goes_only_if_it_is_known(results: Path) -> None:
    write(results, "a.tsv")
    assert "figures/old.png" not in tree(results)
    write(results, "b.tsv")
    lose(results)
    write(results, "c.tsv")
    assert {"b.tsv", "c.tsv"} <= tree(results).keys()


def test_links_of_the_user_stay_links(results: Path, tmp_path: Path) -> None:
    add(tmp_path / "big", "file.txt", "folder/x.txt")
    links = {
        "file": tmp_path / "big/file.txt",
        "folder": tmp_path / "big/folder",
        "relative": Path("notes.txt"),
        "sub-01/nowhere": Path("nowhere"),
    }
    add(results, "notes.txt")
    for name, target in links.items():
        (results / name).symlink_to(target)
    (results / "a.tsv").unlink()
    (results / "a.tsv").symlink_to(tmp_path / "big/file.txt")
    write(results, "a.tsv", text="again")
    found = tree(results)
    assert {name: found[name] for name in links} == {name: f"-> {target}" for name, target in links.items()}
    assert found["a.tsv"] == "again"
    assert found["a.tsv.edited"] == f"-> {tmp_path / 'big/file.txt'}"
    assert tree(tmp_path / "big") == {"file.txt": "mine", "folder/x.txt": "mine"}


def test_a_link_in_the_place_of_a_folder_is_kept_beside_it(results: Path, tmp_path: Path) -> None:
    (tmp_path / "big").mkdir()
    (results / "figures/old.png").rename(tmp_path / "big/old.png")
    (results / "figures").rmdir()
    (results / "figures").symlink_to(tmp_path / "big")
    write(results, "figures/new.png")
    found = tree(results)
    assert found["figures.edited"] == f"-> {tmp_path / 'big'}"
    assert found["figures/new.png"] == "written"
    assert (tmp_path / "big/old.png").is_file()


def test_an_edited_table_is_kept_and_reported(results: Path, caplog: pytest.LogCaptureFixture) -> None:
    for text in ("edited", "edited twice"):
        (results / "a.tsv").write_text(text)
        with caplog.at_level(logging.WARNING):
            write(results, "a.tsv", text="again")
    found = tree(results)
    assert (found["a.tsv"], found["a.tsv.edited"], found["a.tsv.edited-2"]) == ("again", "edited", "edited twice")
    assert "a.tsv of the earlier results is not as it was written" in caplog.text
    caplog.clear()
    write(results, "a.tsv", text="once more")
    assert not caplog.text


TEXTS = ("sub-01/map.json", "study.toml", "view.html", "figures/a.json", "figures/a.txt", "figures/a.tsv")


@pytest.mark.parametrize("name", ["README", "dataset_description.json", ".bidsignore", *TEXTS])
def test_other_texts_that_were_edited_are_kept_too(results: Path, name: str) -> None:
    write(results, *TEXTS)
    edited = (results / name).read_text() + " "
    (results / name).write_text(edited)
    write(results, *TEXTS)
    assert tree(results)[f"{name}.edited"] == edited
    assert [path for path in tree(results) if "edited" in path] == [f"{name}.edited"]


def test_what_the_package_itself_wrote_over_results_is_not_edited(results: Path) -> None:
    write(results, *TEXTS)
    for name in ("view.html", "figures/a.txt", "new.html"):
        (results / name).write_text("drawn")
    note_written(results, [results / name for name in ("view.html", "figures/a.txt", "new.html", "../outside")])
    manifest = json.loads((results / MANIFEST).read_text())
    assert "new.html" not in manifest["files"]
    assert changed_files(results, manifest["files"]) == []
    write(results, *TEXTS)
    assert [path for path in tree(results) if "edited" in path] == []
    assert tree(results)["new.html"] == "drawn"


@pytest.mark.parametrize("spoil", [leave, lose])
def test_empty_folders_of_the_user_stay(results: Path, spoil: Callable[[Path], None]) -> None:
    for name in ("empty/below", "sub-01/notes", "a.tsv"):
        (results / name).unlink(missing_ok=True)
        (results / name).mkdir(parents=True)
    spoil(results)
    write(results, "a.tsv", "sub-01/map.gii", text="again")
    assert (results / "empty/below").is_dir()
    assert (results / "sub-01/notes").is_dir()
    assert tree(results)["a.tsv"] == "again"  # a folder in the place of a file of ours


@pytest.mark.parametrize("name", ["a.tsv", MANIFEST, "dataset_description.json"])
def test_a_pipe_in_the_place_of_a_file_is_never_read(results: Path, name: str) -> None:
    (results / name).unlink()
    os.mkfifo(results / name)
    manifest = read_manifest(results)
    assert (manifest is None) == (name == MANIFEST)
    assert manifest is None or name in changed_files(results, manifest["files"])
    write(results, "a.tsv", text="again")
    assert tree(results)["a.tsv"] == "again"


def test_a_file_of_the_user_that_the_new_results_also_have(results: Path) -> None:
    add(results, "audit.tsv", "folder/x")
    write(results, "audit.tsv", "folder")
    found = tree(results)
    assert (found["audit.tsv"], found["audit.tsv.edited"]) == ("written", "mine")
    assert (found["folder"], found["x.edited"]) == ("written", "mine")


def test_other_folders_beside_results_are_left_alone(tmp_path: Path) -> None:
    """Names of other studies, and of a user, that a pattern would match."""
    others = (
        ".results.old-2024-backup", ".results.partial-notes", ".results.old-77", ".res*.old-1", ".results.partial-99",
        ".results.old-12-0123abcd", ".results.partial-12-0123abcd", ".resB.partial-12-0123abcd", ".res.old-1-0123abcd",
    )  # fmt: skip
    for name in others:
        add(tmp_path / name, "mine.txt")
    before = tree(tmp_path)
    for output in ("results", "res*", "res[A-Z]", "res?"):
        recover(tmp_path / output)
        assert tree(tmp_path) == before
    assert not (tmp_path / "results").exists()


def test_results_that_were_moved_away_are_restored(results: Path) -> None:
    before = tree(results)
    moved = results.with_name(".results.old-12-0123abcd")
    results.rename(moved)
    (results.parent / ".results.partial-12-0123abcd").mkdir()
    recover(results)
    assert tree(results) == before
    assert [path.name for path in results.parent.iterdir()] == ["results"]


def test_files_of_the_user_in_results_that_were_replaced_are_brought_back(results: Path) -> None:
    """Killed after the new results were in place, before the files were moved."""
    add(results, "notes.txt")
    results.rename(results.with_name(".results.old-12-0123abcd"))
    write(results, "a.tsv", text="again")
    recover(results)
    assert tree(results)["notes.txt"] == "mine"
    assert tree(results)["a.tsv"] == "again"
    assert [path.name for path in results.parent.iterdir()] == ["results"]


def refuse(code: int, monkeypatch: pytest.MonkeyPatch, which: Callable[[Path, Path], bool]) -> None:
    real = os.rename

    def rename(source: Path, target: Path) -> None:
        if which(Path(source), Path(target)):
            raise OSError(code, os.strerror(code), str(source))
        real(source, target)

    monkeypatch.setattr(removal.os, "rename", rename)


@pytest.mark.parametrize("code", [errno.EBUSY, errno.EXDEV, errno.EACCES])
def test_content_is_swapped_where_the_folder_cannot_be_renamed(
    results: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    add(results, "notes.txt")
    (results / "a.tsv").write_text("edited")
    refuse(code, monkeypatch, lambda source, target: source == results)
    inode = results.stat().st_ino
    write(results, "a.tsv", "b.tsv", text="again")
    assert results.stat().st_ino == inode
    found = tree(results)
    assert (found["a.tsv"], found["b.tsv"], found["notes.txt"], found["a.tsv.edited"]) == (
        "again", "again", "mine", "edited",
    )  # fmt: skip
    assert "sub-01/map.gii" not in found
    assert not [name for name in found if SWAP in name]
    assert [path.name for path in results.parent.iterdir()] == ["results"]


def test_a_swap_that_is_stopped_at_any_point_is_finished(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(results, "notes.txt", "sub-01/mine.txt")
    finished, steps = False, 0
    while not finished:
        steps += 1
        with monkeypatch.context() as patch:
            refuse(errno.EBUSY, patch, Stop(results, steps))
            try:
                write(results, "a.tsv", "sub-01/map.gii", text=f"again {steps}")
                finished = True
            except KeyboardInterrupt:
                finished = False
        recover(results)
        found = tree(results)
        assert (found["notes.txt"], found["sub-01/mine.txt"]) == ("mine", "mine")
        manifest = read_manifest(results)
        assert manifest is not None
        assert changed_files(results, manifest["files"]) == []
        assert not [name for name in found if SWAP in name]
        assert [path.name for path in results.parent.iterdir()] == ["results"]
    assert steps > 10
    assert found["a.tsv"] == f"again {steps}"


class Stop:
    """Refuse to rename a folder, and stop the program at the n-th other renaming."""

    def __init__(self, folder: Path, steps: int) -> None:
        self.folder, self.steps = folder, steps

    def __call__(self, source: Path, target: Path) -> bool:
        if source == self.folder:
            return True
        self.steps -= 1
        if self.steps == 0:
            raise KeyboardInterrupt
        return False


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Path]:
    """A mount point, or a skip where this process may not mount."""
    point = tmp_path / "parent/out"
    point.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", point], capture_output=True, check=False).returncode:
        pytest.skip("this process may not mount")
    yield point
    subprocess.run(["umount", "-l", point], check=True)


def test_output_on_a_mount_point(mount: Path) -> None:
    for text in ("first", "second"):
        check_writable(mount, ["01"])
        recover(mount)
        write(mount, "a.tsv", "sub-01/map.gii", text=text)
        add(mount, "notes.txt")
        assert (tree(mount)["a.tsv"], tree(mount)["notes.txt"]) == (text, "mine")
        assert {path.name for path in mount.iterdir() if path.name[0] == "."} == {".bidsignore"}
    assert os.path.ismount(mount)
    assert [path.name for path in mount.parent.iterdir()] == ["out"]


def test_a_disk_that_is_mounted_below_results_is_refused(mount: Path) -> None:
    """Renaming would take it along, and the removal of the earlier results would empty it."""
    add(mount, "mine.txt")
    for refused in (check_writable, lambda place, _: write(place, "a.tsv")):
        with pytest.raises(InputError, match="a disk is mounted below the output"):
            refused(mount.parent, ["01"])
    assert (mount / "mine.txt").read_text() == "mine"


def test_links_to_one_folder_share_one_lock_and_one_owner(tmp_path: Path) -> None:
    (tmp_path / "big").mkdir()
    links = [tmp_path / "one", tmp_path / "two"]
    for link in links:
        link.symlink_to("big")
    assert {work_folder_of(link) for link in (*links, tmp_path / "big")} == {tmp_path / ".big.work"}
    assert work_folder_of(tmp_path / "new") == tmp_path / ".new.work"
    files = [tmp_path / name for name in ("a.toml", "b.toml")]
    for file in files:
        file.touch()
    with results_locked(work_folder_of(links[0])):
        write(links[0], "a.tsv")
        write_owner(links[0], "study", files[0])
        check_owner(links[0], "study", files[0])
        with pytest.raises(InputError, match="results of another study"):
            check_owner(links[1], "study", files[1])
        with pytest.raises(InputError, match="another run"), results_locked(work_folder_of(links[1])):
            pass


def test_output_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "big/place").mkdir(parents=True)
    (tmp_path / "project").mkdir()
    link = tmp_path / "project/results"
    link.symlink_to("../big/place")
    for text in ("first", "second"):
        check_writable(link, ["01"])
        recover(link)
        write(link, "a.tsv", text=text)
        assert os.readlink(link) == "../big/place"
        assert (tmp_path / "big/place/a.tsv").read_text() == text
    assert [path.name for path in (tmp_path / "big").iterdir()] == ["place"]
    assert [path.name for path in (tmp_path / "project").iterdir()] == ["results"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("n" * 300, "too long"),
        ("n" * 255, "too long"),
        ("n" * 240, "too long"),
        ("a/" * 2100 + "b", "too long"),
        ("re\0sults", "NUL character"),
        ("dangling", "a link to nothing"),
        ("loop", "cannot be written|link to nothing"),
        ("file", "output is a file"),
        ("file/results", "cannot be written"),
        ("others", "holds something else"),
    ],
)
def test_places_that_cannot_be_written_are_told_in_time(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    add(tmp_path, "file", "others/thesis.tex")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=rf"(?i){words}"):
        check_writable(tmp_path / name, ["01"])
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["results", "n" * 200, "é漢字", "a b", "res*", "new/deep/er"])
def test_places_that_can_be_written_are_left_as_they_are(tmp_path: Path, name: str) -> None:
    check_writable(tmp_path / name, ["01"])
    assert list(tmp_path.iterdir()) == []
    write(tmp_path / name, "a.tsv")


def test_a_folder_of_the_user_is_no_work_folder(tmp_path: Path) -> None:
    add(tmp_path, ".results.work/mine.txt")
    with pytest.raises(InputError, match="holds something else"):
        check_writable(tmp_path / "results", ["01"])


def test_a_limit_on_the_size_of_files_is_told(tmp_path: Path) -> None:
    code = f"""
import resource, signal
from pathlib import Path
from b2m_encoding.errors import InputError
from b2m_encoding.results.bundle import ResultsWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    with ResultsWriter(Path({str(tmp_path / "results")!r}), "study") as writer:
        writer.file("a.tsv").write_text("x" * 10_000)
except InputError as error:
    print(error.problem)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "the results cannot be written: a file would be larger than this process may write\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [None, "{", json.dumps({"GeneratedBy": [{"Name": "b2m_encoDing"}]})])
def test_results_whose_description_is_damaged_are_still_ours(results: Path, content: str | None) -> None:
    description = results / "dataset_description.json"
    description.write_text(content) if content else description.unlink()
    add(results, "notes.txt")
    check_writable(results, ["01"])
    write(results, "a.tsv", text="again")
    assert (tree(results)["a.tsv"], tree(results)["notes.txt"]) == ("again", "mine")
    description.unlink()
    lose(results)
    with pytest.raises(InputError, match="something else"):
        check_writable(results, ["01"])


def test_the_study_of_results_is_known_without_their_work_folder(tmp_path: Path) -> None:
    results, other = tmp_path / "project/results", tmp_path / "other"
    write(results, "provenance.json", text=json.dumps({"study": "../study.toml"}))
    other.mkdir()
    for folder in (results.parent, other):
        (folder / "study.toml").touch()
    check_owner(results, "study", results.parent / "study.toml")
    with pytest.raises(InputError, match="results of another study"):
        check_owner(results, "study", other / "study.toml")
    moved = results.parent.rename(tmp_path / "moved")
    check_owner(moved / "results", "study", moved / "study.toml")
    (moved / "study.toml").rename(moved / "renamed.toml")
    check_owner(moved / "results", "study", moved / "renamed.toml")


def test_half_written_pages_and_figures_are_removed(results: Path) -> None:
    left = [results / ".partial-182e9ad3-report.html", results / "figures/.partial-0a1b2c3d-a.png"]
    kept = [results / ".partial-notes.html", results / ".partial-182e9ad3-mine.npy"]
    for path in (*left, *kept):
        path.write_text("")
    recover(results)
    assert not any(path.exists() for path in left)
    for path in left:
        path.write_text("")
    with results_kept(results, results / "view.html"):
        pass
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in kept)
