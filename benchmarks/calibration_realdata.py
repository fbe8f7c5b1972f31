"""Rows of ``calibration.py`` on responses of real studies, with features that are unrelated to them, cross-validated.

- ``realdata_*``: noise features that a haemodynamic response has smeared, new ones in every draw.
- ``realdata_*_shifted``: the features of the study itself, all of them, moved round the run by a random quarter to
  three quarters of its length, with the model of ``tutorials/``: filtered features, its delays, stacked.

Rate of p < .05 in ``ours``. A draw is one set of features; the standard error is that over draws and people, which are
independent where voxels and regions are not. Agreement: ours within [.04, .06], or within two standard errors of it.
Only where the folder ``B2M_SHARED`` names holds these data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from accuracy import SHARED, Recorded, alice, localizer, with_targets
from calibration_folds import encode, noise
from harness import Row

from b2m_encoding.analysis.encoding.encode import encode_subject
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.study import Study

DRAWS = {"localizer": (16, 1500), "alice": (4, 1000)}
"""Draws of features for each person, and refits of each."""


def real_data(quick: bool) -> Iterator[Row]:
    """Responses of real studies without a relation to the features."""
    for name, load in (("localizer", localizer), ("alice", alice)):
        if not (SHARED / "data" / name).is_dir():
            continue
        n_draws, refits = (1, 1000) if quick else DRAWS[name]
        people = list(_people(name, load, quick))
        for case, p_of in ((name, _of_noise), (f"{name}_shifted", _of_shifted)):
            n = 1 if p_of is _of_shifted and name == "alice" else n_draws
            yield _row(case, [p_of(one, i * 100 + draw, refits) for i, one in enumerate(people) for draw in range(n)])


def _people(name: str, load: Any, quick: bool) -> Iterator[Recorded]:
    """Every person with six blocks (four of the short localizer); every eighth voxel."""
    for i, one in enumerate(load(False)):
        if quick and i:
            break
        responses = one.responses
        if name == "localizer":
            responses = with_targets(responses, slice(None, None, 20 if quick else 8))
        evaluation = one.study.evaluation.model_copy(update={"blocks": 4 if name == "localizer" else 6})
        study = one.study.model_copy(update={"evaluation": evaluation})
        yield replace(one, responses=responses, study=study)


def _statistics(refits: int) -> dict[str, Any]:
    return {"refits": refits, "permutations": 500, "audit": False, "partition": False, "intervals": False}


def _of_noise(one: Recorded, seed: int, refits: int) -> Any:
    """P of all targets for smeared noise."""
    runs, evaluation = one.responses.runs, one.study.evaluation.model_dump()
    features = noise(np.random.default_rng(seed), [len(runs)], 0.8, 10)
    return encode(np.asarray(one.responses.load()), {"f": features}, runs, evaluation, **_statistics(refits)).p


def _of_shifted(one: Recorded, seed: int, refits: int) -> Any:
    """P of all targets for the features of another time of the run."""
    n = len(one.responses.runs)
    lag = int(np.random.default_rng(seed).integers(n // 4, n - n // 4))
    spaces = {
        name: FeatureSpace(name, np.roll(np.asarray(space.values), lag, axis=0), space.runs)
        for name, space in one.spaces.items()
    }
    statistics = one.study.statistics.model_copy(update={**_statistics(refits), "preference": "r"})
    study: Study = one.study.model_copy(update={"statistics": statistics})
    return encode_subject(one.responses, spaces, study).p


def _row(case: str, p: list[Any]) -> Row:
    rates = np.array([np.mean(one[np.isfinite(one)] < 0.05) for one in p])
    small = float(np.mean([np.mean(one[np.isfinite(one)] < 0.001) for one in p]))
    rate, error = float(rates.mean()), float((0.05 * 0.95 / len(p[0])) ** 0.5)  # of one draw, as of independent targets
    if len(rates) > 1:
        error = float(rates.std(ddof=1) / np.sqrt(len(rates)))
    agreement = {"within": bool(abs(rate - 0.05) <= 0.01 + 2 * error), "standard_error": error}
    agreement |= {"p_below_0.001": small, "draws": len(rates)}
    return Row(f"realdata_{case}", ours=f"{rate:.4f}", agreement=agreement)


PARTS = {"real_data": real_data}
