"""What a study leaves behind: maps, region table, identification tables and the summary of the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from b2m_encoding.pipeline.check import no_maps
from b2m_encoding.pipeline.decode import Decoding
from b2m_encoding.pipeline.encode import JOINT, Encoding
from b2m_encoding.pipeline.regions import COLUMNS, named_regions, surface_regions
from b2m_encoding.results.bundle import ResultsWriter
from b2m_encoding.spaces import RegionSpace, Space, SurfaceSpace, load_atlas
from b2m_encoding.study import Study


@dataclass(eq=False)
class StudyResults:
    """What a study found, subject by subject, before it is written."""

    spaces: dict[str, Space] = field(default_factory=dict)
    encodings: dict[str, Encoding] = field(default_factory=dict)
    decodings: dict[str, list[Decoding]] = field(default_factory=dict)


def write_maps(writer: ResultsWriter, subject: str, encoding: Encoding, space: Space, study: Study) -> None:
    """Write every map of one subject."""
    common = {
        "Space": space.name,
        "SamplesTrained": encoding.n_train,
        "SamplesTested": encoding.n_test,
        "Note": study.note,
        "NaN": "not tested",
    }
    maps: list[tuple[str, str, NDArray[Any], Mapping[str, object]]] = []
    for model in encoding.r:
        maps.append((model, "r", encoding.r[model], {"Description": "Pearson r of predicted and measured responses"}))
        maps.append((model, "r2", encoding.r2[model], {"Description": "Coefficient of determination"}))
    test = {"Permutations": study.statistics.permutations, "BlockSeconds": study.statistics.block}
    maps += [
        (JOINT, "p", encoding.p, {"Description": "One-sided p of r, blocks permuted within test runs", **test}),
        (JOINT, "q", encoding.q, {"Description": "Benjamini-Hochberg adjusted p", **test}),
        (JOINT, "alpha", encoding.alpha, {"Description": "Ridge penalty (scikit-learn's scale)"}),
    ]
    if (found := encoding.preference) is not None:
        levels = {"Description": "Best predicting feature space, -1 none", "Levels": list(found.names)}
        maps.append(("preference", "index", np.where(encoding.tested, found.index, np.nan), levels))
        margin = {"Description": "r of the best feature space minus r of the second"}
        maps.append(("preference", "margin", found.margin, margin))
    for model, stat, values, sidecar in maps:
        writer.write_map(subject, model, stat, values, space, {**common, **sidecar})


def region_table(results: StudyResults, study: Study) -> pd.DataFrame:
    """Mean score of each region; no rows for voxels that no atlas labels."""
    q = study.statistics.q
    space = next(iter(results.spaces.values()))
    if isinstance(space, RegionSpace):
        return named_regions(results.encodings, space, q)
    if isinstance(space, SurfaceSpace):
        atlas = load_atlas(study.maps.atlas, space)
        return surface_regions(results.encodings, atlas, study.maps.regions, q)
    return pd.DataFrame(columns=list(COLUMNS))


def write_decodings(writer: ResultsWriter, results: StudyResults) -> None:
    """Write identification accuracy per clip and per subject."""
    clips, summaries = [], []
    for subject, decodings in results.decodings.items():
        for decoding in decodings:
            summaries.append({"subject": subject, **decoding.summary()})
            for clip, accuracy in zip(decoding.clips, decoding.accuracy, strict=True):
                clips.append({"subject": subject, "target": decoding.target, "clip": clip, "accuracy": accuracy})
    if summaries:
        writer.write_table("identification.tsv", pd.DataFrame(clips))
        writer.write_json("identification.json", {"subjects": summaries})


def summary(results: StudyResults, study: Study) -> list[dict[str, object]]:
    """One row per subject for the report."""
    rows = []
    for subject, encoding in results.encodings.items():
        joint = encoding.r[JOINT]
        row: dict[str, object] = {
            "subject": subject,
            "targets tested": int(encoding.tested.sum()),
            "not tested": int((~encoding.tested).sum()),
            f"significant (q < {study.statistics.q:g})": int((encoding.q < study.statistics.q).sum()),
            "best r": f"{np.nanmax(joint):.3f}" if encoding.tested.any() else "n/a",
        }
        if reason := no_maps(results.spaces[subject]):
            row["figures"] = reason
        for decoding in results.decodings.get(subject, []):
            row[f"identification from {decoding.target}"] = f"{decoding.accuracy.mean():.3f} (chance 0.5)"
        rows.append(row)
    return rows
