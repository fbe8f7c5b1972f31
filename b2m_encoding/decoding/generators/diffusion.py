"""Sampler of AudioLDM and MusicLDM: latents of a spectrogram, denoised under a joint embedding."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod
from typing import Any

import torch
from torch import Tensor

from b2m_encoding.decoding.generators.mel import log_mel
from b2m_encoding.errors import InputError
from b2m_encoding.features.audio import Wave


@dataclass(frozen=True, eq=False)
class LatentDiffusion:
    """A denoiser with its autoencoder of spectrograms, vocoder and noise schedule.

    Parameters
    ----------
    unet, vae, vocoder, scheduler
        ``UNet2DConditionModel``, ``AutoencoderKL`` and ``DDIMScheduler`` of diffusers, and ``SpeechT5HifiGan`` of
        transformers.
    """

    unet: Any
    vae: Any
    vocoder: Any
    scheduler: Any

    @property
    def rate(self) -> int:
        """Sampling rate of the sounds, Hz."""
        return int(self.vocoder.config.sampling_rate)

    @property
    def hop(self) -> int:
        """Samples per frame of the spectrogram."""
        return int(prod(self.vocoder.config.upsample_rates))

    @property
    def factor(self) -> int:
        """Number of frames, and of bands, per latent."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))

    @torch.inference_mode()
    def sample(
        self,
        embeddings: Tensor,
        unconditional: Tensor,
        seconds: float,
        *,
        random_state: int,
        steps: int = 200,
        guidance: float = 2.0,
        start: Tensor | None = None,
        strength: float = 1.0,
    ) -> Tensor:
        """Draw sounds.

        Parameters
        ----------
        embeddings : tensor, shape (n_sounds, n_dimensions)
            Embeddings of unit length, as in training.
        unconditional : tensor, shape (n_dimensions,)
            Embedding of an empty text, for the guidance.
        seconds : float
        random_state : int
            Seed of the noise, which is drawn on the CPU: the same for every device.
        steps : int
            Number of steps from noise to sound.
        guidance : float
            Weight of the difference to the unguided prediction (Ho and Salimans 2022, arXiv 2207.12598); 1 is no
            guidance.
        start : tensor, shape (n_sounds, n_channels, n_frames, n_bands), optional
            Latents of a sound to start from (:meth:`encode`).
        strength : float
            Share of the steps that are made from there, after the noise of as many steps is added (SDEdit, Meng et al.
            2022, arXiv 2108.01073); 0 changes nothing, 1 starts from noise.

        Returns
        -------
        tensor, shape (n_sounds, n_samples)

        Raises
        ------
        InputError
            If the number of steps is impossible, or the latents have another length.
        """
        most = int(self.scheduler.config.num_train_timesteps)
        if not 1 <= steps <= most:
            raise InputError("impossible number of steps", found=steps, expected=f"1 to {most}, as in training")
        device = next(self.unet.parameters()).device
        generator = torch.Generator().manual_seed(random_state)
        shape = self._shape(len(embeddings), seconds)
        noise = torch.randn(shape, generator=generator).to(device)
        self.scheduler.set_timesteps(steps, device=device)
        times = self.scheduler.timesteps
        latents = noise * self.scheduler.init_noise_sigma
        if start is not None and strength < 1:
            if start.shape != noise.shape:
                raise InputError("latents of another length", found=tuple(start.shape), expected=tuple(noise.shape))
            times = times[steps - int(steps * strength) :]
            latents = self.scheduler.add_noise(start, noise, times[:1]) if len(times) else start
        condition = torch.cat([unconditional.expand(len(embeddings), -1), embeddings]).to(device)
        for time in times:
            latents = self.scheduler.step(self._noise(latents, time, condition, guidance), time, latents).prev_sample
        return self._decode(latents)[:, : int(seconds * self.rate)]

    @torch.inference_mode()
    def encode(self, wave: Wave, seconds: float) -> Tensor:
        """Latents of a sound at :attr:`rate`, shape (1, n_channels, n_frames, n_bands); a shorter one is repeated.

        Deterministic: the mode of the posterior.
        """
        parameter = next(self.vae.parameters())
        shape = self._shape(1, seconds)
        frames = shape[2] * self.factor
        whole = torch.as_tensor(wave).repeat(ceil((frames + 1) * self.hop / len(wave)))[: (frames + 1) * self.hop]
        mel = log_mel(whole.numpy(), self.rate, self.hop, int(self.vocoder.config.model_in_dim))[:frames]
        latents: Tensor = self.vae.encode(mel[None, None].to(parameter.device, parameter.dtype)).latent_dist.mode()
        return latents * float(self.vae.config.scaling_factor)

    def _shape(self, n_sounds: int, seconds: float) -> tuple[int, int, int, int]:
        frames = ceil(int(seconds * self.rate / self.hop) / self.factor)
        if frames < 1:
            raise InputError("too short a sound", found=f"{seconds:g} s")
        bands = int(self.vocoder.config.model_in_dim) // self.factor
        return n_sounds, int(self.unet.config.in_channels), frames, bands

    def _noise(self, latents: Tensor, time: Tensor, condition: Tensor, guidance: float) -> Tensor:
        """Predicted noise, with guidance."""
        guided = guidance > 1
        inputs = torch.cat([latents, latents]) if guided else latents
        labels = condition if guided else condition[len(latents) :]
        inputs = self.scheduler.scale_model_input(inputs, time)
        found: Tensor = self.unet(inputs, time, encoder_hidden_states=None, class_labels=labels).sample
        if not guided:
            return found
        free, conditioned = found.chunk(2)
        return free + guidance * (conditioned - free)

    def _decode(self, latents: Tensor) -> Tensor:
        mel = self.vae.decode(latents / self.vae.config.scaling_factor).sample.squeeze(1)
        sound: Tensor = self.vocoder(mel)
        return sound.float().cpu().reshape(len(latents), -1)
