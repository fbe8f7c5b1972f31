"""Rows of ``calibration.py`` on responses of real studies, with features that are unrelated to them, cross-validated.

- ``realdata_*``: noise features that a haemodynamic response has smeared, new ones in every draw.
- ``realdata_*_shifted``: the features of the study itself, all of them, moved round the run by a quarter to three
  quarters of its length, in every other draw backwards in time, with the model of ``tutorials/``: filtered features,
  its delays, stacked.

Rate of p < .05 in ``ours``, with its standard error and 95 % interval. Draws of features and people may each have rates
of their own, so that the error is that of two-way clusters (Cameron, Gelbach & Miller 2011, doi
10.1198/jbes.2010.07136). Agreement: ours within [.04, .06], or within the 95 % interval of it, by Student's t with the
draws less one: two of them, as in ``--quick``, tell little. The listeners of ``alice`` heard the same story: they are
analysed together, as targets of one study. Only where the folder
``B2M_SHARED`` names holds these data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from accuracy import SHARED, Recorded, alice, localizer
from calibration_folds import encode, noise
from harness import Row
from scipy.stats import t as student_t

from b2m_encoding import Responses
from b2m_encoding.analysis.encoding.encode import encode_subject
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.spaces import Unplaced
from b2m_encoding.study import Study

DRAWS = {"localizer": (16, 1500), "alice": (24, 2000)}
"""Draws of features, and refits of each."""


def real_data(quick: bool) -> Iterator[Row]:
    """Responses of real studies without a relation to the features."""
    for name, load in (("localizer", localizer), ("alice", alice)):
        if not (SHARED / "data" / name).is_dir():
            continue
        n_draws, refits = (2, 1000) if quick else DRAWS[name]
        one, n_people = _together(name, load, quick)
        for case, p_of in ((name, _of_noise), (f"{name}_shifted", _of_shifted)):
            p = np.array([p_of(one, draw, n_draws, refits) for draw in range(n_draws)])
            yield _row(case, p.reshape(n_draws, n_people, -1))


def _together(name: str, load: Any, quick: bool) -> tuple[Recorded, int]:
    """All people as targets of one study with six blocks (four of the short localizer, every eighth voxel)."""
    people = list(load(quick))
    values = np.concatenate([np.asarray(one.responses.load()) for one in people], axis=1)
    if name == "localizer":
        values = values[:, :: 2 if quick else 8]  # those of quick are every tenth
    first = people[0]
    evaluation = first.study.evaluation.model_copy(update={"blocks": 4 if name == "localizer" else 6})
    study = first.study.model_copy(update={"evaluation": evaluation})
    responses = Responses.from_array(values, first.responses.runs, Unplaced(values.shape[1]))
    return replace(first, responses=responses, study=study), len(people)


def _statistics(refits: int) -> dict[str, Any]:
    return {"refits": refits, "permutations": 500, "audit": False, "partition": False, "intervals": False}


def _of_noise(one: Recorded, draw: int, _: int, refits: int) -> Any:
    """P of all targets for smeared noise."""
    runs, evaluation = one.responses.runs, one.study.evaluation.model_dump()
    features = noise(np.random.default_rng(draw), [len(runs)], 0.8, 10)
    return encode(np.asarray(one.responses.load()), {"f": features}, runs, evaluation, **_statistics(refits)).p


def _of_shifted(one: Recorded, draw: int, n_draws: int, refits: int) -> Any:
    """P of all targets for the features of another time of the run."""
    n = len(one.responses.runs)
    lag = round(n * (0.25 + 0.5 * (draw + 0.5) / n_draws))
    spaces = {
        name: FeatureSpace(name, np.roll(np.asarray(space.values)[:: -1 if draw % 2 else 1], lag, axis=0), space.runs)
        for name, space in one.spaces.items()
    }
    statistics = one.study.statistics.model_copy(update={**_statistics(refits), "preference": "r"})
    study: Study = one.study.model_copy(update={"statistics": statistics})
    return encode_subject(one.responses, spaces, study).p


def _row(case: str, p: Any) -> Row:
    """Row of p values, shape (n_draws, n_people, n_targets)."""
    rates, small = (np.nanmean(np.where(np.isfinite(p), p < level, np.nan), axis=2) for level in (0.05, 0.001))
    rate, error = float(np.nanmean(rates)), _clustered_error(rates)
    half = float(student_t.ppf(0.975, max(len(rates) - 1, 1))) * error
    ends = [round(min(max(rate + side * half, 0.0), 1.0), 4) for side in (-1, 1)]
    agreement = {"within": bool(abs(rate - 0.05) <= 0.01 + half), "standard_error": error, "interval": ends}
    agreement |= {"p_below_0.001": float(np.nanmean(small)), "draws": len(rates), "people": rates.shape[1]}
    return Row(f"realdata_{case}", ours=f"{rate:.4f}", agreement=agreement)


def _clustered_error(rates: Any) -> float:
    """Standard error of the mean of a table of draws and people: errors of both, less what they share."""
    left = rates - np.nanmean(rates)
    draws, people, both = (_squared_error(one) for one in (left.mean(axis=1), left.mean(axis=0), left.ravel()))
    return float(np.sqrt(max(draws + people - both, draws, people)))


def _squared_error(left: Any) -> float:
    """Squared standard error of a mean, from what its parts differ from it."""
    return float((left**2).sum() / max(len(left) * (len(left) - 1), 1))


PARTS = {"real_data": real_data}
