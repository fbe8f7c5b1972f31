"""MusicLDM, conditioned on decoded CLAP embeddings, from noise or from the retrieved recording."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from functools import cached_property
from math import ceil
from typing import Any

import numpy as np
import torch
from torch import Tensor

from b2m_encoding.decoding.generators.base import Condition, Exemplar
from b2m_encoding.decoding.generators.diffusion import LatentDiffusion
from b2m_encoding.device import resolve_device
from b2m_encoding.errors import InputError
from b2m_encoding.features.audio import Wave, read_audio
from b2m_encoding.features.networks.clap import MusicLDMClap
from b2m_encoding.features.networks.loading import diffusers_part, pretrained
from b2m_encoding.features.weights import Weights


class MusicLDM:
    """Latent diffusion under CLAP embeddings of sound (Chen et al. 2024, doi 10.1109/ICASSP48485.2024.10447265).

    It was trained on 10.24 s; longer sounds are outside of its training.

    Parameters
    ----------
    weights : Weights
    device : str
    strength : float, optional
        Start from the retrieved recording and make this share of the steps; by default generation starts from noise.
        Open generators lose most of the decoded content when they start from noise; 0.25 keeps it (Mehrish and Vascon
        2026, arXiv 2608.09331).
    steps : int
        Number of steps from noise to sound.
    guidance : float
        Weight of the embedding; 1 is no guidance.
    """

    name = "musicldm"
    space: str | None = "musicldm_clap"
    settings = ("strength", "steps", "guidance")

    def __init__(
        self,
        weights: Weights,
        *,
        device: str = "auto",
        strength: float | None = None,
        steps: int = 200,
        guidance: float = 2.0,
    ) -> None:
        if strength is not None and not 0 <= strength <= 1:
            raise InputError("impossible strength", found=strength, expected="0 to 1")
        if strength and int(steps * strength) < 1:  # it would leave the recording as it is
            found, expected = f"{steps} steps, strength {strength:g}", f"at least {ceil(1 / strength)} steps"
            raise InputError("too few steps for the strength", found=found, expected=expected)
        self.licence = weights.entry.licence
        self.strength, self.steps, self.guidance = strength, steps, guidance
        self._weights, self._device = weights, resolve_device(device)

    @cached_property
    def parts(self) -> LatentDiffusion:
        """Networks, loaded on first use."""
        folder, weights = self._weights.folder, self._weights
        modules = {
            "unet": diffusers_part("UNet2DConditionModel", folder / "unet", weights),
            "vae": diffusers_part("AutoencoderKL", folder / "vae", weights),
            "vocoder": pretrained("SpeechT5HifiGan", folder / "vocoder", weights),
        }
        ready = {name: module.to(self._device).eval().requires_grad_(False) for name, module in modules.items()}
        return LatentDiffusion(**ready, scheduler=diffusers_part("DDIMScheduler", folder / "scheduler", weights))

    @cached_property
    def unconditional(self) -> Tensor:
        """Embedding of an empty text, for the guidance."""
        text_encoder = MusicLDMClap(self._weights, device="cpu")
        return torch.from_numpy(text_encoder.embed_text([""])[0])

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Model, revision, hashes, settings, versions."""
        return {
            "generator": type(self).__name__,
            **self._weights.provenance,
            "strength": self.strength,
            "steps": self.steps,
            "guidance": self.guidance,
            "dtype": "float32",
            "packages": {name: importlib.metadata.version(name) for name in ("torch", "transformers", "diffusers")},
        }

    def generate(self, condition: Condition, seconds: float, random_state: int) -> tuple[Wave, int]:
        """Generate a sound; with a strength, from the exemplar. See :meth:`Generator.generate`."""
        embedding = np.asarray(condition.embedding, dtype=np.float32)
        norm = float(np.linalg.norm(embedding))
        expected = int(self.unconditional.shape[0])
        if embedding.shape != (expected,) or not np.isfinite(norm) or norm == 0:
            raise InputError("not an embedding of musicldm_clap", found=embedding.shape, expected=(expected,))
        start = None
        if self.strength is not None:
            exemplar: Exemplar = condition.needs("exemplar", f"{self.name} with a strength")
            start = self.parts.encode(read_audio(exemplar.path, self.parts.rate, 0.0, exemplar.seconds), seconds)
        wave = self.parts.sample(
            torch.from_numpy(embedding / norm)[None],
            self.unconditional,
            seconds,
            random_state=random_state,
            steps=self.steps,
            guidance=self.guidance,
            start=start,
            strength=1.0 if self.strength is None else self.strength,
        )
        return wave[0].numpy(), self.parts.rate
