"""Public names of the room: they load on first use, and defaults are those of a study."""

import subprocess
import sys

import numpy as np
import pytest

import b2m_encoding.models
from b2m_encoding.models import BandedRidgeCV, EncodingModel, RidgeCV
from b2m_encoding.study import AlphaTable

LIGHT = ("models", "models.penalties", "models.responses", "models.scores", "models.layout")


def test_light_modules_load_neither_torch_nor_scikit_learn() -> None:
    imports = "; ".join(f"import b2m_encoding.{name}" for name in LIGHT)
    script = f"import sys; {imports}; print(sorted({{'torch', 'sklearn'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_loads() -> None:
    for name in b2m_encoding.models.__all__:
        assert getattr(b2m_encoding.models, name).__name__ == name
        assert name in dir(b2m_encoding.models)
    with pytest.raises(AttributeError, match="attribute Lasso"):
        b2m_encoding.models.Lasso  # noqa: B018


def test_default_penalties_are_those_of_a_study() -> None:
    for model in (EncodingModel(), RidgeCV(), BandedRidgeCV()):
        np.testing.assert_array_equal(model.alphas, AlphaTable().grid())
    np.testing.assert_array_equal(AlphaTable().grid(), np.logspace(-1, 7, 17))
