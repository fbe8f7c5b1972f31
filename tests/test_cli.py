"""The command: what it prints, and that bad input ends with one clear message and leaves nothing behind."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from b2m_encoding import __version__, cli

FUNC = Path("study/bids/sub-01/func")
BOLD = Path("study/bids/derivatives/phantom/sub-01/func")
RUN = "sub-01_task-Training_run-01"


def replace_text(path: Path, old: str, new: str) -> None:
    text = path.read_bytes().decode()
    assert old in text
    path.unlink()
    path.write_bytes(text.replace(old, new).encode())


def edit_study(old: str, new: str) -> Callable[[Path], None]:
    return lambda folder: replace_text(folder / "study.toml", old, new)


def empty_bids(folder: Path) -> None:
    (folder / "empty").mkdir()
    replace_text(folder / "study.toml", 'root = "study/bids"', 'root = "empty"')


def no_track_column(folder: Path) -> None:
    replace_text(folder / FUNC / f"{RUN}_events.tsv", "track", "piece")


def no_track_number(folder: Path) -> None:
    path = folder / FUNC / f"{RUN}_events.tsv"
    lines = path.read_bytes().decode().split("\r\n")
    fields = lines[3].split("\t")
    path.unlink()
    path.write_bytes("\r\n".join([*lines[:3], "\t".join([*fields[:3], "first", *fields[4:]]), *lines[4:]]).encode())


def late_event(folder: Path) -> None:
    path = folder / FUNC / f"{RUN}_events.tsv"
    lines = path.read_bytes().decode().strip().split("\r\n")
    last = lines[-1].split("\t")
    path.unlink()
    path.write_bytes("\r\n".join([*lines[:-1], "\t".join(["900", *last[1:]])]).encode())


def other_repetition_time(folder: Path) -> None:
    replace_text(folder / FUNC / f"{RUN}_bold.json", "1.5", "2.0")


def no_sidecar(folder: Path) -> None:
    for sidecar in folder.rglob(f"{RUN}_*bold.json"):
        sidecar.unlink()
    edit_study("discard = 15.0", "discard = 15.0\ntrust_header = false")(folder)  # or headers stand for it


def one_hemisphere(folder: Path) -> None:
    (folder / BOLD / f"{RUN}_hemi-R_space-fsaverage5_bold.func.gii").unlink()


def truncated_bold(folder: Path) -> None:
    path = folder / BOLD / f"{RUN}_hemi-L_space-fsaverage5_bold.func.gii"
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[: len(content) // 2])


def fewer_volumes_on_the_right(folder: Path) -> None:
    path = folder / BOLD / f"{RUN}_hemi-R_space-fsaverage5_bold.func.gii"
    image = nib.load(path)
    image.darrays = image.darrays[:-3]
    path.unlink()
    nib.save(image, path)


def short_track(folder: Path) -> None:
    events = (folder / FUNC / f"{RUN}_events.tsv").read_text().splitlines()[2].split("\t")
    genre, track = events[2].strip("'"), int(events[3])
    path = folder / "study/stimuli/genres" / genre / f"{genre}.{track:05d}.wav"
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[: len(content) // 3])


def missing_caption(folder: Path) -> None:
    path = folder / "study/stimuli/captions.csv"
    lines = path.read_text("utf-8-sig").splitlines()
    path.unlink()
    path.write_text("\n".join(lines[:4]), "utf-8")


def short_feature_file(folder: Path) -> None:
    runs = {"task-Training_run-01": 110, "task-Training_run-02": 109, "task-Test_run-01": 210}
    for name, length in runs.items():
        np.save(folder / f"{name}.npy", np.zeros((length, 3)))
    replace_text(
        folder / "study.toml",
        '[features.text]\nextractor = "caption"\ncaptions = "study/stimuli/captions.csv"',
        '[features.text]\nextractor = "array"\nfiles = "{run}.npy"',
    )


def pickled_feature_file(folder: Path) -> None:
    short_feature_file(folder)
    np.save(folder / "task-Training_run-01.npy", np.array([[{"a": 1}]], dtype=object), allow_pickle=True)


CASES: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "empty BIDS folder": (empty_bids, ["holds no subject", "empty", "sub-01"]),
    "no BIDS folder": (edit_study('root = "study/bids"', 'root = "nowhere"'), ["does not exist", "nowhere"]),
    "missing events column": (no_track_column, ["names no sound files", "events.tsv", "stim_file"]),
    "event beyond the run": (late_event, ["beyond the run", "events.tsv", "900"]),
    "repetition times differ": (other_repetition_time, ["repetition times disagree", "1.5", "2"]),
    "missing sidecar": (no_sidecar, ["sidecar", "bold.json", "RepetitionTime"]),
    "one hemisphere": (one_hemisphere, ["hemisphere", "hemi-R"]),
    "truncated image": (truncated_bold, ["damaged or truncated", "hemi-L"]),
    "hemispheres differ": (fewer_volumes_on_the_right, ["differ in length"]),
    "short feature file": (
        short_feature_file,
        ["does not fit its run", "task-Training_run-02.npy", "(110, n_features)"],
    ),
    "pickled feature file": (pickled_feature_file, ["cannot be read", "task-Training_run-01.npy"]),
    "truncated audio": (short_track, [".wav"]),
    "missing caption": (missing_caption, ["caption", "captions.csv"]),
    "unknown key": (edit_study("delays =", "dealys ="), ["unknown key", "model.dealys", "delays"]),
    "unknown table": (edit_study("[decoding]", "[decodng]"), ["unknown key", "decodng", "decoding"]),
    "unknown extractor": (edit_study('"acoustic"\nstimuli', '"acustic"\nstimuli'), ["acustic", "acoustic"]),
    "wrong type": (edit_study("discard = 15.0", 'discard = "x"'), ["discard", "'x'"]),
    "impossible delay": (edit_study("[4.5, 6.0]", "[4.0]"), ["multiple of the repetition time", "4.5"]),
    "no test run": (edit_study('"test"', '"test"\ntest_runs = "task-Rest*"'), ["must match some runs"]),
    "unknown region": (edit_study("[statistics]", '[maps]\nzoom = "A11"\n[statistics]'), ["unknown region", "A1"]),
    "broken TOML": (edit_study("[model]", "[model"), ["not valid TOML", "study.toml"]),
    "undefined variable": (edit_study('"study/bids"', '"${B2M_NOWHERE}/x"'), ["environment variable", "B2M_NOWHERE"]),
    "output is a file": (edit_study('output = "results"', 'output = "study.toml"'), ["is a file"]),
    "output is taken": (edit_study('output = "results"', 'output = "study"'), ["holds something else"]),
    "cannot write": (edit_study('output = "results"', 'output = "/proc/b2m/results"'), ["cannot be written", "/proc"]),
    "too long blocks": (edit_study("permutations = 200", "block = 100.0"), ["too few blocks", "shorter blocks"]),
    "output is a raw data set": (edit_study('output = "results"', 'output = "study/bids"'), ["holds something else"]),
    "reserved name": (edit_study("[features.acoustic]", "[features.joint]"), ["features.joint", "taken"]),
    "impossible name": (edit_study("[features.acoustic]", '[features."a/b"]'), ["a/b", "match pattern"]),
    "decoding under cross-validation": (edit_study('kind = "test"', 'kind = "cross-validation"'), ["decoding needs"]),
    "transport without its decoder": (edit_study("[decoding]", "[decoding]\ntransport = 0.3"), ["decoding.transport"]),
    "lag in milliseconds": (edit_study("[decoding]", "[decoding]\nlag = 4500"), ["decoding.lag", "4500", "30"]),
    "window longer than a clip": (
        edit_study("[decoding]", "[decoding]\nwindow = 20.0"),
        ["must fit into its clip", "20 s", "at most 15 s", "decoding.window"],
    ),
    "gap shorter than a delay": (
        edit_study('kind = "test"', 'kind = "test"\nblocks = 2\ngap = 3.0'),
        ["at least the longest delay, 6 s"],
    ),
    "one training run": (
        edit_study("average_repeats = true", 'average_repeats = true\ntest_runs = "*[!2]"'),
        ["at least two blocks"],
    ),
    "track is no number": (no_track_number, ["names no track", "events.tsv", "first"]),
    "decodes nothing known": (edit_study('["text"]', '["txt"]'), ["decoding.targets names txt"]),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_ends_with_one_clear_message(
    case: str, tiny_study: Path, b2m: Callable[..., tuple[int, str]]
) -> None:
    damage, expected = CASES[case]
    damage(tiny_study.parent)
    before = sorted(tiny_study.parent.rglob("*"))
    code, printed = b2m("run", tiny_study)
    assert code == 2, printed
    assert "Traceback" not in printed
    for text in expected:
        assert text in printed
    assert sorted(tiny_study.parent.rglob("*")) == before


def test_all_problems_are_told_at_once(tiny_study: Path, b2m: Callable[..., tuple[int, str]]) -> None:
    no_sidecar(tiny_study.parent)
    edit_study('captions = "study/stimuli/captions.csv"', 'captions = "gone.csv"')(tiny_study.parent)
    edit_study("[statistics]", '[maps]\natlas = "brodmann"\n[statistics]')(tiny_study.parent)
    code, printed = b2m("check", tiny_study)
    assert code == 2
    assert printed.count("error:") == 3


def test_one_problem_is_told_once(tiny_study: Path, b2m: Callable[..., tuple[int, str]]) -> None:
    edit_study('["text"]', '["text"]\ndecoders = ["regoins"]')(tiny_study.parent)
    code, printed = b2m("check", tiny_study)
    assert (code, printed.count("error:"), "decoding.decoders.0 = 'regoins'" in printed) == (2, 1, True), printed


def test_all_missing_responses_are_reported_not_fitted(tmp_path: Path, b2m: Callable[..., tuple[int, str]]) -> None:
    study = volume_study(tmp_path)
    header = nib.load(tmp_path / "bold.nii.gz").header
    missing = np.full(header.get_data_shape(), np.nan, dtype=np.float32)
    nib.save(nib.Nifti1Image(missing, np.eye(4), header), tmp_path / "bold.nii.gz")
    code, printed = b2m("run", study)
    assert code == 2
    assert "no target can be tested" in printed
    assert not (tmp_path / "results").exists()


def test_check_describes_a_sound_study(tiny_study: Path, b2m: Callable[..., tuple[int, str]]) -> None:
    code, printed = b2m("check", tiny_study)
    assert code == 0
    assert "3 runs, 430 samples of 1.5 s, 20484 targets on fsaverage5" in printed


def test_debug_shows_the_error(tiny_study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_sidecar(tiny_study.parent)
    monkeypatch.setattr(sys, "argv", ["b2m", "--debug", "check", str(tiny_study)])
    with pytest.raises(ValueError, match="sidecar"):
        cli.main()


def test_version_and_doctor(b2m: Callable[..., tuple[int, str]]) -> None:
    assert b2m("--version") == (0, f"b2m_encoding {__version__}\n")
    code, printed = b2m("doctor")
    assert code == 0
    assert "All is well" in printed or "To put right:" in printed
    assert __version__ in printed
    assert re.search(r"torch\s*│\s*2\.", printed)


@pytest.mark.parametrize("kind", ["musicgenre", "bids", "arrays"])
def test_init_writes_a_study_that_is_read(kind: str, tmp_path: Path, b2m: Callable[..., tuple[int, str]]) -> None:
    code, printed = b2m("init", kind, tmp_path)
    assert code == 0
    assert str(tmp_path / "study.toml") in printed
    code, printed = b2m("check", tmp_path / "study.toml")
    assert code == 2
    assert "unknown key" not in printed
    assert b2m("init", kind, tmp_path)[0] == 2


VOLUME_STUDY = """
name = "volumes"
output = "results"
[data]
reader = "volume"
images = { run-01 = "bold.nii.gz" }
mask = "mask.nii.gz"
events = { run-01 = "events.tsv" }
[features.events]
extractor = "conditions"
groups = { sound = ["sound"] }
[model]
delays = [2.0, 4.0]
[evaluation]
kind = "cross-validation"
blocks = 3
gap = 6.0
[statistics]
permutations = 200
refits = 1000
block = 8.0
"""


def volume_study(folder: Path, shape: tuple[int, ...] = (4, 4, 4, 60), tr: float = 2.0) -> Path:
    rng = np.random.default_rng(0)
    image = nib.Nifti1Image(rng.standard_normal(shape).astype(np.float32) + 100, np.eye(4))
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((1.0, 1.0, 1.0, tr)[: len(shape)])
    nib.save(image, folder / "bold.nii.gz")
    nib.save(nib.Nifti1Image(np.ones((4, 4, 4), dtype=np.uint8), np.eye(4)), folder / "mask.nii.gz")
    events = "\n".join(f"{onset}\t2\tsound" for onset in range(0, 110, 14))
    (folder / "events.tsv").write_text("onset\tduration\ttrial_type\n" + events)
    (folder / "study.toml").write_text(VOLUME_STUDY)
    return folder / "study.toml"


def truncate_gzip(folder: Path) -> None:
    path = folder / "bold.nii.gz"
    path.write_bytes(path.read_bytes()[:5000])


def not_an_image(folder: Path) -> None:
    (folder / "bold.nii.gz").write_bytes(gzip.compress(b"this is no image" * 100))


def broken_annex_link(folder: Path) -> None:
    (folder / "bold.nii.gz").unlink()
    (folder / "bold.nii.gz").symlink_to(".git/annex/objects/gone")


def other_grid(folder: Path) -> None:
    nib.save(nib.Nifti1Image(np.ones((5, 4, 4), dtype=np.uint8), np.eye(4)), folder / "mask.nii.gz")


def latin_events(folder: Path) -> None:
    (folder / "events.tsv").write_bytes("onset\tduration\ttrial_type\n4\t2\tgerätsch\n".encode("latin-1"))


VOLUME_CASES: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "truncated gz": (truncate_gzip, ["truncated", "bold.nii.gz"]),
    "no image": (not_an_image, ["cannot be read", "bold.nii.gz"]),
    "git-annex": (broken_annex_link, ["not downloaded", "datalad get"]),
    "another grid": (other_grid, ["different grids", "resample"]),
    "3-D": (lambda folder: void(volume_study(folder, (4, 4, 4))), ["series of volumes", "4-D"]),
    "repetition time 0": (lambda folder: void(volume_study(folder, tr=0.0)), ["impossible", "0 s"]),
    "condition never occurs": (latin_events, ["never occur", "gerätsch"]),
    "sidecar and header": (
        lambda folder: replace_text(folder / "study.toml", "mask =", "tr = 1.5\nmask ="),
        ["repetition times disagree", "trust_header"],
    ),
}


def void(_: object) -> None:
    return None


@pytest.mark.parametrize("case", VOLUME_CASES)
def test_bad_volumes_end_with_one_clear_message(case: str, tmp_path: Path, b2m: Callable[..., tuple[int, str]]) -> None:
    study = volume_study(tmp_path)
    damage, expected = VOLUME_CASES[case]
    damage(tmp_path)
    code, printed = b2m("run", study)
    assert code == 2, printed
    for text in expected:
        assert text in printed
    assert not (tmp_path / "results").exists()


def test_results_are_complete_and_reopen(tmp_path: Path, b2m: Callable[..., tuple[int, str]]) -> None:
    code, printed = b2m("run", volume_study(tmp_path))
    assert code == 0, printed
    results = tmp_path / "results"
    image = nib.load(results / "sub-01/sub-01_space-MNI152NLin2009cAsym_desc-joint_stat-r_statmap.nii.gz")
    assert image.shape == (4, 4, 4)
    description = json.loads((results / "dataset_description.json").read_text())
    assert description["GeneratedBy"][0]["Version"] == __version__
    provenance = json.loads((results / "provenance.json").read_text())
    names = {re.sub("-[0-9a-f]{8}$", "", name) for name in provenance["inputs"]}  # the atlas lies in another folder
    assert names == {"study.toml", "bold.nii.gz", "mask.nii.gz", "events.tsv", "hcp-mmp1.toml", "mmp_1.0.npz"}
    assert not list(tmp_path.glob(".*partial*"))


def test_help_is_whole_and_in_the_order_of_use(b2m: Callable[..., tuple[int, str]]) -> None:
    code, printed = b2m("-h")
    assert code == 0
    listed = printed.split("Commands:")[1]
    assert "..." not in listed  # no line is cut
    commands = re.findall(r"^  (\w+)  +\S", listed, re.MULTILINE)
    assert commands[:5] == ["demo", "init", "check", "fetch", "run"]
    for group in ("corpus", "models"):
        assert "..." not in b2m(group, "-h")[1].split("Commands:")[1]


def test_completion_knows_the_commands() -> None:
    words = {"_B2M_COMPLETE": "complete_bash", "COMP_WORDS": "b2m fi", "COMP_CWORD": "1"}
    code = "import sys; sys.argv = ['b2m']; from b2m_encoding.cli import app; app(prog_name='b2m')"
    found = subprocess.run([sys.executable, "-c", code], env=os.environ | words, capture_output=True, text=True)
    assert found.stdout.split() == ["figure"], found.stderr


def test_bids_app_writes_a_study_and_names_what_is_missing(
    tiny_study: Path, b2m: Callable[..., tuple[int, str]]
) -> None:
    folder = tiny_study.parent
    code, printed = b2m("bids", folder / "study/bids", folder / "out", "participant", "--participant-label", "99")
    assert (folder / "out_study" / "study.toml").is_file()
    assert code == 2
    assert "Traceback" not in printed
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--limits", "0;1", "0,0.5"),
        ("--limits", "0.5,0", "the lower number first"),
        ("--width", "10", "greater than or equal to 60"),
        ("--dpi", "5000", "less than or equal to 1200"),
        ("--format", "bmp", "png, pdf, svg, tiff"),
        ("--format", "", "png, pdf, svg, tiff"),
        ("--mark", "nan", "such as 0.2"),
        ("--sound", "x.wav", "NAME=FILE"),
    ],
)
def test_wrong_options_of_a_figure_are_named(
    option: str, value: str, told: str, tmp_path: Path, b2m: Callable[..., tuple[int, str]]
) -> None:
    code, printed = b2m("figure", tmp_path, "accuracy", f"{option}={value}")
    assert code == 2
    assert option in printed
    assert told in printed
    assert "study.toml" not in printed


def test_decode_needs_something_to_decode(tmp_path: Path, b2m: Callable[..., tuple[int, str]]) -> None:
    code, printed = b2m("decode", volume_study(tmp_path))
    assert code == 2
    assert "the study decodes nothing" in printed


def test_places_and_names_that_are_not_there_are_told_once(
    tiny_study: Path, tmp_path: Path, b2m: Callable[..., tuple[int, str]]
) -> None:
    """One cause, one message: an unknown subject, a folder of data, a file in the place of a folder."""
    code, printed = b2m("run", tiny_study, "--subject", "99")
    assert code == 2
    assert printed.count("error:") == 1
    assert "unknown subject" in printed
    assert "starting" not in printed
    code, printed = b2m("init", "bids", tmp_path / "typo", "--out", tmp_path / "new")
    assert code == 2
    assert "the folder of the data does not exist" in printed
    assert not (tmp_path / "new").exists()
    (tmp_path / "file.txt").touch()
    code, printed = b2m("init", "bids", tmp_path, "--out", tmp_path / "file.txt")
    assert code == 2
    assert "this is a file" in printed
