"""Classifier of AudioSet: an audio spectrogram transformer, over windows of a sound."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.features.audio import Wave, resample
from b2m_encoding.features.networks.loading import from_folder, pretrained
from b2m_encoding.features.networks.torch_network import TorchNetwork
from b2m_encoding.features.weights import Weights, entry_of, find_weights

WINDOW = 10.24
"""Length of its input, s."""
TOGETHER = 8
"""Windows at a time."""


class AudioSetTagger(TorchNetwork):
    """Tagger of 527 classes, which may overlap (Gong et al. 2021, doi 10.21437/Interspeech.2021-698).

    Parameters
    ----------
    weights : Weights, optional
        Those of ``b2m models fetch audioset`` by default.
    device : str
    """

    def __init__(self, weights: Weights | None = None, *, device: str = "auto") -> None:
        weights = weights or find_weights(entry_of("audioset"))
        module = pretrained("ASTForAudioClassification", weights.folder, weights)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # its lowest mel bands are narrower than a bin, as in training
            self._extractor: Any = from_folder("ASTFeatureExtractor", weights.folder, weights)
        self.rate: int = self._extractor.sampling_rate
        names = module.config.id2label
        self.labels = tuple(str(names[i]) for i in range(len(names)))
        self.dim = len(self.labels)
        super().__init__(weights, module, device, None)

    def settings(self) -> dict[str, Any]:
        """Sampling rate and length of windows."""
        return {"rate": self.rate, "window": WINDOW}

    def probabilities(self, waves: Sequence[Wave], rate: int) -> NDArray[np.float64]:
        """Probability of each class, averaged over windows that cover a sound evenly.

        Parameters
        ----------
        waves : sequence of array, shape (n_samples,)
        rate : int
            Sampling rate of all waves, Hz.

        Returns
        -------
        array, shape (n_waves, n_classes)
        """
        return np.stack([self._of(resample(np.asarray(wave, np.float32), rate, self.rate)) for wave in waves])

    def _of(self, wave: Wave) -> NDArray[np.float64]:
        length = round(WINDOW * self.rate)
        n_windows = max(1, int(np.ceil(len(wave) / length)))
        starts = np.round(np.linspace(0, max(len(wave) - length, 0), n_windows)).astype(int)
        parts = []
        for first in range(0, n_windows, TOGETHER):
            windows = [wave[start : start + length] for start in starts[first : first + TOGETHER].tolist()]
            values = self._extractor(windows, sampling_rate=self.rate, return_tensors="np")["input_values"]
            with self.running():
                parts.append(self._module(self.tensor(values)).logits.float().sigmoid().cpu().numpy())
        return np.asarray(np.concatenate(parts).mean(axis=0), dtype=np.float64)
