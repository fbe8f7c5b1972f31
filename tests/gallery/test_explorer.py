"""`b2m view`: what the page of a results folder holds, with and without held-out responses and sounds."""

from __future__ import annotations

import base64
import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.stats import ttest_1samp

from b2m_encoding.errors import InputError
from b2m_encoding.figures.colours import ScalarColours
from b2m_encoding.figures.interactive import LevelColours, View
from b2m_encoding.gallery import FigureRequest, draw_kind, write_pages
from b2m_encoding.gallery.explorer import build_view, write_view
from b2m_encoding.results import Results, place
from b2m_encoding.results.bundle import ResultsWriter
from b2m_encoding.results.clip_responses import ClipResponses, clip_responses_name
from b2m_encoding.spaces import RegionSpace, grayordinate_space, load_atlas, surface_space

STUDY = """
name = "A <b>study</b>"
note = "simulated data"
[features.acoustic]
[features.text]
[statistics]
q = 0.01
"""
B2M = Callable[..., tuple[int, str]]
CLIPS = ("blues.00001", "jazz.00002", "metal.00003")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A subject on fsaverage5 with held-out responses, and one in grayordinates with few maps."""
    folder, space = tmp_path_factory.mktemp("study") / "results", surface_space("fsaverage5")
    rng = np.random.default_rng(0)
    spaces = {"01": space, "02": grayordinate_space()}
    with ResultsWriter(folder, "test", spaces) as writer:
        for subject, own in spaces.items():
            smooth = np.linspace(0, 0.5, own.n_targets)
            maps = {"acoustic": smooth, "text": smooth[::-1], "joint": np.maximum(smooth, smooth[::-1])}
            for name, values in maps.items() if subject == "01" else [("joint", maps["joint"])]:
                values = np.where(np.arange(own.n_targets) % 997 == 0, np.nan, values)
                writer.write_map(subject, name, "r", values, own, {"Note": "simulated data"})
            writer.write_map(subject, "joint", "q", np.where(maps["joint"] > 0.3, 0.001, 0.2), own, {})
            index = np.where(maps["joint"] > 0.3, np.where(smooth > 0.25, 0.0, 1.0), -2.0)
            writer.write_map(subject, "preference", "index", index, own, {})
            if subject == "02":
                continue
            writer.write_map(subject, "joint", "rlow", maps["joint"] - 0.1, own, {})
            writer.write_map(subject, "joint", "rhigh", maps["joint"] + 0.1, own, {})
            for part, stat in (("acoustic", "unique"), ("text", "unique"), ("acoustic_text", "shared")):
                writer.write_map(subject, part, stat, smooth / 5, own, {})
        best = np.array([5, 10242])
        courses = rng.normal(size=(2, 30)).astype("f4")
        heard = ClipResponses(np.array(CLIPS), np.full(3, 1.0, "f4"), np.full(3, 2.0, "f4"),
                      rng.normal(size=(3, space.n_targets)).astype("f4"), best, courses, courses, 1.5)  # fmt: skip
        heard.save(writer.file("sub-01", clip_responses_name("01")))
        writer.file("study.toml").write_text(STUDY, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def view(bundle: Path) -> View:
    return build_view(bundle)


def test_what_the_page_shows(view: View) -> None:
    assert (view.title, view.note, view.level) == ("A <b>study</b>", "simulated data", 0.01)
    assert [one.key for one in view.maps] == [
        "r-joint", "difference", "r-acoustic", "r-text", "unique-acoustic", "unique-text", "shared-acoustic_text",
    ]  # fmt: skip
    first, second = view.subjects
    assert (first.space.name, second.space.name) == ("fsaverage5", "fsLR")
    assert [one.key for one in view.maps if view.drawable(one, second)] == ["r-joint"]
    accuracy = {one.colours for one in view.maps if one.key.startswith("r-")}
    assert len(accuracy) == 1  # common limits
    joint = first.scores["r-joint"]
    assert first.q is not None
    tested = np.isfinite(joint)
    assert 0 < (~tested).sum() < 100
    assert np.array_equal((first.q < 0.01)[tested], joint[tested] > 0.3)
    low, high = first.intervals["r-joint"]
    assert np.allclose((high - low)[np.isfinite(low)], 0.2, atol=1e-5)
    for subject in view.subjects:
        assert subject.preference is not None
        assert set(np.unique(subject.preference[np.isfinite(subject.preference)])) <= {-2.0, 0.0, 1.0}
    assert "q < 0.01" in view.caption


def test_held_out_responses(bundle: Path, view: View) -> None:
    first, second = view.subjects
    assert second.best is second.courses is None
    assert [clip.name for clip in view.clips] == list(CLIPS)
    kept = ClipResponses.load(bundle / "sub-01" / clip_responses_name("01"))
    assert first.best is not None
    significant = np.linspace(0, 0.5, first.space.n_targets)
    significant = np.maximum(significant, significant[::-1]) > 0.3
    expected = np.where(significant, kept.responses.argmax(axis=0), -1)
    assert np.array_equal(first.best.clips[:, 0], expected)
    assert first.courses is not None
    atlas = load_atlas("hcp-mmp1", first.space)
    assert significant[kept.targets].tolist() == [True, False]
    assert len(first.courses.measured) == 1
    for row, target in enumerate(kept.targets[:1]):
        members = np.flatnonzero(first.courses.row == row)
        side = members < first.space.n_vertices
        assert (atlas.labels[members] == atlas.labels[target]).all()
        assert (side == (target < first.space.n_vertices)).all()
        assert target in members or np.isnan(first.scores["r-joint"][target])


def test_sounds_become_part_of_the_page(bundle: Path, tmp_path: Path, b2m: B2M) -> None:
    stimuli = tmp_path / "stimuli" / "blues"
    stimuli.mkdir(parents=True)
    wave = 0.3 * np.sin(2 * np.pi * 440 * np.arange(5 * 22050) / 22050)
    soundfile.write(stimuli / "blues.00001.wav", wave, 22050)
    out = tmp_path / "new" / "page.html"
    code, printed = b2m("view", bundle, "--out", out, "--subject", "01", "--sounds", tmp_path / "stimuli")
    assert (code, f"wrote {out}" in printed) == (0, True), printed
    page = out.read_text("utf-8")
    assert "<b>study" not in page
    found = page.split("data:audio/mpeg;base64,")[1:]
    assert len(found) == 1
    heard, rate = soundfile.read(io.BytesIO(base64.b64decode(found[0].split('"')[0])))
    assert 1.9 < len(heard) / rate < 2.2  # the two seconds that were played
    spectrum = np.abs(np.fft.rfft(heard))
    assert abs(np.fft.rfftfreq(len(heard), 1 / rate)[spectrum.argmax()] - 440) < 2
    assert [path.name for path in out.parent.iterdir()] == ["page.html"]


def test_nothing_significant_and_one_feature_space(tmp_path: Path, rng: np.random.Generator) -> None:
    """A null result still has a page: every map is there, and nothing is shown as significant."""
    space = surface_space("fsaverage5")
    with ResultsWriter(tmp_path / "null", "null", ["01"]) as writer:
        writer.write_map("01", "joint", "r", 0.01 * rng.standard_normal(space.n_targets), space, {})
        writer.write_map("01", "joint", "q", np.ones(space.n_targets), space, {})
        writer.file("study.toml").write_text(STUDY.replace("[features.text]\n", ""), encoding="utf-8")
    view = build_view(tmp_path / "null")
    assert [one.key for one in view.maps] == ["r-joint"]
    [subject] = view.subjects
    assert subject.q is not None
    assert (subject.q >= view.level).all()
    assert subject.best is subject.courses is subject.preference is None
    page = tmp_path / "null/view.html"
    assert write_view(tmp_path / "null") == page
    assert '<a href="report.html">Report</a>' in page.read_text()
    assert 'href="report.html"' not in write_view(tmp_path / "null", tmp_path / "elsewhere.html").read_text()


def test_maps_of_single_feature_spaces_are_masked_by_their_own_significance(tmp_path: Path) -> None:
    space = surface_space("fsaverage5")
    n = np.arange(space.n_targets)
    with ResultsWriter(tmp_path / "own", "own", ["01"]) as writer:
        for model, below in (("joint", n < 10), ("acoustic", n < 5), ("text", n == 20)):
            writer.write_map("01", model, "r", np.where(n < 50, 0.4, 0.01), space, {})
            writer.write_map("01", model, "q", np.where(below, 0.001, 0.5), space, {})
        writer.file("study.toml").write_text(STUDY, encoding="utf-8")
    view = build_view(tmp_path / "own")
    [subject] = view.subjects
    shown = {key: np.flatnonzero(q < view.level).tolist() for key, q in subject.own_q.items()}
    assert shown == {"r-acoustic": [0, 1, 2, 3, 4], "r-text": [20]}
    assert subject.q is not None
    assert np.flatnonzero(subject.q < view.level).tolist() == list(range(10))
    assert "each of them alone" in view.caption


def test_three_feature_spaces_have_a_map_of_the_preferred_one(tmp_path: Path) -> None:
    space = surface_space("fsaverage5")
    index = np.arange(space.n_targets) % 5 - 2.0
    with ResultsWriter(tmp_path / "three", "three", ["01"]) as writer:
        writer.write_map("01", "joint", "r", np.full(space.n_targets, 0.3), space, {})
        writer.write_map("01", "joint", "q", np.full(space.n_targets, 0.001), space, {})
        writer.write_map("01", "preference", "index", index, space, {})
        writer.file("study.toml").write_text(STUDY + "[features.w2v_bert]\n", encoding="utf-8")
    view = build_view(tmp_path / "three")
    [_, preferred] = view.maps
    assert isinstance(preferred.colours, LevelColours)
    assert preferred.colours.names == view.feature_spaces == ("acoustic", "text", "w2v_bert")
    assert np.array_equal(view.subjects[0].scores["preferred"], index)
    assert [one.measure for one in view.scores if one.key == "preferred"] == [""]


def test_bad_requests_are_told(bundle: Path, tmp_path: Path, b2m: B2M) -> None:
    (tmp_path / "empty").mkdir()
    for arguments, expected in (
        ((bundle, "--subject", "09"), "no such subject"),
        ((bundle, "--sounds", tmp_path / "nowhere"), "does not exist"),
        ((bundle, "--sounds", tmp_path / "empty"), "blues.00001.wav"),
        ((tmp_path / "empty",), "no results here"),
        ((bundle, "--out", tmp_path / "empty"), "name of a file"),
    ):
        code, printed = b2m("view", *arguments)
        assert code == 2
        assert expected in printed
    regions = tmp_path / "regions"
    with ResultsWriter(regions, "test", ["01"]) as writer:
        writer.write_map("01", "joint", "r", np.array([0.1, 0.2]), RegionSpace(("A1", "A5")), {})
        writer.file("study.toml").write_text(STUDY, encoding="utf-8")
    with pytest.raises(InputError, match="can be drawn on a cortex"):
        write_view(regions)


def test_a_page_or_figure_is_not_written_into_results_that_a_run_may_replace(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = tmp_path / "results"
    shutil.copytree(finished, results)
    (results / "view.html").unlink()
    monkeypatch.setattr(place, "WAIT", 0.0)
    writers: dict[str, Callable[[Path | None], object]] = {
        "view": lambda out: write_view(results, out and out / "a.html"),
        "figure": lambda out: draw_kind(results, "scatter", FigureRequest(), {"formats": ("png",)}, out),
        "report": lambda out: write_pages(Results.open(results)) if out is None else None,
    }
    before = sorted(results.rglob("*"))
    with place.results_locked(place.work_folder_of(results)):
        for write in writers.values():
            with pytest.raises(InputError, match="another run is working on these results"):
                write(None)
            write(tmp_path / "elsewhere")
    assert sorted(results.rglob("*")) == before
    for write in writers.values():
        write(None)
    assert (results / "view.html").exists()
    being_written = tmp_path / ".results.partial-1-ab"
    shutil.copytree(finished, being_written)
    write_pages(Results.open(being_written))  # by the run that holds the lock
    assert not list(tmp_path.glob("*partial*work"))


@pytest.mark.parametrize("n", [2, 3])
def test_the_group_is_one_more_subject(tmp_path: Path, n: int) -> None:
    """Means, counts, and from three subjects on a t, whose oracle is SciPy's."""
    space, rng = surface_space("fsaverage5"), np.random.default_rng(1)
    r = np.clip(0.3 + 0.1 * rng.standard_normal((n, space.n_targets)), 0.01, 0.9).astype("f4")
    r[:, 100:] -= 0.3
    with ResultsWriter(tmp_path / "group", "group", [f"{i}" for i in range(n)]) as writer:
        for i, own in enumerate(r):
            holed = np.where((np.arange(space.n_targets) == 7) & (i == 0), np.nan, own)
            writer.write_map(str(i), "joint", "r", holed, space, {})
            writer.write_map(str(i), "joint", "q", np.where(own > 0.25, 0.001, 0.5), space, {})
            writer.write_map(str(i), "joint", "ceiling", np.full(space.n_targets, 0.6), space, {})
            for one in ("pc1", "pc2", "pc3"):
                writer.write_map(str(i), "joint", one, np.where(own > 0.25, own - 0.3, np.nan), space, {})
            writer.write_map(str(i), "joint", "lag", own + 4, space, {"Delays": [3.0, 4.5, 6.0]})
        writer.file("study.toml").write_text(STUDY.replace("[features.text]\n", ""), encoding="utf-8")
    view = build_view(tmp_path / "group")
    keys = [one.key for one in view.maps]
    assert keys == ["r-joint", "ceiling", "pc1", "pc2", "pc3", "lag", "overlap", *(["t"] if n > 2 else [])]
    group = view.subjects[-1]
    assert [one.name for one in view.subjects] == [*map(str, range(n)), "group"]
    assert [one.key for one in view.maps if view.drawable(one, group)] == ["r-joint", "ceiling", *keys[6:]]
    assert (view.maps[5].colours.vmin, view.maps[5].colours.vmax, view.maps[5].strength) == (3.0, 6.0, "r-joint")
    known = np.arange(space.n_targets) != 7
    assert np.allclose(group.scores["r-joint"][known], r.mean(axis=0)[known], atol=1e-5)
    assert np.isnan(group.scores["r-joint"][7])
    assert np.array_equal(group.scores["overlap"], ((r > 0.25) & (known | (np.arange(n) > 0)[:, None])).sum(axis=0))
    assert (group.q is None) == (n < 3)
    if group.q is not None:
        expected = ttest_1samp(np.arctanh(r[:, :50].astype(float)), 0)
        assert np.allclose(group.scores["t"][:7], expected.statistic[:7], rtol=1e-4)
        assert "one-sample t" in view.caption
    colours = view.maps[2].colours
    assert isinstance(colours, ScalarColours)
    assert colours.vmin == -colours.vmax
