"""The table of named features of a finished study, against the sounds and responses themselves."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

from b2m_encoding.analysis.tables.tags import NamedFeatures
from b2m_encoding.features.acoustic import acoustic_names
from b2m_encoding.features.captions import read_captions
from b2m_encoding.features.clips import Clip
from b2m_encoding.features.extractors import Acoustic
from b2m_encoding.results import Results
from b2m_encoding.results.bundle import ResultsWriter
from b2m_encoding.results.clip_responses import ClipResponses, clip_responses_name
from b2m_encoding.results.schema import maps, tables
from b2m_encoding.spaces import Unplaced, load_atlas, surface_space
from b2m_encoding.stats.tuning import best_feature
from b2m_encoding.study import load_study
from b2m_encoding.workflow.write_maps import write_named


def test_correlations_of_a_finished_study(finished: Path, tiny_template: Path) -> None:
    results = Results.open(finished)
    table = results.table(tables.named_table("01"))
    assert set(table["feature_space"]) == {"acoustic", "text"}
    words, table = table[table["feature_space"] == "text"], table[table["feature_space"] == "acoustic"]
    assert tuple(dict.fromkeys(table["feature"])) == acoustic_names()
    responses = ClipResponses.load(finished / "sub-01" / clip_responses_name("01"))
    extractor = load_study(tiny_template / "study.toml").features["acoustic"]
    assert isinstance(extractor, Acoustic)
    starts = np.arange(10) * 1.5
    spans = np.stack([starts, starts + 1.5], axis=1)
    clips = {
        str(row.clip): Clip(str(row.stimulus), float(row.start), float(row.duration), str(row.group))
        for row in results.table(tables.CLIPS).itertuples()
        if row.clip in responses.clips.tolist()
    }
    found = extractor.embed(dict.fromkeys(clips.values(), spans), 1.5)
    loudness = [found[clips[name]][:, acoustic_names().index("loudness")].mean() for name in responses.clips.tolist()]
    mask = load_atlas("hcp-mmp1", surface_space("fsaverage5")).mask("core", "L")
    inside = responses.responses[:, mask & np.isfinite(responses.responses).all(axis=0)].mean(axis=1)
    [row] = table[
        (table["feature"] == "loudness") & (table["region"] == "core") & (table["hemisphere"] == "L")
    ].itertuples()
    assert abs(row.r - np.corrcoef(inside, loudness)[0, 1]) < 0.01  # the responses are kept in half precision
    assert row.low < row.r < row.high
    assert row.clips == len(clips) == 10
    assert not pd.isna(row.q)
    captions = read_captions(tiny_template / "study" / "stimuli" / "captions.csv")
    texts = [captions[f"{clip}_15s"] for clip in responses.clips.tolist()]
    for word in words[(words["region"] == "core") & (words["hemisphere"] == "L")].itertuples():
        there = np.array([word.feature in re.findall(r"\w+", text.lower()) for text in texts])
        assert 3 <= there.sum() <= len(texts) - 3
        difference = inside[there].mean() - inside[~there].mean()
        assert np.sign(word.r) == np.sign(difference)
        assert abs(word.r - np.corrcoef(inside, there)[0, 1]) < 0.01
    assert len(words["feature"].unique()) > 3


def test_the_map_of_the_preferred_feature(tmp_path: Path, tiny_template: Path, rng: np.random.Generator) -> None:
    """Predicted targets have a number among the names; those that are not predicted, or not tested, have none."""
    space = Unplaced(6)
    values = rng.standard_normal((20, 4))
    responses = np.concatenate([values[:, [2, 0]], rng.standard_normal((20, 4))], axis=1).astype(np.float32)
    responses[:, 5] = np.nan
    q = np.array([0.01, 0.01, 0.2, 0.9, 0.04, np.nan])
    encoding = SimpleNamespace(q=q, tested=np.isfinite(q))
    kept = SimpleNamespace(responses=responses, clips=np.arange(20))
    study = load_study(tiny_template / "study.toml")
    with ResultsWriter(tmp_path / "results", "study", ["01"]) as writer:
        write_named(writer, "01", encoding, kept, [NamedFeatures("text", tuple("abcd"), values)], space, study)
    index, r, share = (
        Results.open(tmp_path / "results").map("01", "text", kind.stat)
        for kind in (maps.TAG, maps.TAG_R, maps.TAG_SHARE)
    )
    np.testing.assert_array_equal(index[[0, 1, 2, 3, 5]], [2, 0, -2, -2, np.nan])
    assert 0 <= index[4] < 4
    np.testing.assert_allclose(r[[0, 1, 2, 5]], [1, 1, np.nan, np.nan], rtol=1e-5)
    np.testing.assert_array_equal(share[[0, 1, 3]], [1, 1, np.nan])


def test_the_best_feature_and_its_certainty(rng: np.random.Generator) -> None:
    features = np.column_stack([rng.standard_normal((40, 3)), np.ones(40)])
    responses = features[:, [2, 0, 1]] + rng.standard_normal((40, 3)) * [0.1, 1.0, 30.0]
    found = best_feature(responses, features, random_state=0)
    table = np.array([[np.corrcoef(x, y)[0, 1] for y in responses.T] for x in features[:, :3].T])
    np.testing.assert_array_equal(found.index, table.argmax(axis=0))
    np.testing.assert_allclose(found.r, table.max(axis=0))
    assert found.share[0] == 1
    assert found.share[2] < 0.9
    again = np.random.default_rng(0)
    same = 0
    for _ in range(200):
        rows = again.integers(0, 40, 40)
        same += np.argmax([np.corrcoef(x[rows], responses[rows, 1])[0, 1] for x in features[:, :3].T]) == found.index[1]
    assert found.share[1] == same / 200
