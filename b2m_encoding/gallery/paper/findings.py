"""Findings of the figures of the paper beside ours: reconstruction, encoding, generalisation."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from b2m_encoding.gallery.paper.beside import NA, Compared, Line, claim, number_line
from b2m_encoding.results.schema import CHANCE, tables
from b2m_encoding.results.schema.brain2music import published

AUDITORY = ("auditory", "auditory_zoom", "superior_temporal")
FRONTAL = ("lateral_frontal", "lateral_prefrontal", "inferior_frontal")
NONE = "nothing was reconstructed: b2m corpus build, b2m reconstruct"
SIGNIFICANT = 0.05


def _share(holds: list[bool]) -> str:
    return f"in {sum(holds)} of {len(holds)} subjects"


def reconstruction(compared: Compared) -> Iterator[Line]:
    """Figures 3 and 4."""
    table, tests = compared.report.table(tables.CLIP_EVALUATION), compared.paired_tests
    drawn = compared.report.table(tables.RECONSTRUCTION)
    item, there = "spectrograms of stimulus, retrieval and generation", None if drawn is None else True
    yield claim("Figure 3", item, "shown", "shown" if there else NA, there, "" if there else NONE)
    yield from _by_target(compared, table, tests)
    yield from _by_corpus(table, tests)
    yield _by_method(table, tests)
    yield from _classes(table, tests)
    yield _best_genre(table)


def _paired(tests: pd.DataFrame, first: str, second: str, **where: str) -> list[tuple[str, float, float, str]]:
    """Measure, difference, q and text of the tests of the first against the second, whichever way they were made."""
    found = []
    for sign, (a, b) in ((1, (first, second)), (-1, (second, first))):
        own = tests[(tests["first"] == a) & (tests["second"] == b)]
        for name, value in where.items():
            own = own[own[name] == value]
        for row in own.itertuples():
            lead = sign * row.difference
            ends = sorted((sign * row.low, sign * row.high))
            text = f"{lead:+.3f} [{ends[0]:+.3f}, {ends[1]:+.3f}], p {row.p:.2g}, q {row.q:.2g}, {row.clips} clips"
            found.append((row.measure, lead, row.q, text))
    return found


def _difference(tests: pd.DataFrame, first: str, second: str, **where: str) -> str:
    """Tests of identification in the decoded space as text."""
    where = {"measure": "identification", "encoder": "decoded space", **where}
    return "; ".join(text for *_, text in _paired(tests, first, second, **where))


def _means(table: pd.DataFrame, column: str, **where: str) -> dict[str, float]:
    """Mean identification in the decoded space by a column, subjects first."""
    rows = table[(table["measure"] == "identification") & (table["encoder"] == "decoded space")]
    for name, value in where.items():
        rows = rows[rows[name] == value]
    of_subjects = rows.groupby([column, "subject"])["value"].mean()
    return {str(name): float(value) for name, value in of_subjects.groupby(level=0).mean().items()}


def _by_target(compared: Compared, table: pd.DataFrame | None, tests: pd.DataFrame) -> Iterator[Line]:
    item, text = "identification by retrieval: MuLan against w2v-BERT", "MuLan above w2v-BERT"
    names = [compared.spaces.get(one) for one in ("MuLan_music", "w2v-BERT-avg")]
    means = {} if table is None else _means(table, "target", method="retrieved")
    if None in names or not set(names) <= set(means):
        yield claim("Figure 4a", item, text, NA, None, NONE if table is None else "both must be reconstructed from")
        return
    first, second = (means[str(name)] for name in names)
    why = _difference(tests, str(names[0]), str(names[1]), compared="target")
    yield claim("Figure 4a", item, text, f"{first:.3f}, {second:.3f}", first > second, why)


def _by_corpus(table: pd.DataFrame | None, tests: pd.DataFrame) -> Iterator[Line]:
    for id in ("fma_small", "fma_large"):
        known = published()[id]
        yield claim(known.where, known.what, f"{known.value:,.0f}", NA, None, "FMA itself is not part of the package")
    item, text = "a larger corpus retrieves better", "FMA large above FMA small"
    means = {} if table is None else _means(table, "corpus", method="retrieved")
    named = {key: name for name in means for key in ("small", "large") if key in name.lower()}
    if len(named) < 2:
        why = "two corpora with small and large in their names are needed"
        yield claim("Figure 4a", item, text, ", ".join(f"{k} {v:.3f}" for k, v in means.items()) or NA, None, why)
    else:
        large, small = means[named["large"]], means[named["small"]]
        why = _difference(tests, named["large"], named["small"], compared="corpus")
        yield claim("Figure 4a", item, text, f"{large:.3f}, {small:.3f}", large > small, why)


def _generators(means: dict[str, float]) -> dict[str, float]:
    return {k: v for k, v in means.items() if k not in ("heard", "retrieved", "oracle", "chance")}


def _by_method(table: pd.DataFrame | None, tests: pd.DataFrame) -> Line:
    item, text = "generation and retrieval from the large corpus", "about equal"
    means = {} if table is None else _means(table, "method")
    made = _generators(means)
    shown = ", ".join(f"{name} {value:.3f}" for name, value in means.items()) or NA
    if not made or "retrieved" not in means:
        why = "MusicLM is not open; no open generator was run (b2m reconstruct --generator)"
        return claim("Figure 4a", item, text, shown, None, why)
    best = max(made, key=lambda name: made[name])
    difference = made[best] - means["retrieved"]
    why = f"less than 0.05 is equal; {_difference(tests, best, 'retrieved', compared='method')}"
    return claim("Figure 4a", item, text, shown, abs(difference) < 0.05, why)


def _classes(table: pd.DataFrame | None, tests: pd.DataFrame) -> Iterator[Line]:
    rows = None if table is None else table[table["encoder"] == "AudioSet"]
    none = rows is None or not len(rows)
    why = "no classes: b2m reconstruct --classes (b2m models fetch audioset; the paper used LEAF)"
    oracle = None if none or rows is None else rows[(rows["method"] == "oracle") & (rows["measure"] == "moods")]
    yield number_line("oracle_mood", None if oracle is None else float(oracle["value"].mean()), why=why if none else "")
    item, text = "classes: generation against both retrievals", "generation significantly above"
    if none or rows is None:
        yield claim("Figure 4b", item, text, NA, None, why)
        return
    means = rows.groupby("method")["value"].mean()
    made = _generators({str(k): float(v) for k, v in means.items()})
    shown = ", ".join(f"{name} {value:.3f}" for name, value in means.items())
    best = max(made, key=lambda name: made[name], default="")
    found = _paired(tests, best, "retrieved", compared="method", encoder="AudioSet")
    holds = all(lead > 0 and q < SIGNIFICANT for _, lead, q, _ in found) if found else None
    why = "; ".join(f"{measure} {text}" for measure, *_, text in found)
    yield claim("Figure 4b", item, text, shown, holds, why or ("" if made else "no generator was run"))


def _best_genre(table: pd.DataFrame | None) -> Line:
    item, text = "identification by genre", "consistent, classical highest"
    means = {} if table is None else _means(table[table["group"].notna()], "group", method="retrieved")
    if not means:
        return claim("Figure 4c", item, text, NA, None, NONE)
    best = max(means, key=lambda name: means[name])
    shown = ", ".join(f"{name} {value:.2f}" for name, value in sorted(means.items(), key=lambda one: -one[1]))
    return claim("Figure 4c", item, text, shown, best == "classical" and min(means.values()) > CHANCE)


def encoding(compared: Compared) -> Iterator[Line]:
    """Figures 5 and 6, and 7b."""
    both = ("MuLan_music", "w2v-BERT-avg")
    yield _compared(compared, "Figure 5", both, FRONTAL, "MuLan above w2v-BERT in lateral prefrontal cortex")
    yield _overlap(compared, "Figure 5", both, "both predict auditory cortex, mostly the same voxels")
    both = ("MuLan_music", "MuLan_text")
    yield _overlap(compared, "Figure 6", both, "text and music predict largely the same voxels")
    both = ("MuLan_music", "genre one-hot")
    yield _compared(compared, "Figure 7b", both, AUDITORY, "MuLan above genre one-hots in auditory cortex")
    yield _marked(compared, both)


def _pair(compared: Compared, both: tuple[str, str]) -> tuple[tuple[str, str] | None, str]:
    names = [compared.spaces.get(one) for one in both]
    lacking = [one for one, name in zip(both, names, strict=True) if name is None]
    if lacking:
        return None, "; ".join(compared.missing(one) for one in lacking)
    return (str(names[0]), str(names[1])), ""


def _in_each(compared: Compared, measure: Callable[[str], float | None]) -> list[float]:
    return [value for subject in compared.subjects if (value := measure(subject)) is not None and np.isfinite(value)]


def _compared(compared: Compared, where: str, both: tuple[str, str], sets: tuple[str, ...], text: str) -> Line:
    """Mean score of the first above that of the second, in a region."""
    item = f"{both[0]} against {both[1]}"
    names, why = _pair(compared, both)
    if names is None:
        return claim(where, item, text, NA, None, why)

    def difference(subject: str) -> float | None:
        inside = compared.region(subject, sets)
        first, second = (compared.map(subject, name) for name in names)
        return None if inside is None else float(np.nanmean((first - second)[inside]))

    found = _in_each(compared, difference)
    if not found:
        return claim(where, item, text, NA, None, f"the atlas has none of {', '.join(sets)}, or targets have no place")
    shown = f"difference of r {np.mean(found):+.3f}, {_share([one > 0 for one in found])} above"
    return claim(where, item, text, shown, bool(np.mean(found) > 0) and sum(one > 0 for one in found) > len(found) / 2,
                 f"mean over the tested targets of the region ({names[0]} - {names[1]})")  # fmt: skip


def _overlap(compared: Compared, where: str, both: tuple[str, str], text: str) -> Line:
    """Dice coefficient of the targets that each of two predicts."""
    item = f"overlap of {both[0]} and {both[1]}"
    names, why = _pair(compared, both)
    if names is None:
        return claim(where, item, text, NA, None, why)

    def dice(subject: str) -> float | None:
        first, second = (compared.predicted(subject, name) for name in names)
        if first is None or second is None or not (total := int(first.sum() + second.sum())):
            return None
        return 2 * float((first & second).sum()) / total

    found = _in_each(compared, dice)
    if not found:
        return claim(where, item, text, NA, None, "no target is predicted by either")
    shown, about = f"Dice {np.mean(found):.2f} ({min(found):.2f} to {max(found):.2f})", "above 0.5 is most"
    return claim(where, item, text, shown, bool(np.mean(found) > 0.5), f"targets that each predicts by itself; {about}")


def _marked(compared: Compared, both: tuple[str, str]) -> Line:
    """Where the targets lie in which both models have r > 0.4."""
    item, text, level = "targets with r > 0.4 in both", "nearly all auditory", published()["marked_r"].value
    names, why = _pair(compared, both)
    if names is None:
        return claim("Figure 7b", item, text, NA, None, why)

    def share(subject: str) -> float | None:
        inside = compared.region(subject, AUDITORY)
        high = np.all([compared.map(subject, name) > level for name in names], axis=0)
        return None if inside is None or not high.any() else float(inside[high].mean())

    found = _in_each(compared, share)
    if not found:
        return claim("Figure 7b", item, text, NA, None, "no such target in any subject")
    return claim("Figure 7b", item, text, f"{np.mean(found):.0%} in auditory cortex", bool(np.mean(found) > 0.9),
                 f"{len(found)} subjects with such targets; above 90 % is nearly all")  # fmt: skip


def generalisation(compared: Compared) -> Iterator[Line]:
    """Figure 7a: decoders that never met the genre of a clip."""
    text = "significantly above chance, below the full model"
    rows = [one for one in compared.report.identification if "identification_accuracy_unheard_group" in one]
    if not rows:
        why = 'statistics.generalise = ["group"], with clips = { group = "genre" }, was not asked for'
        yield claim("Figure 7a", "one genre left out", text, NA, None, why)
    for name in dict.fromkeys(str(one["feature_space"]) for one in rows):
        own = [one for one in rows if one["feature_space"] == name and one.get("decoder", "regions") == "regions"]
        if not own:
            continue
        full, without = (
            np.array([one[key] for one in own])
            for key in ("identification_accuracy", "identification_accuracy_unheard_group")
        )
        above = [
            bool(value > one["chance_interval_95_unheard_group"][1]) for value, one in zip(without, own, strict=True)
        ]
        shown = f"{without.mean():.3f}, full model {full.mean():.3f}; above chance {_share(above)}"
        within = [one.get("identification_accuracy_unheard_within_group") for one in own]
        known = [one for one in within if one is not None]
        why = f"among clips of the genre alone {np.mean(known):.3f}" if known else ""
        yield claim("Figure 7a", f"one genre left out, {name}", text, shown, sum(above) > len(above) / 2, why)


def appendix(compared: Compared) -> Iterator[Line]:
    """Figures A.1 to A.5."""
    curves = compared.report.table(tables.PENALTIES)
    item, text = "score against penalty", "overfits below the best penalty, underfits above"
    if curves is None:
        yield claim("Figure A.1", item, text, NA, None, "nothing was decoded from regions")
    else:
        wanted = compared.spaces.get("MuLan_music", str(curves["target"].iloc[0]))
        own = curves[curves["target"] == (wanted if wanted in set(curves["target"]) else curves["target"].iloc[0])]
        mean = own.groupby("alpha")[["r_training", "r_validation"]].mean()
        best = mean["r_validation"].idxmax()
        gap = mean["r_training"] - mean["r_validation"]
        inner = mean.index[0] < best < mean.index[-1]
        gaps = f"{gap.iloc[0]:.2f} at the smallest, {gap[best]:.2f} there"
        shown = f"best penalty {best:.3g}; r of fitted minus left-out windows {gaps}"
        holds = bool(inner and gap.iloc[0] > gap[best])
        yield claim("Figure A.1", item, text, shown, holds, f"decoding {own['target'].iloc[0]}")
    n = len(compared.subjects)
    yield claim("Figures A.2 to A.5", "all subjects", "all subjects agree", f"{n} subjects, drawn one by one",
                None if n < 2 else _agree(compared) > 0, "mean correlation of the maps of joint r between subjects > 0"
                if n > 1 else "one subject")  # fmt: skip
    clips = compared.report.get("features")
    captions = any(one["extractor"] in ("caption", "text") for one in clips.values())
    yield claim("Appendix A.4", "captions of the clips", "280 letters, 46 words", "used" if captions else NA,
                True if captions else None, "" if captions else "no feature space of captions")  # fmt: skip


def _agree(compared: Compared) -> float:
    """Mean correlation of the maps of the joint model between subjects; 0 where their targets differ."""
    scores = [compared.context.results.map(subject, "joint", "r") for subject in compared.subjects]
    if len({len(one) for one in scores}) > 1:
        return 0.0
    values = np.stack(scores)
    r = np.atleast_2d(np.corrcoef(values[:, np.isfinite(values).all(axis=0)]))
    return float(r[np.triu_indices(len(r), 1)].mean())
