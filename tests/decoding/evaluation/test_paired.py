"""Methods of reconstruction compared clip by clip, against plain loops and SciPy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import permutation_test

from b2m_encoding.decoding.evaluation import paired_tests
from b2m_encoding.errors import InputError

SAME = {"target": "mulan", "decoder": "regions", "corpus": "songs", "encoder": "decoded space", "measure": "m"}


def scores(values: dict[str, np.ndarray], n_groups: int = 2, **names: str) -> pd.DataFrame:
    """Rows of ``evaluation_clips.tsv``; values of shape (n_subjects, n_clips) by method."""
    return pd.DataFrame([
        {**SAME, **names, "subject": f"{s:02d}", "method": method, "clip": f"c{c}", "group": f"g{c % n_groups}",
         "value": value}
        for method, table in values.items() for s, row in enumerate(table) for c, value in enumerate(row)
    ])  # fmt: skip


def test_clips_are_flipped_after_subjects_are_averaged(rng: np.random.Generator) -> None:
    values = {name: rng.random((3, 9)) + shift for name, shift in (("retrieved", 0.3), ("chance", 0.0))}
    found = paired_tests(scores(values))
    lead = (values["retrieved"] - values["chance"]).mean(axis=0)
    oracle = permutation_test((lead,), np.mean, permutation_type="samples", n_resamples=np.inf)
    row = found.iloc[0]
    assert (row["compared"], row["first"], row["second"]) == ("method", "retrieved", "chance")
    assert (row["subjects"], row["clips"], row["groups"]) == (3, 9, 2)
    assert row["difference"] == pytest.approx(lead.mean())
    assert row["p"] == pytest.approx(oracle.pvalue)
    assert np.isnan(row["p_groups"])
    assert pd.isna(row["method"])
    assert row["low"] < row["difference"] < row["high"]


def test_corpora_and_decoded_spaces_are_compared_by_what_was_retrieved(rng: np.random.Generator) -> None:
    first = scores({"retrieved": rng.random((2, 14)), "oracle": rng.random((2, 14))}, 7)
    better = {"retrieved": rng.random((2, 14)) + 1}
    found = paired_tests(pd.concat([first, scores(better, 7, corpus="more songs"), scores(better, 7, target="tags")]))
    pairs = {(row.compared, row.first, row.second): row for row in found.itertuples()}
    assert set(pairs) == {
        ("method", "retrieved", "oracle"), ("corpus", "songs", "more songs"), ("target", "mulan", "tags"),
    }  # fmt: skip
    assert pairs["corpus", "songs", "more songs"].difference < -0.5
    assert pairs["corpus", "songs", "more songs"].target == "mulan"
    assert pairs["target", "mulan", "tags"].p_groups == pytest.approx(2 / 2**7)
    assert (found["q"] >= found["p"]).all()


def test_equal_methods_differ_at_the_nominal_rate(rng: np.random.Generator) -> None:
    """Clips that are easy or hard for both, by genre too: simulated."""
    n = 120
    hard = rng.standard_normal((n, 1, 60)) + rng.standard_normal((n, 1, 10))[:, :, np.arange(60) % 10]
    p = [
        paired_tests(scores({k: hard[i] + rng.standard_normal((2, 60)) for k in "ab"}, 10), n_permutations=500)
        for i in range(n)
    ]
    for column in ("p", "p_groups"):
        assert np.mean([one[column].iloc[0] < 0.05 for one in p]) == pytest.approx(0.05, abs=0.04)


def test_what_cannot_be_compared() -> None:
    assert not len(paired_tests(scores({"retrieved": np.ones((1, 5))})))
    assert not len(paired_tests(scores({"retrieved": np.ones((1, 1)), "chance": np.ones((1, 1))})))
    lonely = pd.concat([scores({"a": np.ones((1, 3))}), scores({"b": np.ones((2, 3))})[3:]])  # of another subject
    assert not len(paired_tests(lonely))
    with pytest.raises(InputError, match="lacks columns"):
        paired_tests(pd.DataFrame({"clip": []}))
