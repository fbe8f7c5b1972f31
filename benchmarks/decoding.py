"""What decoders make of simulated listeners: identification, chance, other people, genres never met.

    python benchmarks/decoding.py [--quick] [--seeds 3]

All data are simulated (``b2m_encoding.phantom``, its default study: 80 training and 20 test clips); the numbers rank
decoders on these data and promise nothing for real ones. Rows, each a mean over seeds and subjects with its 95 %
interval:

- ``TARGET_DECODER``: identification accuracy of the test clips (``ours``), mean of the chance intervals (``peer``).
- ``TARGET_encoder``: no decoder; the clip whose features predict the measured responses best, by the encoding model
  that ranks candidates of a reconstruction.
- ``TARGET_contrastive_or_ridge``: share of clips that are named first of all, and whether contrast helps.
- ``ALIGNMENT_pooled`` and ``ALIGNMENT_others``, of the words: decoders of all subjects, and of all but the one
  decoded; ``anatomy`` is no alignment but that of the surface.
- ``newcomer_TARGET_ALIGNMENT``: each of four subjects in turn has half of the training runs. Their accuracy by a
  decoder of all, aligned by the runs that all heard (``ours``); by the same decoder taught by them alone, and by their
  own decoder of the responses as they are (``peer``). The gains have intervals; the last has units of its own, too, in
  which words that were never heard do not count.
- ``null_DECODER``: nothing drives the responses; the accuracy has to lie within chance.
- ``unheard_DECODER``: clips of every genre by decoders that never met it.
- ``inverse_20000``: seconds and memory to invert an encoding model of 20,000 targets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from harness import Row, arguments, environment, finish, peak_memory, save, seconds
from scipy import stats

from b2m_encoding import EncodingModel, Runs
from b2m_encoding.analysis.decoding.decode import Decoding, decode_subject, evaluate_decoder, to_decode
from b2m_encoding.analysis.decoding.decoders import decoded_regions
from b2m_encoding.analysis.decoding.reranking import fit_reranking_model
from b2m_encoding.analysis.decoding.windows import Samples, ToDecode, Units, per_clip
from b2m_encoding.data import Recording
from b2m_encoding.decoding.decoders.pooled import PooledDecoder
from b2m_encoding.decoding.generators.rank import rank_by_responses
from b2m_encoding.phantom import Size, simulate_study
from b2m_encoding.study import Study, load_study
from b2m_encoding.workflow.check import check_study
from b2m_encoding.workflow.templates import template

DECODERS = ("regions", "ridge", "inverse", "contrastive", "ensemble")
ALIGNMENTS = {"anatomy": "none", "ridge": "ridge", "procrustes": "procrustes", "srm": "srm"}
QUICK = Size(n_training_runs=4, n_test_runs=1, n_blocks=1, n_repeats=2)
Found = dict[str, list[Decoding]]


def simulated(folder: Path, seed: int, n_subjects: int, size: Size, *, null: bool = False) -> tuple[Study, Any]:
    """A simulated study, opened, with one feature space of the sound and one of the words to decode."""
    simulate_study(folder / "study", seed=seed, n_subjects=n_subjects, size=size, null=null)
    text = (
        template("demo")
        .replace("@SEED@", str(seed))
        .replace('targets = ["acoustic"]', 'targets = ["text", "acoustic"]')
    )
    (folder / "study.toml").write_text(text.replace("regions = 6", f'calibrate = "none"\ndecoders = {list(DECODERS)}'))
    study = load_study(folder / "study.toml")
    return study, check_study(study)


def changed(study: Study, *, genres: bool = False, **decoding: Any) -> Study:
    statistics = study.statistics.model_copy(update={"generalise": ("group",) if genres else ()})
    assert study.decoding is not None
    return study.model_copy(update={"statistics": statistics, "decoding": study.decoding.model_copy(update=decoding)})


def decoded(windows: ToDecode, study: Study, recording: Recording) -> list[Decoding]:
    return decode_subject(windows, decoded_regions(recording.responses.space, study), study)


def ranked(windows: ToDecode) -> tuple[float, float]:
    """Identification accuracy, and share of clips named first, by the responses predicted from each test clip."""
    encoder = fit_reranking_model(windows.training, windows.test)
    predicted = encoder.predict(per_clip(windows.test.features, windows.test.runs))
    scores = np.array([rank_by_responses(predicted, encoder.of(clip)).scores for clip in encoder.clips.tolist()])
    beaten = (scores < np.diag(scores)[:, None]).sum(axis=1) / (len(scores) - 1)
    return float(beaten.mean()), float((scores.argmax(axis=1) == np.arange(len(scores))).mean())


def samples_of(study: Study, recordings: Mapping[str, Recording], target: str) -> dict[str, tuple[Samples, Samples]]:
    """Training and test windows of every subject."""
    given = {name: to_decode(one, target, {}, study) for name, one in recordings.items()}
    return {name: (one.training, one.test) for name, one in given.items()}


class Pool:
    """Training windows of the subjects of a study, for pooled decoders, in one feature scale."""

    def __init__(self, study: Study, target: str, training: Mapping[str, Samples]) -> None:
        self.study, self.target, self.training = study, target, training
        self.units = Units.of(np.concatenate([one.features for one in training.values()]))

    def fit(self, method: Any, training_subjects: list[str] | None = None) -> PooledDecoder:
        return PooledDecoder(method).fit(
            {name: one.brain for name, one in self.training.items()},
            {name: self.units.standard(one.features) for name, one in self.training.items()},
            runs={name: one.runs for name, one in self.training.items()},
            training_subjects=training_subjects,
        )

    def evaluate(self, kind: str, decoder: PooledDecoder, subject: str, test: Samples) -> Decoding:
        training = self.training[subject]
        predictions = (
            decoder.predict(training.brain, runs=training.runs, subject=subject),
            decoder.predict(test.brain, runs=test.runs, subject=subject),
        )
        return evaluate_decoder(kind, predictions, training, test, self.units, self.target, self.study)


def together(
    study: Study, recordings: Mapping[str, Recording], target: str, *, quick: bool
) -> Iterator[tuple[str, Decoding]]:
    """Every alignment: decoders of all subjects, and of the others."""
    samples = samples_of(study, recordings, target)
    pool = Pool(study, target, {name: training for name, (training, _) in samples.items()})
    for label, method in ALIGNMENTS.items():
        if quick and label != "procrustes":
            continue
        pooled = pool.fit(method)
        for subject, (_, test) in samples.items():
            others = pool.fit(method, [name for name in samples if name != subject])
            for kind, decoder in (("pooled", pooled), ("others", others)):
                name = f"{label}_{kind}"
                yield name, pool.evaluate(name, decoder, subject, test)


def newcomers(
    study: Study, recordings: Mapping[str, Recording], target: str
) -> Iterator[tuple[str, tuple[Decoding, Decoding, Decoding]]]:
    """Every alignment, for each subject with half of the runs: by all, alone in the same space, and by their own."""
    samples = samples_of(study, recordings, target)
    for subject, (everything, test) in samples.items():
        names = list(dict.fromkeys(everything.runs.run.tolist()))
        half = everything.take(np.isin(everything.runs.run, names[: len(names) // 2]))
        alone = Pool(study, target, {subject: half})
        own = alone.evaluate("own", alone.fit("none"), subject, test)
        pool = Pool(study, target, {name: training for name, (training, _) in samples.items()} | {subject: half})
        for label, method in ALIGNMENTS.items():
            if method == "none":
                continue
            pooled, single = (pool.fit(method, who) for who in (None, [subject]))
            yield label, (pool.evaluate(label, pooled, subject, test), pool.evaluate(label, single, subject, test), own)


def interval(values: list[float]) -> tuple[float, float, float]:
    """Mean over seeds and subjects, and its 95 % interval."""
    mean, n = float(np.mean(values)), len(values)
    half = float(stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
    return mean, mean - half, mean + half


def row(case: str, found: list[Decoding], *, unheard: bool = False) -> Row:
    """One line: accuracy over seeds and subjects beside chance."""
    mean, low, high = interval([float((one.unheard if unheard else one.accuracy).mean()) for one in found])
    chance = np.mean([one.unheard_chance if unheard else one.chance_interval for one in found], axis=0)
    return Row(
        case,
        ours=f"{mean:.3f} [{low:.3f}, {high:.3f}]",
        peer=f"chance {chance[0]:.3f} to {chance[1]:.3f}",
        agreement={
            "identification": mean,
            "top_1": float(np.mean([one.measures["top_1"] for one in found])),
            "above_chance": bool(mean > chance[1]),
            "within_chance": bool(chance[0] <= mean <= chance[1]),
            "n": len(found),
        },
    )


def encoder_row(target: str, found: list[tuple[float, float]]) -> Row:
    mean, low, high = interval([accuracy for accuracy, _ in found])
    about = {"identification": mean, "top_1": float(np.mean([top for _, top in found])), "n": len(found)}
    return Row(f"{target}_encoder", ours=f"{mean:.3f} [{low:.3f}, {high:.3f}]", agreement=about)


def contrast(target: str, ridge: list[Decoding], contrastive: list[Decoding]) -> Row:
    """Share of clips named first: is contrast better than ridge?"""
    pairs = [(b.measures["top_1"], a.measures["top_1"]) for a, b in zip(ridge, contrastive, strict=True)]
    mean, low, high = interval([ours - theirs for ours, theirs in pairs])
    verdict = "better" if low > 0 else "worse" if high < 0 else "no different"
    ours, peer = (float(np.mean(side)) for side in zip(*pairs, strict=True))
    return Row(
        f"{target}_contrastive_or_ridge",
        ours=f"top 1 {ours:.3f}, {verdict}",
        peer=f"top 1 {peer:.3f}",
        agreement={"difference": mean, "low": low, "high": high},
    )


def newcomer_row(case: str, found: list[tuple[Decoding, Decoding, Decoding]]) -> Row:
    """Does pooling help who heard little?"""
    pooled, alone, own = (np.array([one.accuracy.mean() for one in side]) for side in zip(*found, strict=True))
    gains = {name: interval((pooled - peer).tolist()) for name, peer in (("alone", alone), ("own", own))}
    about = {f"gain_over_{name}{end}": value for name, gain in gains.items()
             for end, value in zip(("", "_low", "_high"), gain, strict=True)}  # fmt: skip
    return Row(
        case,
        ours=f"{pooled.mean():.3f}",
        peer=f"alone {alone.mean():.3f}, own {own.mean():.3f}",
        agreement={**about, "n": len(found)},
    )


def inverse_of_many(quick: bool) -> Row:
    """A whole cortex: 12 runs of 160 windows, 128 features."""
    rng = np.random.default_rng(0)
    n_targets = 4000 if quick else 20_000
    runs = Runs.from_lengths([160] * 12, tr=1.5)
    X = rng.standard_normal((len(runs), 128), dtype=np.float32)
    Y = rng.standard_normal((len(runs), n_targets), dtype=np.float32)
    Y += 0.05 * X @ rng.standard_normal((128, n_targets), dtype=np.float32)
    model = EncodingModel(delays=None).fit(X, Y, runs=runs)
    with peak_memory() as peak:
        wall = seconds(lambda: model.invert(X, Y, runs))
    return Row(f"inverse_{n_targets}", ours="invert", ours_s=wall, peak_mb=peak.mb)


def main() -> None:
    found = arguments(__doc__ or "", lambda parser: parser.add_argument("--seeds", type=int, default=3))
    quick, seeds = found.quick, range(1 if found.quick else found.seeds)
    env, size, rows = environment(seeds=list(seeds)), QUICK if quick else Size(), []
    alone: dict[str, Found] = {}
    encoded: dict[str, list[tuple[float, float]]] = {}
    others: Found = {}
    unheard: Found = {}
    null: Found = {}
    new: dict[str, list[tuple[Decoding, Decoding, Decoding]]] = {}
    invert = inverse_of_many(quick)
    for seed in seeds:
        with TemporaryDirectory() as folder:
            study, recordings = simulated(Path(folder), seed, 2, size)
            for target in ("text",) if quick else ("text", "acoustic"):
                for recording in recordings.values():
                    windows = to_decode(recording, target, {}, study)
                    for one in decoded(windows, study, recording):
                        alone.setdefault(target, {}).setdefault(one.decoder, []).append(one)
                    encoded.setdefault(target, []).append(ranked(windows))
            for name, one in together(study, recordings, "text", quick=quick):
                others.setdefault(name, []).append(one)
            left = changed(study, genres=True, decoders=("ridge", "inverse"))
            for one in [] if quick else decoded(to_decode(recordings["01"], "text", {}, left), left, recordings["01"]):
                unheard.setdefault(one.decoder, []).append(one)
        with TemporaryDirectory() as folder:
            study, recordings = simulated(Path(folder), seed, 2 if quick else 4, size)
            for target in ("text",) if quick else ("text", "acoustic"):
                for label, one in newcomers(study, recordings, target):
                    new.setdefault(f"newcomer_{target}_{label}", []).append(one)
        with TemporaryDirectory() as folder:
            study, recordings = simulated(Path(folder), seed, 1, size, null=True)
            decoders = ("ridge", "inverse") if quick else DECODERS
            few = changed(study, decoders=decoders)
            for one in decoded(to_decode(recordings["01"], "text", {}, few), few, recordings["01"]):
                null.setdefault(one.decoder, []).append(one)
        rows = [invert, *(row(f"{target}_{name}", own) for target, part in alone.items() for name, own in part.items())]
        rows += [encoder_row(target, own) for target, own in encoded.items()]
        rows += [contrast(target, part["ridge"], part["contrastive"]) for target, part in alone.items()]
        rows += [row(name, own) for name, own in others.items()]
        rows += [newcomer_row(name, those) for name, those in new.items()]
        rows += [row(f"unheard_{name}", own, unheard=True) for name, own in unheard.items()]
        rows += [row(f"null_{name}", own) for name, own in null.items()]
        save("decoding", rows, env, quick=quick)
    agreed = all(_as_it_should_be(one) for one in rows)
    finish("decoding", rows, env, agreed=agreed, quick=quick)


def _as_it_should_be(one: Row) -> bool:
    """Nothing is decoded from nothing; the paper's decoder and ridge, and ridge of genres never met, beat chance."""
    about = one.agreement or {}
    if one.case.startswith("null_"):
        return bool(about["within_chance"])
    if one.case in ("text_regions", "text_ridge", "unheard_ridge"):
        return bool(about["above_chance"])
    return True


if __name__ == "__main__":
    main()
