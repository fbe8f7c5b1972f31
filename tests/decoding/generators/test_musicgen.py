"""MusicGen with tiny random weights: guidance through our own states is that of the text path, seeds decide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from b2m_encoding.decoding.generators import Condition, load_generator
from b2m_encoding.errors import InputError

from ...tiny_models import save_musicgen

SECONDS = 0.4
TOLD = Condition("x", np.zeros(3, np.float32), text="slow piano")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("musicgen")
    save_musicgen(made)
    return made


def load(folder: Path, **settings: Any) -> Any:
    return load_generator("musicgen", weights=folder, device="cpu", **settings)


@pytest.mark.parametrize("guidance", [3.0, 1.0])
def test_guidance_is_that_of_the_text_path(folder: Path, guidance: float) -> None:
    generator = load(folder, guidance=guidance)
    wave, rate = generator.generate(TOLD, SECONDS, random_state=3)
    tokens = generator.tokenizer([TOLD.text], return_tensors="pt")
    torch.manual_seed(3)
    expected = generator.model.generate(
        **tokens, guidance_scale=guidance, do_sample=True, max_new_tokens=round(SECONDS * 50) + 3
    )
    assert (rate, len(wave)) == (8000, 3200)
    assert np.array_equal(wave, expected[0, 0, :3200].numpy())
    other = Condition("x", TOLD.embedding, text="a longer text of more words than two")
    assert not np.array_equal(generator.generate(other, SECONDS, random_state=3)[0], wave)


def test_the_seed_decides_and_leaves_the_others_alone(folder: Path) -> None:
    generator = load(folder)
    assert generator.model is not None  # loading draws numbers
    state = torch.random.get_rng_state()
    first, again, other = (generator.generate(TOLD, SECONDS, seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_provenance_and_bad_requests(folder: Path) -> None:
    generator = load(folder)
    assert generator.provenance["guidance"] == 3.0
    assert len(generator.provenance["files"]["model.safetensors"]) == 64
    with pytest.raises(InputError, match="needs the text"):
        generator.generate(Condition("x", np.zeros(3, np.float32)), SECONDS, 1)
    with pytest.raises(InputError, match="at most 30 s"):
        generator.generate(TOLD, 31.0, 1)
