"""Registry of decoders: every name loads, is described, and is accepted by a study."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone

from b2m_encoding import decoding
from b2m_encoding.decoding.decoders.base import Decoder
from b2m_encoding.decoding.decoders.registry import DECODERS, DecoderSettings, build_decoders
from b2m_encoding.results.report import methods
from b2m_encoding.study import DecodingTable

SETTINGS = DecoderSettings({"A1": np.ones(4, dtype=bool)}, n_best=2, n_targets=3, device="cpu")


@pytest.mark.parametrize("name", list(DECODERS))
def test_every_decoder_is_built_described_and_cloned(name: str) -> None:
    names = tuple(dict.fromkeys([name, "ridge"]))
    decoder = build_decoders(names, SETTINGS)[name]
    assert isinstance(decoder, Decoder)
    assert type(clone(decoder)) is type(decoder)
    named = tuple(dict.fromkeys([name, "ridge", "regions"]))  # an ensemble has two others at least
    assert DecodingTable(targets=("x",), decoders=named).decoders == named
    [text] = methods._decoders({"decoders": [name], "regions": 2, "best_targets": 3})
    assert "{" not in text
    assert ("2 regions" in text) == (name == "regions")
    [text] = methods._decoders({"decoders": [name], "regions": 2, "best_targets": 3, "transport": 0.5})
    assert ("Sinkhorn divergence of decoded and true features (weight 0.5)" in text) == (name == "contrastive")


def test_settings_reach_the_decoders() -> None:
    built = build_decoders(("ensemble", *DECODERS), SETTINGS)
    assert list(built)[-1] == "ensemble"
    assert built["ensemble"].get_params(deep=False)["members"] == list(built.values())[:-1]
    assert built["regions"].get_params()["n_best"] == 2
    for name in ("ridge", "inverse", "contrastive"):
        assert built[name].get_params().get("transport", 0.0) == 0.0
        assert (built[name].get_params()["n_targets"], built[name].get_params()["device"]) == (3, "cpu")


def test_names_load_on_first_use() -> None:
    """Neither the package nor a list of its names imports torch; every name it lists exists."""
    code = (
        "import sys, b2m_encoding.decoding as room\n"
        "import b2m_encoding.decoding.decoders.registry\n"
        "assert set(room.__all__) <= set(dir(room))\n"
        "loaded = {'torch', 'sklearn', 'pandas'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    for room in (decoding, decoding.decoders, decoding.retrieval, decoding.generators, decoding.evaluation):
        assert all(getattr(room, name) is not None for name in room.__all__)
    with pytest.raises(AttributeError, match="attribute nothing"):
        _ = decoding.nothing
