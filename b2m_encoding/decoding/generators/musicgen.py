"""MusicGen, conditioned on tags of the retrieved recording: a baseline, because it accepts no audio embedding."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from b2m_encoding.decoding.generators.base import Condition
from b2m_encoding.device import resolve_device
from b2m_encoding.errors import InputError
from b2m_encoding.features.audio import Wave
from b2m_encoding.features.networks.loading import from_folder, pretrained, transformers
from b2m_encoding.features.weights import Weights

LONGEST = 30.0
"""Longest sound of its training, s."""


class MusicGen:
    """Codec tokens under a text (Copet et al. 2023, arXiv 2306.05284).

    Parameters
    ----------
    weights : Weights
    device : str
    guidance : float
        Weight of the text; 1 is no guidance.
    """

    name = "musicgen"
    space: str | None = None
    settings = ("guidance",)

    def __init__(self, weights: Weights, *, device: str = "auto", guidance: float = 3.0) -> None:
        self.licence = weights.entry.licence
        self.guidance = guidance
        self._weights, self._device = weights, resolve_device(device)

    @cached_property
    def model(self) -> Any:
        """Network, loaded on first use."""
        model = pretrained("MusicgenForConditionalGeneration", self._weights.folder, self._weights)
        return model.to(self._device).eval().requires_grad_(False)

    @cached_property
    def tokenizer(self) -> Any:
        """Tokenizer of the text encoder."""
        return from_folder("AutoTokenizer", self._weights.folder, self._weights)

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Model, revision, hashes, settings, versions."""
        return {
            "generator": type(self).__name__,
            **self._weights.provenance,
            "guidance": self.guidance,
            "dtype": "float32",
            "packages": {name: importlib.metadata.version(name) for name in ("torch", "transformers")},
        }

    def generate(self, condition: Condition, seconds: float, random_state: int) -> tuple[Wave, int]:
        """Generate a sound under the text of the condition, at most 30 s; see :meth:`Generator.generate`."""
        if seconds > LONGEST:
            raise InputError(
                "the sound is too long for musicgen", found=f"{seconds:g} s", expected=f"at most {LONGEST:g} s"
            )
        tokens = self.tokenizer([condition.needs("text", self.name)], return_tensors="pt").to(self._device)
        with torch.inference_mode():
            states = self.model.text_encoder(tokens["input_ids"], tokens["attention_mask"]).last_hidden_state
        rate = int(self.model.config.audio_encoder.sampling_rate)
        wave = self.from_states(states, tokens["attention_mask"], seconds, random_state)
        return wave[0, 0, : round(seconds * rate)].float().cpu().numpy(), rate

    def from_states(self, states: Tensor, mask: Tensor, seconds: float, random_state: int) -> Tensor:
        """Generate sounds from states of a text encoder, or from other states in their place.

        With guidance, zero states of an empty text are added here, because the library adds them only to texts.

        Parameters
        ----------
        states : tensor, shape (n_sounds, n_tokens, n_dimensions)
        mask : tensor, shape (n_sounds, n_tokens)
        seconds : float
        random_state : int

        Returns
        -------
        tensor, shape (n_sounds, 1, n_samples)
        """
        output = transformers().modeling_outputs.BaseModelOutput
        guided = self.guidance > 1
        if guided:
            states, mask_both = (torch.cat([x, torch.zeros_like(x)]) for x in (states, mask))
        else:
            mask_both = mask
        placeholder = torch.zeros(mask.shape, dtype=torch.long, device=mask.device)  # for the number of sounds
        devices = [self._device] if self._device.type == "cuda" else []
        with torch.inference_mode(), torch.random.fork_rng(devices):
            torch.manual_seed(random_state)
            found: Tensor = self.model.generate(
                input_ids=placeholder,
                encoder_outputs=output(last_hidden_state=states),
                attention_mask=mask_both,
                guidance_scale=self.guidance if guided else 1.0,
                do_sample=True,
                max_new_tokens=round(seconds * self.model.config.audio_encoder.frame_rate) + self._delay,
            )
        return found

    @property
    def _delay(self) -> int:
        """Delay of the last codebook after the first, in steps."""
        return int(self.model.config.decoder.num_codebooks) - 1
