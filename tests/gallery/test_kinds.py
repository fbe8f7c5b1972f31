"""`b2m figure`: every kind from a results folder alone, in files of the asked size."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from itertools import combinations, product
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image

from b2m_encoding.errors import InputError
from b2m_encoding.figures.page import FigureResult, Page
from b2m_encoding.figures.settings import ReportFigure
from b2m_encoding.gallery.context import FigureContext, FigureRequest
from b2m_encoding.gallery.kinds import KINDS
from b2m_encoding.gallery.tables import fewer_decoders, region_ceilings
from b2m_encoding.results.bundle import ResultsWriter
from b2m_encoding.results.clip_responses import ClipResponses, write_clip_responses
from b2m_encoding.results.design_summary import DesignSummary, write_design
from b2m_encoding.results.schema import tables
from b2m_encoding.spaces import VolumeSpace, load_atlas, surface_space
from b2m_encoding.study import load_study

NAMES = ("acoustic", "text", "w2v_bert")
STUDY = """
name = "A study"
note = "simulated data"
[features.acoustic]
[features.text]
[features.w2v_bert]
[statistics]
q = 0.01
[figures]
width_mm = 89
dpi = 80
formats = ["png"]
"""
B2M = Callable[..., tuple[int, str]]


def scores(seed: int, *regions: str) -> np.ndarray:
    """A bump on some regions, and noise."""
    space = surface_space("fsaverage5")
    atlas, rng = load_atlas("hcp-mmp1", space), np.random.default_rng(seed)
    inside = np.any([atlas.mask(region) for region in regions], axis=0)
    return np.where(inside, 0.4, 0.0) + 0.03 * rng.standard_normal(space.n_targets)


def write_diagnostics(writer: ResultsWriter, subject: str) -> None:
    """What figures of the data, the design and the models of a subject need, in small."""
    rng = np.random.default_rng(9)
    curve = [("core", d, m - 0.1, m, m + 0.1, 12) for d, m in ((3.0, 0.4), (4.5, 1.0), (6.0, 0.6))]
    writer.write_table(tables.DELAYS, pd.DataFrame(curve, columns=list(tables.DELAYS.columns)), subject)
    moved = [("run-1", i, 0.1 * i) for i in range(8)] + [("run-2", i, 0.2) for i in range(8)]
    writer.write_table(tables.MOTION, pd.DataFrame(moved, columns=list(tables.MOTION.columns)), subject)
    values = rng.normal(size=(20, 4)).astype("f4")
    names, spaces = np.array(["loudness", "1", "2", "PC 1"]), np.array(["acoustic", "text", "text", "w2v_bert"])
    times, related = np.arange(20, dtype="f4"), np.corrcoef(values.T).astype("f4")
    summary = DesignSummary("run-1", spaces, names, np.array(["w2v_bert"]), times, values, related)
    write_design(writer, subject, summary, None)
    found = scores(0, "A1")
    best = np.array([int(np.argmax(found)), 3])
    courses, clips = rng.normal(size=(2, 2, 30)).astype("f4"), np.array(["jazz.00000"])
    one = np.ones(1, dtype="f4")
    heard = ClipResponses(clips, one, one, found[None].astype("f4"), best, courses[0], courses[1], 1.5)
    write_clip_responses(writer, subject, heard, None)


def write_lag(writer: ResultsWriter, subject: str) -> None:
    """Delays of the largest weights, one of which lies at the end; one feature space has no weights in a target."""
    space = surface_space("fsaverage5")
    lags = np.clip(5 + 5 * scores(8, "A1"), 3, 6.5)
    about = {"Delays": [3.0, 4.5, 6.0, 7.5], "DelayPrior": "hrf"}
    writer.write_map(subject, "joint", "lag", lags, space, about)
    writer.write_map(subject, "text", "lag", np.where(np.arange(len(lags)) == 5, np.nan, 3.0), space, about)


def write_stack(writer: ResultsWriter, subject: str) -> None:
    """Weights of the members of a stacked model."""
    space = surface_space("fsaverage5")
    for name in (*NAMES, "joint"):
        writer.write_map(subject, name, "stack", np.clip(0.25 + scores(7, "A1"), 0, 1), space, {})
        if name != "joint":
            writer.write_map(subject, name, "stackwithout", np.full(space.n_targets, 0.1), space, {})


def write_learning(writer: ResultsWriter) -> None:
    """Learning curves of two subjects."""
    fits = product(("01", "02"), "LR", ("core", "belt", "A4", "A5", "STV"), (*NAMES, "joint"), ((1, 2), (2, 2), (0, 4)))
    rows = [(s, h, region, name, d, n, 7.5 * n, 0.05 * n + 0.01 * d, 9) for s, h, region, name, (d, n) in fits]
    writer.write_table(tables.LEARNING, pd.DataFrame(rows, columns=list(tables.LEARNING.columns)))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study") / "results"
    space = surface_space("fsaverage5")
    with ResultsWriter(folder, "test", ["01", "02"]) as writer:
        for number, subject in enumerate(("01", "02")):
            maps = {
                name: scores(3 * number + i, region)
                for i, (name, region) in enumerate(zip(NAMES, ("A1", "A5", "PBelt"), strict=True))
            }
            joint = np.max(list(maps.values()), axis=0)
            for name, values in {**maps, "joint": joint}.items():
                holed = np.where(np.arange(space.n_targets) % 997 == 0, np.nan, values)
                about = {"SamplesTrained": 400, "SamplesTested": 60, "Test": "clip", "Permutations": 1000}
                writer.write_map(subject, name, "r", holed, space, about)
            writer.write_map(subject, "joint", "q", np.where(joint > 0.2, 0.001, 0.5), space, about)
            for name in (
                NAMES if subject == "02" else ()
            ):  # results of an earlier version have q of the joint model only
                writer.write_map(subject, name, "q", np.where(maps[name] > 0.3, 0.001, 0.5), space, about)
            writer.write_map(subject, "joint", "ceiling", np.full(space.n_targets, 0.6 + 0.1 * number), space, {})
            writer.write_map(subject, "joint", "rnormalised", np.where(joint > 0.1, joint / 0.6, np.nan), space, {})
            for n in (1, 2, 3) if subject == "02" else ():
                share = np.clip(maps[NAMES[n - 1]] - joint / 3, -0.2, 0.2)
                writer.write_map(subject, "joint", f"pc{n}", share, space, {"Explained": 0.2 / n})
            write_stack(writer, subject)
            write_lag(writer, subject)
            for n in (1, 2, 3):
                for part in combinations(NAMES, n):
                    stat, sidecar = "unique" if n == 1 else "shared", {"FeatureSpaces": list(part)}
                    writer.write_map(subject, "_".join(part), stat, maps[part[0]] / 10, space, sidecar)
        named = [("core", h, "acoustic", f"feature {i}", 0.1 * i) for h in "LR" for i in range(5)]
        for subject in ("01", "02"):
            table = pd.DataFrame(named, columns=["region", "hemisphere", "feature_space", "feature", "r"])
            table = table.assign(low=table["r"] - 0.2, high=table["r"] + 0.2, q=0.02, clips=20)
            writer.write_table(tables.TAGS, table, subject)
            index = np.where(joint > 0.2, np.arange(space.n_targets) % 5, -2.0)
            for stat, values in (("tag", index), ("tagshare", np.where(joint > 0.2, 0.7, np.nan))):
                about = {"Levels": [f"feature {i}" for i in range(5)]}
                writer.write_map(subject, "acoustic", stat, values, space, about)
            write_diagnostics(writer, subject)
        rows = [
            (s, h, r, f, 0.1 + 0.1 * (f == "text"))
            for s in ("01", "02")
            for h in "LR"
            for r in ("core", "belt")
            for f in NAMES
        ]
        writer.write_table(
            tables.REGIONS, pd.DataFrame(rows, columns=["subject", "hemisphere", "region", "feature_space", "score"])
        )
        tests = [("core", "acoustic", "text", 0.001), ("belt", "acoustic", "text", 0.2)]
        volumes = [(s, f"run-{i}", 1.5, 80.0 + i) for s in ("01", "02") for i in (1, 2)]
        writer.write_table(tables.QUALITY, pd.DataFrame(volumes, columns=["subject", "run", "tr", "tsnr"]))
        writer.write_table(tables.REGION_TESTS, pd.DataFrame(tests, columns=["region", "first", "second", "q"]))
        clips = [
            (s, "text", f"{g}.{i:05d}", 1 - i / 9, f"{g}.00000")
            for s in ("01", "02")
            for i, g in enumerate(["jazz", "pop"] * 5)
        ]
        identified = pd.DataFrame(clips, columns=["subject", "target", "clip", "accuracy", "identified"])
        unheard = identified["accuracy"] - 0.1
        writer.write_table(tables.IDENTIFICATION, identified.assign(decoder="regions", accuracy_unheard=unheard))
        curve = [(s, "text", "regions", a, 0.5 / a, 0.1) for s in ("01", "02") for a in (1.0, 10.0)]
        write_learning(writer)
        writer.write_table(tables.PENALTIES, pd.DataFrame(curve, columns=list(tables.PENALTIES.columns)))
        judged = identified.rename(columns={"accuracy": "value"}).drop(columns="identified").assign(
            decoder="regions", corpus="songs", group=identified["clip"].str.split(".").str[0])  # fmt: skip
        measures = [("decoded space", "identification"), ("AudioSet", "genre")]
        every = [judged.assign(method=m, encoder=n, measure=k) for m in ("retrieved", "chance") for n, k in measures]
        writer.write_table(tables.CLIP_EVALUATION, pd.concat(every))
        columns = ["clip", "stimulus", "start", "duration", "group", "grouped_by"]
        names = dict.fromkeys(name for clip in clips for name in (clip[2], clip[4]))
        rows = [(name, f"{name}.wav", 0.0, 15.0, name.partition(".")[0], "style") for name in names]
        writer.write_table(tables.CLIPS, pd.DataFrame(rows, columns=columns))
        summary = [{"subject": s, "feature_space": "text", "chance_interval_95": [0.4, 0.6]} for s in ("01", "02")]
        writer.write_json("identification.json", {"subjects": summary})
        writer.write_json(
            "provenance.json", {"versions": {"b2m-encoding": "0.1", "torch": "2.0"}, "seed": 7, "inputs": {}}
        )
        writer.file("study.toml").write_text(STUDY)
    return folder


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of a volume in no standard space."""
    mask = np.zeros((8, 9, 6), dtype=bool)
    mask[1:7, 1:8, 1:5] = True
    space = VolumeSpace(mask, np.diag([3.0, 3, 3, 1]), "scanner")
    mean = np.linspace(100, 1000, space.n_targets)
    folder = tmp_path_factory.mktemp("volumes") / "results"
    with ResultsWriter(folder, "test", {"01": space}) as writer:
        writer.write_map("01", "joint", "r", np.full(space.n_targets, 0.3), space, {})
        writer.write_map("01", "joint", "q", np.where(mean > 900, 0.001, 0.5), space, {})
        writer.write_map("01", "measured", "mean", mean, space, {})
        writer.file("study.toml").write_text(STUDY)
    return folder


def make(bundle: Path, kind: str, subject: str = "01", **choices: object) -> FigureResult:
    return KINDS[kind].draw(FigureContext.open(bundle, FigureRequest(**choices), {}), subject)  # type: ignore[arg-type]


WHOLE = ("quality", "design", "ceiling", "timecourses", "profile")
"""Kinds that show more than what is significant."""
MAPS = [kind for kind in KINDS if kind not in ("weights", "stimulus", "slices", "group")]


def test_a_report_is_of_kinds_that_exist() -> None:
    assert set(get_args(ReportFigure)) <= set(KINDS)


@pytest.mark.parametrize("kind", MAPS)
def test_every_kind_is_drawn_from_the_folder_alone(bundle: Path, b2m: B2M, tmp_path: Path, kind: str) -> None:
    before = {path: path.stat().st_mtime_ns for path in bundle.rglob("*")}
    formats = ("png", "svg") if kind in ("accuracy", "regions") else ("png",)
    code, printed = b2m("figure", bundle, kind, "--subject", "01", "--out", tmp_path, "--format", ",".join(formats))
    assert code == 0, printed
    assert {path: path.stat().st_mtime_ns for path in bundle.rglob("*")} == before
    [png] = tmp_path.glob("*.png")
    assert {path.suffix for path in tmp_path.iterdir()} == {*(f".{one}" for one in formats), ".tsv", ".txt"}
    with Image.open(png) as image:
        assert image.width == pytest.approx(89 / 25.4 * 80, abs=1)
    caption = png.with_suffix(".txt").read_text()
    shown = caption.split("\n\n")[0]
    assert shown.endswith("Note: simulated data.")
    assert len(shown.split()) <= 75, shown  # what a reader needs at the picture; the report folds the rest
    assert "Study: A study." in caption
    assert "Computed with b2m-encoding 0.1, torch 2.0, seed 7." in caption
    if KINDS[kind].per_subject and kind not in ("scatter", "tags", "tagprofile"):
        assert (
            "Models trained on 400 and tested on 60 samples; significance: 1,000 exchanges of clips within runs."
            in caption
        )
        assert ("q < 0.01 (FDR) in the joint model" in caption) == (kind not in WHOLE)
    assert len(pd.read_csv(png.with_suffix(".tsv"), sep="\t"))


@pytest.mark.parametrize("kind", KINDS)
def test_no_words_overlap_or_leave_the_page_at_widths_of_journals(
    kind: str, bundle: Path, volume: Path, tmp_path: Path, text_problems: Callable[[Page], list[str]]
) -> None:
    """Every kind: a new one is tested too, and may need more in the results above."""
    soundfile.write(tmp_path / "a.wav", np.sin(np.arange(16_000) / 9), 16_000)
    request = FigureRequest(sounds={"presented": tmp_path / "a.wav", "retrieved": tmp_path / "a.wav"})
    for width in (89, 120, 183):
        context = FigureContext.open(volume if kind == "slices" else bundle, request, {"width_mm": width, "dpi": 72})
        found = KINDS[kind].draw(context, context.subjects[-1] if KINDS[kind].per_subject else "")
        assert text_problems(found.figure) == [], width
        assert found.figure.get_figwidth() * 25.4 == pytest.approx(min(width, 89) if kind == "scatter" else width)


def test_width_subjects_and_file_names(bundle: Path, b2m: B2M, tmp_path: Path) -> None:
    code, printed = b2m(
        "figure", bundle, "accuracy", "--model", "text", "--zoom", "--width", 120, "--dpi", 72, "--out", tmp_path
    )
    assert code == 0, printed
    assert sorted(path.name for path in tmp_path.glob("*.png")) == [
        f"sub-{s}_accuracy_text_zoom.png" for s in ("01", "02")
    ]
    with Image.open(tmp_path / "sub-01_accuracy_text_zoom.png") as image:
        assert image.width == pytest.approx(120 / 25.4 * 72, abs=1)


def test_one_figure_has_the_name_it_is_given(bundle: Path, b2m: B2M, tmp_path: Path) -> None:
    ask = ("figure", bundle, "scatter", "--dpi", 72, "--out")
    code, printed = b2m(*ask, tmp_path / "new" / "map.svg", "--subject", "sub-01")
    assert code == 0, printed
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["map.svg", "map.tsv", "map.txt"]
    code, printed = b2m(*ask, tmp_path / "map.png")
    assert code == 2
    assert "one file cannot hold the figures of 2 subjects" in printed
    code, printed = b2m(*ask, tmp_path / "map.jpg")
    assert code == 2
    assert "png, pdf, svg, tiff" in printed


def test_list_of_kinds(b2m: B2M) -> None:
    code, printed = b2m("figure", "--list")
    assert code == 0
    assert [line.split()[0] for line in printed.splitlines()] == list(KINDS)


def test_scores_and_significance_are_those_of_the_maps(bundle: Path) -> None:
    found = make(bundle, "accuracy")
    wanted = np.max([scores(i, region) for i, region in enumerate(("A1", "A5", "PBelt"))], axis=0)
    tested = np.arange(len(wanted)) % 997 != 0
    assert np.allclose(found.table["score"][tested], wanted[tested], atol=1e-5)
    assert (found.table["significant"] == (tested & (wanted > 0.2))).all()
    assert "median 0.60" in found.caption


def test_every_figure_says_which_significance_masks_it(bundle: Path) -> None:
    """Subject 02 has q of every model, subject 01 that of the joint model alone."""
    own, old = (make(bundle, "accuracy", subject, models=("text",)) for subject in ("02", "01"))
    wanted = (scores(4, "A5") > 0.3) & (np.arange(len(own.table)) % 997 != 0)
    assert (own.table["significant"] == wanted).all()
    assert "significant at q < 0.01 (FDR) in the model of text alone" in own.caption
    assert "in the joint model" in old.caption
    joint = make(bundle, "accuracy", "02", models=("text",), mask="joint")
    assert "in the joint model" in joint.caption
    assert joint.table["significant"].sum() > wanted.sum()
    assert "significant" not in make(bundle, "accuracy", "02", mask="tested").table
    assert "in the joint model" in make(bundle, "preference", "02", models=("acoustic", "text")).caption
    pair = make(bundle, "preference", "02", models=("acoustic", "text"), mask="own")
    either = (scores(3, "A1") > 0.3) | (scores(4, "A5") > 0.3)
    assert (pair.table["significant"] == (either & (np.arange(len(either)) % 997 != 0))).all()
    assert "in the model of acoustic or of text, each alone" in pair.caption
    for score in ("unique", "stack"):
        parts = make(bundle, "accuracy", "02", models=("text",), score=score)
        assert "in the joint model" in parts.caption


def test_scatter_and_regions_say_which_targets_they_show(bundle: Path) -> None:
    pair = {"models": ("acoustic", "text")}
    assert "(tested, predicted or not)" in make(bundle, "scatter", "02", **pair).caption
    masked = make(bundle, "scatter", "02", **pair, mask="own")
    assert len(masked.table) < 2000
    assert "each alone" in masked.caption
    whole, joint = (make(bundle, "regions", "", subjects=("02",), mask=mask) for mask in (None, "joint"))
    assert "that are tested, predicted or not" in whole.caption
    assert "in the joint model" in joint.caption
    atlas, r = (
        load_atlas("hcp-mmp1", surface_space("fsaverage5")),
        [scores(3 + i, n) for i, n in enumerate(("A1", "A5"))],
    )
    third = scores(5, "PBelt")
    inside = atlas.mask("core", "L") & (np.max([*r, third], axis=0) > 0.2) & (np.arange(len(third)) % 997 != 0)
    [row] = joint.table.query("region == 'core' and hemisphere == 'L' and feature_space == 'text'").itertuples()
    assert row.score == pytest.approx(r[1][inside].mean(), abs=1e-5)


def test_scores_of_every_kind(bundle: Path) -> None:
    normalised = make(bundle, "accuracy", score="rnormalised").caption
    assert "have a noise ceiling" in normalised
    assert "Colour limits 0 to 1;" in normalised  # though some values lie above it
    assert "1 is the ceiling, which is an estimate" in normalised
    ceiling = make(bundle, "accuracy", score="ceiling")
    assert "significant" not in ceiling.table
    assert (ceiling.table["score"] == np.float32(0.6)).sum() > 20_000
    assert "outlined" in make(bundle, "accuracy", contour=True).caption
    assert "median" not in ceiling.caption
    several = make(bundle, "subjects", "", models=("w2v_bert",)).caption
    assert "Prediction accuracy (r) of w2v_bert in 2 subjects." in several


def test_delays_of_the_largest_weights(bundle: Path) -> None:
    """All delays of the model have a colour; a feature space is masked by its own significance, as its accuracy is."""
    found = make(bundle, "lag", "02")
    assert "Colour limits 3 to 7.5" in found.caption
    assert "no neural latencies" in found.caption
    assert "may lie beyond" not in found.caption
    text = make(bundle, "lag", "02", models=("text",))
    n = int((text.table["significant"]).sum())
    assert f"in {n:,} of {n:,} (100%) vertices in colour the peak may lie beyond" in text.caption
    study = bundle / "study.toml"
    try:
        study.write_text(STUDY.replace("dpi = 80", "dpi = 80\nlimits = [0.0, 0.5]"))
        assert "Colour limits 3 to 7.5" in make(bundle, "lag", "02").caption  # limits of a study are those of scores
    finally:
        study.write_text(STUDY)
    assert "pale: not tested, or no weights" in text.caption
    assert "in the model of text alone" in text.caption
    assert not text.table["tested"][5]
    with pytest.raises(InputError, match="three or more equally spaced"):
        make(bundle, "lag", "02", models=("acoustic",))


def test_parts_are_told_from_the_sidecars(bundle: Path) -> None:
    table = make(bundle, "partition").table
    assert {"acoustic", "text", "w2v_bert", "acoustic+w2v_bert", "acoustic+text+w2v_bert"} <= set(table)


def test_regions_have_ceiling_and_brackets(bundle: Path) -> None:
    found = make(bundle, "regions", "")
    assert "1 of 2 tested differences have q < 0.01" in found.caption
    ceilings = region_ceilings(FigureContext.open(bundle, FigureRequest(), {}), ("core", "belt"))
    assert ceilings is not None
    assert ceilings[["lower", "upper"]].to_numpy() == pytest.approx(np.array([[0.6, 0.7]] * 2))


def test_decoding_knows_the_groups(bundle: Path) -> None:
    table = make(bundle, "decoding", "").table
    assert set(table["style"]) == set(table["identified_style"]) == {"jazz", "pop"}


def test_as_many_decoders_are_drawn_as_there_are_colours() -> None:
    names = ("regions", "ridge", "inverse", "contrastive")
    rows = [(target, name, clip) for target in ("text", "sound") for name in names for clip in "ab"]
    table = pd.DataFrame(rows, columns=["target", "decoder", "clip"])
    shown, left_out = fewer_decoders(table, 6)
    kept = shown.groupby("target")["decoder"].unique()
    assert kept["text"].tolist() == kept["sound"].tolist() == ["regions", "ridge", "inverse"]
    assert len(shown) == 12
    assert left_out == ["text by contrastive", "sound by contrastive"]
    assert fewer_decoders(table, 8)[1] == []
    assert fewer_decoders(table.drop(columns="decoder"), 1)[1] == []


def test_slices_in_no_standard_space_lie_on_the_mean_of_the_first_run(volume: Path) -> None:
    found = make(volume, "slices")
    assert "axial slices on the given image" in found.caption
    greys = np.concatenate([np.ravel(axes.images[0].get_array()[..., 0]) for axes in found.figure.axes[:4]])
    assert len(np.unique(greys.round(3))) > 50  # the image, not one grey of a mask


def test_sounds(bundle: Path, b2m: B2M, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.sin(np.arange(22_050) / 9), 22_050)
    arguments = ("figure", bundle, "stimulus", "--out", tmp_path / "out")
    code, printed = b2m(*arguments, "--sound", f"heard={tmp_path / 'a.wav'}")
    assert code == 0, printed
    assert "heard" in (tmp_path / "out/stimulus.txt").read_text()
    for sound, words in (
        (("--sound", "a.wav"), "NAME=FILE"),
        (("--sound", "heard=b.wav"), "not found"),
        ((), "no sound"),
    ):
        code, printed = b2m(*arguments, *sound)
        assert (code, words in printed) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["acuracy"], "unknown kind of figure"),
        (["accuracy", "--subject", "03"], "01, 02"),
        (["accuracy", "--model", "mulan"], "acoustic, text, w2v_bert"),
        (["accuracy", "--score", "r3"], "no such map"),
        (["accuracy", "--width", "10"], "greater than or equal to 60"),
        (["accuracy", "--format", "bmp"], "png"),
        (["accuracy", "--region", "corre"], "core"),
        (["weights"], "no components of the weights"),
        (["accuracy", "--score", "stackwithout"], "text/stackwithout"),
        (["preference", "--model", "text"], "shows 2 feature spaces"),
        ([], "b2m figure RESULTS KIND"),
    ],
)
def test_what_cannot_be_drawn_is_named(
    bundle: Path, b2m: B2M, tmp_path: Path, arguments: list[str], words: str
) -> None:
    code, printed = b2m("figure", bundle, *arguments, *(["--out", tmp_path] if arguments else []))
    assert code == 2, printed
    assert words in printed
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_results_and_a_damaged_study(bundle: Path, b2m: B2M, tmp_path: Path) -> None:
    code, printed = b2m("figure", tmp_path, "accuracy")
    assert (code, "no results here" in printed) == (2, True)
    shutil.copytree(bundle, tmp_path / "copy")
    (tmp_path / "copy/study.toml").write_text(STUDY.replace("q = 0.01", "q = 2"))
    code, printed = b2m("figure", tmp_path / "copy", "accuracy")
    assert (code, bool(re.search(r"q = 2", printed))) == (2, True)


def test_components_of_weights_are_drawn_where_they_are(bundle: Path, tmp_path: Path) -> None:
    """The names under which the figure looks for them."""
    folder, space = tmp_path / "copy", surface_space("fsaverage5")
    shutil.copytree(bundle, folder)
    stem = "sub-01_hemi-{}_space-fsaverage5_desc-joint_stat-{}_statmap.func.gii"
    for number in (1, 2, 3):
        for hemi in "LR":
            path = folder / "sub-01" / stem.format(hemi, f"pc{number}")
            shutil.copy(folder / "sub-01" / stem.format(hemi, "r"), path)
            path.with_name(path.name.replace(".func.gii", ".json")).write_text('{"Explained": 0.2}')
    found = make(folder, "weights")
    assert "20.0% of the variance" in found.caption
    assert {"PC 1", "PC 2", "PC 3"} <= set(found.table)
    assert len(found.table) == space.n_targets


STUDY_FILE = """
name = "A study"
output = "results"
[data]
reader = "bids"
root = "."
tasks = ["Training", "Test"]
[features.text]
extractor = "caption"
captions = "captions.csv"
[evaluation]
kind = "test"
[figures]
"""


def test_one_table_of_the_study_sets_the_look(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(STUDY_FILE + 'width_mm = 120\nlimits = [0, 0.4]\nformats = ["svg"]\n')
    settings = load_study(tmp_path / "study.toml").figures
    assert (settings.width_mm, settings.limits, settings.formats) == (120.0, (0.0, 0.4), ("svg",))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("widht_mm = 89", "width_mm"),
        ("width_mm = 10", "greater than or equal to 60"),
        ('font = "No Such Font"', "not installed"),
        ("limits = [0.4, 0]", "must rise"),
        ('colour_map = "infernal"', "colour map"),
    ],
)
def test_problems_of_the_look_are_found_before_anything_is_computed(tmp_path: Path, line: str, words: str) -> None:
    (tmp_path / "study.toml").write_text(STUDY_FILE + line)
    with pytest.raises(InputError, match=words):
        load_study(tmp_path / "study.toml")


def test_a_study_with_a_rainbow_warns(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(STUDY_FILE + 'colour_map = "jet"')
    with pytest.warns(UserWarning, match="black-and-white"):
        load_study(tmp_path / "study.toml")
