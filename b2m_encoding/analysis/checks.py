"""Checks of a recording against what a study asks for, before anything is computed; no solver is loaded."""

from __future__ import annotations

from b2m_encoding.analysis.splits import split_samples
from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import Space, SurfaceSpace
from b2m_encoding.stats.generalisation import genres_of
from b2m_encoding.study import Study


def check_clusters(space: Space, study: Study) -> None:
    """Raise if the study asks for clusters of targets that are on no mesh."""
    if study.statistics.clusters != "none" and not isinstance(space, SurfaceSpace):
        raise InputError(
            "clusters are found on the mesh of a surface",
            found=f'statistics.clusters = "{study.statistics.clusters}", responses on {space.name}',
            fix='leave the option out, use correction = "fwe", or give responses on a surface',
        )


def check_genres(runs: Runs, study: Study) -> None:
    """Raise unless test clips are named after genres that training heard, where a study leaves genres out."""
    if "genre" not in study.statistics.generalise:
        return
    runs, [split, *_] = split_samples(runs, study.evaluation)
    trained, tested = (set(genres_of(runs.clip[rows]).tolist()) - {""} for rows in (split.train, split.test))
    if len(trained & tested) < 2:
        raise InputError(
            'statistics.generalise = ["genre"] needs clips of two genres in both training and test',
            found=f"training {sorted(trained)}, test {sorted(tested)}",
            expected="clips named genre.00000 by the events",
        )
