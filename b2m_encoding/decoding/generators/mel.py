"""Spectrogram on which the autoencoder of AudioLDM and MusicLDM was trained."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from b2m_encoding.features.audio import Wave
from b2m_encoding.features.networks.loading import transformers

WINDOW = 1024
FLOOR = 1e-5


def log_mel(wave: Wave, rate: int, hop: int, n_mels: int) -> Tensor:
    """Natural logarithm of the magnitude in mel bands, shape (n_frames, n_mels).

    As AudioLDM prepares its training data (Liu et al. 2023, arXiv 2301.12503): no mean, largest value one half, Hann
    windows of 1024 samples centred on multiples of the hop, Slaney bands up to half the rate, floor 1e-5.

    Parameters
    ----------
    wave : array, shape (n_samples,)
    rate : int
        Sampling rate, Hz.
    hop : int
        Samples between frames.
    n_mels : int
    """
    values = torch.as_tensor(np.asarray(wave, dtype=np.float32))
    values = values - values.mean()
    peak = values.abs().max()
    values = values / peak / 2 if peak > 0 else values
    spectrum = torch.stft(
        values, WINDOW, hop, window=torch.hann_window(WINDOW), center=True, pad_mode="reflect", return_complex=True
    )
    return (spectrum.abs().T @ _bank(rate, n_mels)).clamp(min=FLOOR).log()


@cache
def _bank(rate: int, n_mels: int) -> Tensor:
    bank = transformers().audio_utils.mel_filter_bank(
        num_frequency_bins=WINDOW // 2 + 1,
        num_mel_filters=n_mels,
        min_frequency=0.0,
        max_frequency=rate / 2,
        sampling_rate=rate,
        norm="slaney",
        mel_scale="slaney",
    )
    return torch.from_numpy(np.asarray(bank, dtype=np.float32))
