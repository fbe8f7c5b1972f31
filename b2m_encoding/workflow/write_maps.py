"""Write the results of a study: maps, decoded features, and the study itself; descriptions come from the schema."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from b2m_encoding._typing import Float32, Floating
from b2m_encoding.analysis.encoding.clusters import ClusterMap
from b2m_encoding.analysis.encoding.encoding import Encoding
from b2m_encoding.analysis.study_results import StudyResults
from b2m_encoding.analysis.tables.brain2music_table2 import decoding_table
from b2m_encoding.analysis.tables.tags import NamedFeatures, tag_rows
from b2m_encoding.errors import InputError
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.io.paths import portable_path, portable_tree
from b2m_encoding.results.bundle import BundleFiles
from b2m_encoding.results.clip_responses import ClipResponses
from b2m_encoding.results.decoded import Decoded
from b2m_encoding.results.schema import CORRECTIONS, JOINT, MapKind, files, tables
from b2m_encoding.results.schema import maps as schema
from b2m_encoding.spaces import Space
from b2m_encoding.spaces.atlas import LABEL_FILES
from b2m_encoding.spaces.definition import find_definition, read_definition
from b2m_encoding.stats import Significance
from b2m_encoding.stats.ceilings import Ceiling, normalised_score
from b2m_encoding.stats.preference import Preference
from b2m_encoding.stats.tuning import best_feature, delay_curves, peak_delays, show_peaks, weight_components
from b2m_encoding.study import Study
from b2m_encoding.workflow.portable_study import portable_source

Map = tuple[str, MapKind, NDArray[Any], Mapping[str, object]]
"""Desc, kind, values and sidecar of a map."""


def write_maps(writer: BundleFiles, subject: str, encoding: Encoding, space: Space, study: Study) -> None:
    """Write every map of a subject that follows from its encoding models.

    Parameters
    ----------
    writer : BundleFiles
    subject : str
    encoding : Encoding
    space : Space
        Space of the targets.
    study : Study
    """
    common = {
        "Space": space.name,
        "SamplesTrained": encoding.n_train,
        "SamplesTested": encoding.n_test,
        "Note": study.note,
        "NaN": "not tested",
    }
    for desc, kind, values, sidecar in [*_score_maps(encoding, study), *comparison_maps(encoding, study)]:
        writer.write_map(subject, desc, kind.stat, values, space, {**common, **sidecar})


def _score_maps(encoding: Encoding, study: Study) -> list[Map]:
    """Maps of scores, their significance and intervals, and the noise ceiling."""
    maps: list[Map] = []
    for model in encoding.r:
        maps.append((model, schema.R, encoding.r[model], schema.R.sidecar()))
        maps.append((model, schema.R2, encoding.r2[model], schema.R2.sidecar()))
    maps += _significance_maps(encoding, study)
    if (interval := encoding.interval) is not None:
        blocks = {
            "Level": study.statistics.level,
            "BlockSamples": interval.block_length,
            "Blocks": interval.n_blocks,
        }
        for kind, values in ((schema.R_LOW, interval.low), (schema.R_HIGH, interval.high)):
            maps.append((JOINT, kind, values, {**kind.sidecar(), **blocks}))
    if encoding.clusters is not None:
        maps.append(_cluster_map(encoding.clusters, encoding, study))
    if isinstance(encoding.ceiling, Ceiling):
        maps += _ceiling_maps(encoding.ceiling, encoding, study)
    return maps


def _significance_maps(encoding: Encoding, study: Study) -> list[Map]:
    correction = CORRECTIONS[study.statistics.correction].name
    maps: list[Map] = []
    for model in encoding.r:
        tested, test = encoding.inference.of(model), _test_of(encoding.inference.of(model).significance)
        maps.append((model, schema.P, tested.significance.p, {**schema.P.sidecar(), **test}))
        maps.append((model, schema.Q, tested.q, {**schema.Q.sidecar(correction=correction), **test}))
    fwe = {**schema.P_FAMILY_WISE.sidecar(), **_test_of(encoding.significance)}
    maps.append((JOINT, schema.P_FAMILY_WISE, encoding.significance.p_fwe, fwe))
    maps.append((JOINT, schema.ALPHA, encoding.alpha, schema.ALPHA.sidecar()))
    return maps


def _test_of(used: Significance) -> dict[str, object]:
    """Method and size of a test, for sidecars; p is counted from refits where there are some."""
    sizes = {"Permutations": used.n_permutations, "Arrangements": used.n_arrangements}
    return {"Test": used.method, **sizes, **({"Refits": used.n_refits} if used.n_refits else {})}


def _cluster_map(clusters: ClusterMap, encoding: Encoding, study: Study) -> Map:
    kind = schema.CLUSTERS[clusters.kind]
    sidecar = {**_test_of(encoding.significance), **kind.sidecar(), "Permutations": clusters.n_permutations}
    if clusters.kind != "tfce":
        sidecar["ClusterThresholdZ"] = study.statistics.cluster_threshold
    return JOINT, kind, clusters.p, sidecar


def _ceiling_maps(ceiling: Ceiling, encoding: Encoding, study: Study) -> list[Map]:
    of = study.evaluation.presentations
    responses = "the average over repeats" if of == "average" else "one presentation"
    values = {
        schema.EXPLAINABLE: ceiling.explainable_variance,
        schema.CEILING: ceiling.highest_r(of),
        schema.R_NORMALISED: normalised_score(encoding.r[JOINT], ceiling, of=of),
    }
    repeats = {"Repeats": ceiling.n_repeats, "Responses": responses}
    return [
        (JOINT, kind, np.where(encoding.tested, array, np.nan), {**kind.sidecar(responses=responses), **repeats})
        for kind, array in values.items()
    ]


def comparison_maps(encoding: Encoding, study: Study) -> list[Map]:
    """Maps of the preference and of the parts of the explained variance."""
    maps: list[Map] = []
    if encoding.preference is not None:
        maps += _preference_maps(encoding.preference, encoding, study)
    for names, part in (encoding.partition.parts if encoding.partition else {}).items():
        kind = schema.UNIQUE if len(names) == 1 else schema.SHARED
        sidecar = {**kind.sidecar(names=" and ".join(names)), "FeatureSpaces": list(names)}
        maps.append(("_".join(names), kind, part, sidecar))
    for name, share in (encoding.product or {}).items():
        maps.append((name, schema.PRODUCT, share, schema.PRODUCT.sidecar(name=name)))
    return [*maps, *_stack_maps(encoding)]


def _stack_maps(encoding: Encoding) -> list[Map]:
    """Weights of the members of the stacked joint model: each feature space, all but one, and all (``joint``)."""
    maps: list[Map] = []
    members = encoding.stack or {}
    for names, weights in members.items():
        every = list(members)[-1]
        kind, desc = schema.STACK, JOINT if names == every else names[0]
        fields = {"names": " and ".join(names)}
        if 1 < len(names) < len(every):
            [desc] = set(every) - set(names)
            kind, fields = schema.STACK_WITHOUT, {"name": desc}
        maps.append((desc, kind, weights, {**kind.sidecar(**fields), "FeatureSpaces": list(names)}))
    return maps


def _preference_maps(preference: Preference, encoding: Encoding, study: Study) -> list[Map]:
    measure = schema.MARGIN_MEASURES[study.statistics.preference]
    index = np.where(encoding.tested, preference.index, np.nan)
    maps: list[Map] = [
        (schema.PREFERENCE, schema.PREFERRED, index, {**schema.PREFERRED.sidecar(), "Levels": list(preference.names)}),
        (schema.PREFERENCE, schema.MARGIN, preference.margin, schema.MARGIN.sidecar(measure=measure)),
    ]
    if study.statistics.preference == "deltas":  # penalties are not tested
        return maps
    maps.append((schema.PREFERENCE, schema.MARGIN_Q, preference.q, schema.MARGIN_Q.sidecar()))
    for name, probability in zip(preference.names, preference.probability, strict=True):
        maps.append((name, schema.PROBABILITY, probability, schema.PROBABILITY.sidecar()))
    return maps


def write_tuning(
    writer: BundleFiles,
    subject: str,
    encoding: Encoding,
    weights: Mapping[str, Float32],
    deviations: Mapping[str, Floating],
    space: Space,
    study: Study,
) -> None:
    """Write three components of the weights of predicted targets, if there are enough of them."""
    try:
        tuning = weight_components(weights, deviations, encoding.q < study.statistics.q)
    except InputError:
        return
    for kind, scores, share in zip(schema.COMPONENTS, tuning.scores, tuning.explained, strict=True):
        sidecar = {**kind.sidecar(), "Explained": float(share), "Note": study.note}
        writer.write_map(subject, JOINT, kind.stat, scores, space, sidecar)
    stats = [kind.stat for kind in schema.COMPONENTS]
    rows = [
        {"feature_space": name, "feature": feature, **dict(zip(stats, column, strict=True))}
        for name, loadings in tuning.loadings.items()
        for feature, column in enumerate(loadings.T)
    ]
    writer.write_table(tables.COMPONENTS, rows, subject)


def write_lags(
    writer: BundleFiles,
    subject: str,
    weights: Mapping[str, Float32],
    deviations: Mapping[str, Floating],
    space: Space,
    study: Study,
) -> None:
    """Write the delay of the largest weights, by the joint model and each feature space; none where no peak shows."""
    model = study.model
    if not show_peaks(model.delays):
        return
    sidecar = {"Delays": list(model.delays), "DelayPrior": model.delay_prior, "NaN": "not tested, or no weights"}
    members = {JOINT: weights, **({name: {name: own} for name, own in weights.items()} if len(weights) > 1 else {})}
    for desc, some in members.items():
        lags = peak_delays(delay_curves(some, deviations), model.delays)
        text = schema.LAG.sidecar(names=" and ".join(some))
        writer.write_map(subject, desc, schema.LAG.stat, lags, space, {**text, **sidecar, "Note": study.note})


def write_named(
    writer: BundleFiles,
    subject: str,
    encoding: Encoding,
    responses: ClipResponses,
    named: Sequence[NamedFeatures],
    space: Space,
    study: Study,
) -> None:
    """Write the table of features with names by region, and the map of the one that each predicted target prefers."""
    if rows := tag_rows(responses, named, space, study):
        writer.write_table(tables.TAGS, rows, subject)
    predicted = encoding.q < study.statistics.q
    for features in named if predicted.any() else ():
        found = best_feature(responses.responses[:, predicted], features.values, random_state=study.seed)
        for kind, values, nothing in (
            (schema.TAG, found.index, -2.0),
            (schema.TAG_R, found.r, np.nan),
            (schema.TAG_SHARE, found.share, np.nan),
        ):
            whole = np.where(encoding.tested, nothing, np.nan)
            whole[predicted] = values
            sidecar = {**kind.sidecar(), "Levels": list(features.names), "Clips": len(responses.clips)}
            writer.write_map(subject, features.space, kind.stat, whole, space, {**sidecar, "Note": study.note})


def write_decodings(writer: BundleFiles, results: StudyResults, study: Study) -> None:
    """Write decoded features, identification accuracy per clip and per subject, and the comparison with Brain2Music."""
    clips, summaries, penalties = [], [], []
    for subject, decodings in results.decodings.items():
        for decoding in decodings:
            summaries.append({"subject": subject, **decoding.summary()})
            columns = {"clip": decoding.clips, "accuracy": decoding.accuracy, "identified": decoding.identified}
            more = {
                "accuracy_raw": decoding.accuracy_raw,
                "accuracy_within": decoding.within,
                "accuracy_unheard": decoding.unheard,
                "accuracy_unheard_within": decoding.unheard_within,
            }
            columns |= {name: values for name, values in more.items() if values is not None}
            names = {"subject": subject, "target": decoding.target, "decoder": decoding.decoder}
            clips.append(pd.DataFrame({**names, **columns}))
            if decoding.penalties:
                penalties.append(pd.DataFrame({**names, **decoding.penalties}))
            arrays = (np.array(decoding.clips), decoding.predicted, decoding.true, decoding.windows)
            Decoded(decoding.target, decoding.decoder, *arrays).save(writer.folder, subject)
    if summaries:
        writer.write_table(tables.BRAIN2MUSIC_TABLE2, decoding_table(results.decodings, study))
        writer.write_table(tables.IDENTIFICATION, pd.concat(clips))
        if penalties:
            writer.write_table(tables.PENALTIES, pd.concat(penalties))
        writer.write_json(files.IDENTIFICATION_SUMMARY, {"subjects": summaries})


def write_study(writer: BundleFiles, file: Path, study: Study) -> None:
    """Write the study file, the study with every default, and the record of its atlas."""
    folder, source = file.resolve().parent, file.read_bytes() if study.source is None else study.source
    writer.file(files.STUDY).write_bytes(portable_source(study, source, folder))
    writer.write_json(files.SETTINGS, _settings(study, folder))
    writer.write_json(files.ATLAS, _atlas_record(study.maps.atlas))


def _settings(study: Study, folder: Path) -> dict[str, Any]:
    """Every setting of a study, with paths as they may be shared."""
    settings: dict[str, Any] = portable_tree(study.model_dump(by_alias=True), folder)
    if os.path.isabs(study.maps.atlas):
        settings["maps"]["atlas"] = portable_path(Path(study.maps.atlas), folder)
    return settings


def _atlas_record(name: str) -> dict[str, str]:
    """Name, citation and licence of an atlas; a label file has none."""
    if name.endswith(LABEL_FILES):
        return {"name": Path(name).name, "title": Path(name).name, "citation": "", "licence": ""}
    atlas = read_definition(find_definition(name))
    return {"name": atlas.name, "title": atlas.title, "citation": atlas.citation, "licence": atlas.licence}


def feature_record(space: FeatureSpace, options: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Record of a feature space for the provenance of the results, with the paths among its options made portable."""
    paths = {key: portable_path(value, folder) for key, value in options.items() if isinstance(value, Path)}
    return {**space.provenance, **paths, "n_features": space.values.shape[1]}
