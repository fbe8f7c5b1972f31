from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
import torch

from b2m_encoding.errors import InputError
from b2m_encoding.features.networks.loading import transformers


def test_latents_are_what_the_codec_quantises(
    sound: Callable[..., Any], saved: Callable[[str], Path], noise: Callable[..., Any]
) -> None:
    model = transformers().EncodecModel.from_pretrained(saved("codec")).eval()
    waves = noise(2, 32_000)
    quantised: list[torch.Tensor] = []
    encode = model.quantizer.encode
    model.quantizer.encode = lambda latents, bandwidth: (quantised.append(latents), encode(latents, bandwidth))[1]
    with torch.no_grad():
        model.encode(torch.from_numpy(waves)[:, None])
    network = sound("codec")
    assert (network.rate, network.frame_rate, network.layers) == (32_000, 100.0, (0,))
    assert np.abs(network.embed(waves)[:, 0] - quantised[0].transpose(1, 2).numpy()).max() < 1e-5


def test_stereo_codecs_are_refused(sound: Callable[..., Any], saved: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tmp_path / "codec"
    copytree(saved("codec"), folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"normalize": True}))
    with pytest.raises(InputError, match="mono codecs"):
        sound("codec", folder=folder)
