"""What a study leaves behind: maps, identification tables and the study itself."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from b2m_encoding.analysis.encoding.clusters import ClusterMap
from b2m_encoding.analysis.encoding.encode import Encoding
from b2m_encoding.analysis.study_results import StudyResults
from b2m_encoding.analysis.tables.brain2music_table2 import decoding_table
from b2m_encoding.errors import InputError
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.results.bundle import BundleFiles
from b2m_encoding.results.decoded import Decoded
from b2m_encoding.results.schema import JOINT
from b2m_encoding.spaces import Space
from b2m_encoding.spaces.atlas import LABEL_FILES
from b2m_encoding.spaces.definition import find_definition, read_definition
from b2m_encoding.stats.ceilings import Ceiling, normalised_score
from b2m_encoding.stats.tuning import weight_components
from b2m_encoding.study import Study

Map = tuple[str, str, NDArray[Any], Mapping[str, object]]
CORRECTIONS = {"bh": "Benjamini-Hochberg", "by": "Benjamini-Yekutieli", "fwe": "family-wise, largest statistic"}


def write_maps(writer: BundleFiles, subject: str, encoding: Encoding, space: Space, study: Study) -> None:
    """Write every map of one subject."""
    common = {
        "Space": space.name,
        "SamplesTrained": encoding.n_train,
        "SamplesTested": encoding.n_test,
        "Note": study.note,
        "NaN": "not tested",
    }
    for model, stat, values, sidecar in [*_score_maps(encoding, study), *comparison_maps(encoding, study)]:
        writer.write_map(subject, model, stat, values, space, {**common, **sidecar})


def _score_maps(encoding: Encoding, study: Study) -> list[Map]:
    """Scores, their significance and interval, and the noise ceiling."""
    maps: list[Map] = []
    for model in encoding.r:
        maps.append((model, "r", encoding.r[model], {"Description": "Pearson r of predicted and measured responses"}))
        maps.append((model, "r2", encoding.r2[model], {"Description": "Coefficient of determination"}))
    found, table = encoding.significance, study.statistics
    test = {"Test": found.method, "Permutations": found.n_permutations, "Arrangements": found.n_arrangements}
    maps += [
        (JOINT, "p", found.p, {"Description": "One-sided p of r", **test}),
        (
            JOINT,
            "pfwe",
            found.p_fwe,
            {"Description": "Family-wise p: largest r of each permutation", **test},
        ),
        (JOINT, "q", encoding.q, {"Description": f"Adjusted p: {CORRECTIONS[table.correction]}", **test}),
        (JOINT, "alpha", encoding.alpha, {"Description": "Ridge penalty (scikit-learn's scale)"}),
    ]
    if (interval := encoding.interval) is not None:
        about = {"Level": table.level, "BlockSamples": interval.block_length, "Blocks": interval.n_blocks}
        maps.append((JOINT, "rlow", interval.low, {"Description": "Lower end of the interval of r", **about}))
        maps.append((JOINT, "rhigh", interval.high, {"Description": "Upper end of the interval of r", **about}))
    if encoding.clusters is not None:
        maps.append(_cluster_map(encoding.clusters, study, test))
    if isinstance(ceiling := encoding.ceiling, Ceiling):
        of = study.evaluation.presentations
        responses = "the average over repeats" if of == "average" else "one presentation"
        measured = {"Repeats": ceiling.n_repeats, "Responses": responses}
        shown = {
            "explainable": (ceiling.explainable_variance, "Share of signal in the variance of one presentation"),
            "ceiling": (ceiling.highest_r(of), f"Highest r to expect with {responses}"),
            "rnormalised": (
                normalised_score(encoding.r[JOINT], ceiling, of=of),
                "r of the joint model over its ceiling",
            ),
        }
        for stat, (values, text) in shown.items():
            values = np.where(encoding.tested, values, np.nan)
            maps.append((JOINT, stat, values, {"Description": text, **measured}))
    return maps


def _cluster_map(found: ClusterMap, study: Study, test: Mapping[str, object]) -> Map:
    what = "threshold-free cluster enhancement" if found.kind == "tfce" else f"cluster {found.kind}"
    about = {**test, "Description": f"Family-wise p by {what}", "Permutations": found.n_permutations}
    if found.kind != "tfce":
        about["ClusterThresholdZ"] = study.statistics.cluster_threshold
    return JOINT, f"p{found.kind}", found.p, about


def comparison_maps(encoding: Encoding, study: Study) -> list[Map]:
    """Preference and variance parts."""
    maps: list[Map] = []
    if (found := encoding.preference) is not None:
        what = {"r": "r", "unique": "unique R2", "deltas": "minus the log penalty"}[study.statistics.preference]
        levels = {
            "Description": "Preferred feature space; -1 no preference, -2 not predicted",
            "Levels": list(found.names),
        }
        maps.append(("preference", "index", np.where(encoding.tested, found.index, np.nan), levels))
        maps.append(
            ("preference", "margin", found.margin, {"Description": f"{what} of the best minus that of the second"})
        )
        if study.statistics.preference != "deltas":  # penalties are not tested
            maps.append(("preference", "q", found.q, {"Description": "Adjusted two-sided p of the margin"}))
            for name, chance in zip(found.names, found.probability, strict=True):
                text = "Probability that it predicts new stimuli best"
                maps.append((name, "probability", chance, {"Description": text}))
    if (parts := encoding.partition) is not None:
        for names, part in parts.parts.items():
            stat = "unique" if len(names) == 1 else "shared"
            verb = "explains" if len(names) == 1 else "explain alike"
            text = f"Held-out R2 that only {' and '.join(names)} {verb}; may be negative"
            maps.append(("_".join(names), stat, part, {"Description": text, "FeatureSpaces": list(names)}))
    for name, part in (encoding.product or {}).items():
        text = f"Share of {name} in the R2 of the joint model (product measure); a wrong mean counts for no share"
        maps.append((name, "product", part, {"Description": text}))
    return maps


def write_tuning(
    writer: BundleFiles,
    subject: str,
    encoding: Encoding,
    weights: Mapping[str, NDArray[np.float32]],
    deviations: Mapping[str, NDArray[np.floating]],
    space: Space,
    study: Study,
) -> None:
    """Write three components of the weights of predicted targets, if there are enough of them."""
    try:
        found = weight_components(weights, deviations, encoding.q < study.statistics.q)
    except InputError:
        return
    for i, (scores, share) in enumerate(zip(found.scores, found.explained, strict=True), start=1):
        about = {"Description": f"Component {i} of the weights", "Explained": float(share), "Note": study.note}
        writer.write_map(subject, JOINT, f"pc{i}", scores, space, about)
    rows = [
        {"feature_space": name, "feature": feature, **{f"pc{i + 1}": value for i, value in enumerate(column)}}
        for name, loadings in found.loadings.items()
        for feature, column in enumerate(loadings.T)
    ]
    writer.write_table(f"sub-{subject}/sub-{subject}_desc-joint_components.tsv", pd.DataFrame(rows))


def write_decodings(writer: BundleFiles, results: StudyResults, study: Study) -> None:
    """Write identification accuracy per clip and per subject, decoded features, and the table beside the paper's."""
    clips, summaries = [], []
    for subject, decodings in results.decodings.items():
        for decoding in decodings:
            summaries.append({"subject": subject, **decoding.summary()})
            columns = {"clip": decoding.clips, "accuracy": decoding.accuracy, "identified": decoding.identified}
            if decoding.unheard is not None:
                columns["accuracy_unheard"] = decoding.unheard
            about = {"subject": subject, "target": decoding.target, "decoder": decoding.decoder}
            clips.append(pd.DataFrame({**about, **columns}))
            decoded = (np.array(decoding.clips), decoding.predicted, decoding.true, decoding.windows)
            Decoded(decoding.target, decoding.decoder, *decoded).save(writer.folder, subject)
    if summaries:
        writer.write_table("decoding_table.tsv", decoding_table(results.decodings, study))
        writer.write_table("identification.tsv", pd.concat(clips))
        writer.write_json("identification.json", {"subjects": summaries})


def write_study(writer: BundleFiles, file: Path, study: Study) -> None:
    """Keep the study: as it was written, with every default, and whose atlas it uses."""
    shutil.copyfile(file, writer.file("study.toml"))
    writer.write_json("study.json", study.model_dump(mode="json", by_alias=True))
    writer.write_json("atlas.json", _atlas_record(study.maps.atlas))


def _atlas_record(name: str) -> dict[str, str]:
    """Whose atlas it is, as far as its definition says."""
    if name.endswith(LABEL_FILES):
        return {"name": Path(name).name, "title": Path(name).name, "citation": "", "licence": ""}
    found = read_definition(find_definition(name))
    return {"name": found.name, "title": found.title, "citation": found.citation, "licence": found.licence}


def feature_record(space: FeatureSpace) -> dict[str, Any]:
    """What ``provenance.json`` says of a feature space."""
    return {**space.provenance, "n_features": space.values.shape[1]}
