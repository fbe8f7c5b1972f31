"""The table of named features of a finished study, against the sounds and responses themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from b2m_encoding.features.acoustic import acoustic_names
from b2m_encoding.features.clips import Clip
from b2m_encoding.features.extractors import Acoustic
from b2m_encoding.results import Results
from b2m_encoding.results.clip_responses import ClipResponses, clip_responses_name
from b2m_encoding.results.schema import tables
from b2m_encoding.spaces import load_atlas, surface_space
from b2m_encoding.study import load_study


def test_correlations_of_a_finished_study(finished: Path, tiny_template: Path) -> None:
    results = Results.open(finished)
    table = results.table(tables.named_table("01"))
    assert set(table["feature_space"]) == {"acoustic"}  # hashed words have no names
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
