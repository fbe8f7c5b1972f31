"""Prediction accuracy of the default model, its options, and the models of himalaya and scikit-learn, out of sample.

    python benchmarks/accuracy.py [--quick] [--sets alice localizer demo unequal ...] [--against banded ...]

Real data come from the folder ``B2M_SHARED`` (default ``../shared``); sets that are absent there are skipped.

- ``alice``: a story, one run of 362 volumes, 27 people; cut as in ``tutorials/08_alice.toml``. ``alice_7_blocks``:
  other folds, on which nothing was chosen. Units are people (mean r over six regions).
- ``localizer``, ``localizer_3_blocks``: one person, 128 volumes, auditory voxels; one feature space, five delays. Units
  are voxels, which are not independent: the standard error is too small.
- ``demo``: SIMULATED; the study of ``b2m demo`` with another seed, 150 targets driven by each feature space, by both,
  and by none. Units are targets of one draw of sounds and noise.
- ``demo_seeds``: SIMULATED; eight draws of the same, the default against its members alone. Units are draws.
- ``unequal``: SIMULATED; 10 useful features beside 500 useless ones. Units are targets.

``ours``: mean r of the default; ``peer``: that of the other model. ``difference`` is paired (default minus other);
agreement is false where the default is worse than one of the package's own options or members by more than .01 and two
standard errors. ``only_X``: the member X in all targets. ``best_member``: in every target the member of one feature
space that scores best in cross-validation of the training samples; what scores best in the test samples is no model
that anybody has, and seems better than it is. ``demo_seeds_acoustic_*``, ``_text_*``, ``_both_*``: the targets that
these drive. ``before``: one penalty for all feature spaces, the same prior at all delays, features as they are.
Peers have the same delays, features (filtered where ours are, standardised), folds and penalties, and the same prior
of the weights at all delays.
"""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from harness import Row, arguments, environment, finish, save
from scipy.signal import lfilter

from b2m_encoding import Responses, build_spaces, load_study, stimulus_timeline
from b2m_encoding.analysis.encoding.predict import new_model, predict_held_out, training_values
from b2m_encoding.analysis.encoding.sizes import training_runs
from b2m_encoding.analysis.encoding.test_samples import Part, TestSamples
from b2m_encoding.analysis.splits import evaluated
from b2m_encoding.features.delays import delay
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.models.scores import pearson_r
from b2m_encoding.phantom import load_truth, simulate_study
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import Unplaced
from b2m_encoding.study import Study
from b2m_encoding.workflow.templates import template

warnings.filterwarnings("ignore")
ROOT = Path(__file__).resolve().parents[1]
os.environ.setdefault("B2M_SHARED", str(ROOT.parent / "shared"))
SHARED = Path(os.environ["B2M_SHARED"])
OPTIONS: dict[str, dict[str, Any]] = {
    "before": {"solver": "ridge", "delay_prior": "flat", "filter_features": False},
    "one_penalty": {"solver": "ridge"},
    "banded": {"solver": "banded", "scalings": 20},
    "flat_prior": {"delay_prior": "flat"},
    "independent_delays": {"smoothness": 0.01},
    "smoothness_3s": {"smoothness": 3.0},
    "unfiltered": {"filter_features": False},
    "scoring_r": {"scoring": "r"},
}
TIE = 0.01


@dataclass(frozen=True, eq=False)
class Recorded:
    """Responses of one person, features of the same samples, and the study that says how to model them."""

    responses: Responses
    spaces: dict[str, FeatureSpace]
    study: Study
    groups: Mapping[str, Any] = field(default_factory=dict)
    """Targets of kinds whose rows stand apart."""


def with_model(study: Study, **changes: Any) -> Study:
    """The same study with other keys of ``[model]``."""
    return study.model_copy(update={"model": study.model.model_copy(update=changes)})


def with_evaluation(study: Study, **changes: Any) -> Study:
    """The same study with other keys of ``[evaluation]``."""
    return study.model_copy(update={"evaluation": study.evaluation.model_copy(update=changes)})


def with_targets(responses: Responses, chosen: Any) -> Responses:
    """Some targets, in memory."""
    values = np.asarray(responses.load())[:, chosen]
    return Responses.from_array(values, responses.runs, Unplaced(values.shape[1]))


def alice(quick: bool, **evaluation: Any) -> Iterator[Recorded]:
    study = with_model(load_study(ROOT / "tutorials/08_alice.toml"), solver="stacked")
    for i, subject in enumerate(study.data.list_subjects()):
        recording = study.data.read(subject, study.cleaning.build())
        values = np.asarray(recording.responses.load())
        if subject == "groupmean" or not np.ptp(values, axis=0).all() or (quick and i % 4):
            continue
        spaces = build_spaces(study.features, stimulus_timeline(recording))
        yield Recorded(recording.responses, dict(spaces), with_evaluation(study, **evaluation))


def localizer(quick: bool, **evaluation: Any) -> Iterator[Recorded]:
    study = load_study(ROOT / "tutorials/09_localizer.toml")
    parcels = np.asarray(nib.load(study.data.mask).dataobj)
    auditory = np.flatnonzero(np.isin(parcels[parcels > 0], (1, 2)))[:: 10 if quick else 1]
    recording = study.data.read("01", study.cleaning.build())
    spaces = build_spaces(study.features, stimulus_timeline(recording))
    yield Recorded(with_targets(recording.responses, auditory), dict(spaces), with_evaluation(study, **evaluation))


def demo(quick: bool, seed: int = 1) -> Iterator[Recorded]:
    rng, n = np.random.default_rng(0), 40 if quick else 150
    with tempfile.TemporaryDirectory() as folder:
        simulate_study(Path(folder) / "study", seed=seed, n_subjects=1)
        path = Path(folder) / "study.toml"
        path.write_text(template("demo").replace("@SEED@", str(seed)))
        study = load_study(path)
        [subject] = study.data.list_subjects()
        recording = study.data.read(subject, study.cleaning.build())
        truth = next(iter(load_truth(Path(folder) / "study/truth").subjects.values()))
        kinds = {
            kind: np.flatnonzero(truth.testable & (truth.drive == kind))
            for kind in ("acoustic", "text", "both", "none")
        }
        chosen = np.concatenate([rng.choice(own, n, replace=False) for own in kinds.values()])
        spaces = build_spaces(study.features, stimulus_timeline(recording))
        groups = {kind: truth.drive[chosen] == kind for kind in kinds if kind != "none"}
        yield Recorded(with_targets(recording.responses, chosen), dict(spaces), study, groups)


def demo_seeds(quick: bool) -> Iterator[Recorded]:
    for seed in range(1, 3 if quick else 9):
        yield from demo(quick, seed)


def unequal(quick: bool) -> Iterator[Recorded]:
    rng, n_targets = np.random.default_rng(21), 30 if quick else 150
    runs = Runs.from_lengths({**{f"train-{i}": 200 for i in range(5)}, **{f"test-{i}": 100 for i in range(6)}}, 1.5)
    values = {
        name: lfilter([1], [1, -0.7], rng.standard_normal((len(runs), n)), axis=0).astype(np.float32)
        for name, n in (("useful", 10), ("useless", 500))
    }
    signal = values["useful"] @ rng.standard_normal((10, n_targets))
    noise = lfilter([1], [1, -0.5], rng.standard_normal(signal.shape), axis=0)
    measured = np.sqrt(0.2) * signal / signal.std(0) + np.sqrt(0.8) * noise / noise.std(0)
    table = {
        "name": "unequal", "output": "unused",
        "data": {"reader": "table", "files": "{subject}", "regions": ["a"], "tr": 1.5},
        "features": {name: {"extractor": "array", "files": "unused"} for name in values},
        "cleaning": {"detrend": "none"}, "model": {"delays": [0.0]},
        "evaluation": {"kind": "test", "test_runs": "test*"},
    }  # fmt: skip
    spaces = {name: FeatureSpace(name, array, runs) for name, array in values.items()}
    responses = Responses.from_array(measured.astype(np.float32), runs, Unplaced(n_targets))
    yield Recorded(responses, spaces, Study.model_validate(table))


SETS: dict[str, Callable[[bool], Iterator[Recorded]]] = {
    "alice": alice,
    "alice_7_blocks": partial(alice, blocks=7),
    "localizer": localizer,
    "localizer_3_blocks": partial(localizer, blocks=3),
    "demo": demo,
    "demo_seeds": demo_seeds,
    "unequal": unequal,
}


def accuracy(data: Recorded, names: tuple[str, ...] | None = None, **model: Any) -> Any:
    """Held-out r of every target by the package's model of some feature spaces (all by default), with other options."""
    study, chosen = with_model(data.study, **model), names or tuple(data.spaces)
    study = study.model_copy(update={"statistics": study.statistics.model_copy(update={"audit": False})})
    responses, splits = evaluated(data.responses, study.evaluation)
    spaces = {name: data.spaces[name] for name in chosen}
    held_out = predict_held_out(responses, spaces, study, splits, [chosen])
    return np.nan_to_num(held_out.sums.scores("r")[chosen])


def best_member(data: Recorded) -> Any:
    """Held-out r where each target has the single feature space that scores best in training, split by split."""
    study = data.study.model_copy(update={"statistics": data.study.statistics.model_copy(update={"audit": False})})
    responses, splits = evaluated(data.responses, study.evaluation)
    names = list(data.spaces)
    models = [*((name,) for name in names), tuple(names)]
    held_out = predict_held_out(responses, data.spaces, study, splits, models)
    predicted = np.zeros_like(held_out.measured)
    for i, split in enumerate(splits):
        values = training_values(data.spaces, study, split)
        training, rows = training_runs(responses.runs, study, split)
        Y = np.asarray(responses.load())[rows]
        fits = [new_model(study).fit({name: values[name][rows]}, Y, runs=training) for name in names]
        best = np.nan_to_num([fitted.cv_scores_ for fitted in fits], nan=-np.inf).argmax(axis=0)
        own = np.char.startswith(held_out.runs.run, f"{i}/") | (len(splits) == 1)
        for j, name in enumerate(names):
            predicted = np.where(own[:, None] & (best == j), held_out.singles[name], predicted)
    return np.nan_to_num(pearson_r(predicted, held_out.measured))


def peer_accuracy(data: Recorded, fit: Callable[..., Any]) -> Any:
    """Held-out r of every target, mean over splits, by a model of another package on the same samples and folds."""
    study = data.study
    responses, splits = evaluated(data.responses, study.evaluation)
    whole = slice(0, responses.n_targets)
    r = []
    for split in splits:
        values = training_values(data.spaces, study, split)
        training, rows = training_runs(responses.runs, study, split)
        test = TestSamples(Part(responses, whole, np.zeros(0, dtype=np.intp)), split, study.evaluation.average_repeats)
        used = training.rows()
        columns = [delay(array[rows], training, study.model.delays)[used] for array in values.values()]
        centre, scale = [c.mean(0) for c in columns], [np.where(c.std(0) > 0, c.std(0), 1) for c in columns]
        Y = np.asarray(responses.load())[rows][used]
        label = np.full(len(training), -1)
        for i, fold in enumerate(training.folds(study.model.folds)):
            label[training.rows(fold)] = i
        predict = fit([(c - m) / s for c, m, s in zip(columns, centre, scale, strict=True)], Y, label[used], study)
        predicted = []
        for own_runs, own, _ in test.loaded:
            new = [delay(array[own], own_runs, study.model.delays) for array in values.values()]
            predicted.append(predict([(x - m) / s for x, m, s in zip(new, centre, scale, strict=True)]))
        r.append(np.nan_to_num(pearson_r(test.scored(np.concatenate(predicted)), test.measured)))
    return np.mean(r, axis=0)


def himalaya_ridge(columns: list[Any], Y: Any, label: Any, study: Study) -> Callable[[list[Any]], Any]:
    from himalaya.ridge import RidgeCV

    model = RidgeCV(alphas=study.model.alphas.grid(), cv=folds_of(label)).fit(np.hstack(columns), Y)
    return lambda new: np.asarray(model.predict(np.hstack(new).astype(np.float32)))


def himalaya_banded(columns: list[Any], Y: Any, label: Any, study: Study) -> Callable[[list[Any]], Any]:
    from himalaya.ridge import GroupRidgeCV

    options = {"n_iter": 20, "alphas": study.model.alphas.grid(), "progress_bar": False}
    model = GroupRidgeCV("input", solver_params=options, cv=folds_of(label), random_state=0).fit(columns, Y)
    return lambda new: np.asarray(model.predict([x.astype(np.float32) for x in new]))


def sklearn_ridge(columns: list[Any], Y: Any, label: Any, study: Study) -> Callable[[list[Any]], Any]:
    """Generalised cross-validation over single samples, scikit-learn's default, with a penalty per target."""
    from sklearn.linear_model import RidgeCV

    model = RidgeCV(alphas=study.model.alphas.grid(), alpha_per_target=True).fit(np.hstack(columns), Y)
    return lambda new: np.asarray(model.predict(np.hstack(new)))


def folds_of(label: Any) -> list[tuple[Any, Any]]:
    """Training and held-out rows of each fold."""
    return [(np.flatnonzero(label != i), np.flatnonzero(label == i)) for i in range(label.max() + 1)]


PEERS = {"himalaya_RidgeCV": himalaya_ridge, "himalaya_GroupRidgeCV": himalaya_banded, "sklearn_RidgeCV": sklearn_ridge}


def options_of(name: str, single: bool) -> dict[str, dict[str, Any]]:
    """Keys of ``[model]`` of the models that the default is compared with."""
    options = {key: value for key, value in OPTIONS.items() if not (single and key in ("banded", "one_penalty"))}
    if name == "unequal":  # one delay, no drift
        options = {key: options[key] for key in ("before", "banded", "scoring_r")}
    if name == "demo_seeds":
        options = {}
    if name == "alice_7_blocks":
        options = {key: options[key] for key in ("before", "banded", "flat_prior", "unfiltered")}
    if name.startswith("localizer"):
        options["three_delays"] = {"delays": (2.4, 4.8, 7.2)}
        options["three_delays_before"] = {"delays": (2.4, 4.8, 7.2), **OPTIONS["before"]}
    return options


def others_of(data: Recorded, name: str, quick: bool) -> dict[str, Callable[[], Any]]:
    """What the default is compared with: options, members, peers."""
    single = len(data.spaces) == 1
    others: dict[str, Callable[[], Any]] = {
        key: partial(accuracy, data, **changes) for key, changes in options_of(name, single).items()
    }
    if not single:
        others |= {f"only_{member}": partial(accuracy, data, (member,)) for member in data.spaces}
        others["best_member"] = partial(best_member, data)
    for key, fit in PEERS.items() if name != "demo_seeds" else ():
        if "Group" not in key or not (single or quick or name.startswith("alice")):  # minutes for Alice
            others[key] = partial(peer_accuracy, data, fit)
    return others


def rows_of(name: str, quick: bool, against: list[str] | None = None) -> Iterator[Row]:
    """Compare the default with everything else on one data set, or with some of it."""
    found: dict[str, list[Any]] = {}
    groups: dict[str, list[Any]] = {}
    for data in SETS[name](quick):
        found.setdefault("default", []).append(accuracy(data))
        for key, compute in others_of(data, name, quick).items():
            if against is None or key in against:
                found.setdefault(key, []).append(compute())
        for kind, targets in data.groups.items():
            groups.setdefault(kind, []).append(targets)
    several = len(found["default"]) > 1
    units = {key: np.array([r.mean() for r in parts]) if several else parts[0] for key, parts in found.items()}
    for key, values in units.items():
        if key != "default":
            yield _row(f"{name}_{key}", units["default"], values, own=key not in PEERS)
            for kind, targets in groups.items() if several else ():
                default, other = (
                    np.array([r[own].mean() for r, own in zip(found[which], targets, strict=True)])
                    for which in ("default", key)
                )
                yield _row(f"{name}_{kind}_{key}", default, other, own=True)


def _row(case: str, default: Any, other: Any, *, own: bool) -> Row:
    difference = default - other
    error = float(difference.std(ddof=1) / np.sqrt(len(difference)))
    mean = float(difference.mean())
    agreement: dict[str, Any] = {"difference": mean, "standard_error": error, "units": len(default)}
    if own:
        agreement["not_worse"] = not (mean < -TIE and mean < -2 * error)
    return Row(case, ours=f"{default.mean():.4f}", peer=f"{other.mean():.4f}", agreement=agreement)


def main() -> None:
    def choose(parser: Any) -> None:
        parser.add_argument("--sets", nargs="+", choices=list(SETS))
        parser.add_argument("--against", nargs="+", help="compare the default with these rows only, such as banded")

    options = arguments(__doc__.splitlines()[0], choose)
    quick, rows, env = options.quick, [], environment()
    for name in options.sets or SETS:
        folder = SHARED / "data" / name.split("_")[0]
        if name.startswith(("alice", "localizer")) and not folder.is_dir():
            print(f"skipped {name}: no {folder}", file=sys.stderr)
            continue
        if quick and name.endswith("_blocks"):
            continue
        for row in rows_of(name, quick, options.against):
            rows.append(row)
            print(f"{row.case:<44}{row.ours:>8}{row.peer:>8}  {row.agreement}", file=sys.stderr, flush=True)
        save("accuracy", rows, env, quick=quick)
    checks = [value for row in rows for value in (row.agreement or {}).values() if isinstance(value, bool)]
    finish("accuracy", rows, env, agreed=all(checks), quick=quick)


if __name__ == "__main__":
    main()
