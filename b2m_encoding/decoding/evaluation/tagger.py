"""The classifier of AudioSet: an audio spectrogram transformer, over windows of a sound."""

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
"""Seconds that it hears at once."""
TOGETHER = 8


class AudioSetTagger(TorchNetwork):
    """Gong et al. 2021 (doi 10.21437/Interspeech.2021-698): 527 classes that do not exclude each other.

    Parameters
    ----------
    weights : Weights, optional
        Those that ``b2m models fetch audioset`` brought by default.
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
        """Rate and windows."""
        return {"rate": self.rate, "window": WINDOW}

    def probabilities(self, waves: Sequence[Wave], rate: int) -> NDArray[np.float64]:
        """Mean over windows that cover a sound evenly, shape (n_waves, n_classes).

        Parameters
        ----------
        waves : sequence of array
        rate : int
            Hertz of all of them.
        """
        return np.stack([self._of(resample(np.asarray(wave, np.float32), rate, self.rate)) for wave in waves])

    def _of(self, wave: Wave) -> NDArray[np.float64]:
        length = round(WINDOW * self.rate)
        n_windows = max(1, int(np.ceil(len(wave) / length)))
        starts = np.round(np.linspace(0, max(len(wave) - length, 0), n_windows)).astype(int)
        found = []
        for first in range(0, n_windows, TOGETHER):
            windows = [wave[start : start + length] for start in starts[first : first + TOGETHER].tolist()]
            values = self._extractor(windows, sampling_rate=self.rate, return_tensors="np")["input_values"]
            with self.running():
                found.append(self._module(self.tensor(values)).logits.float().sigmoid().cpu().numpy())
        return np.asarray(np.concatenate(found).mean(axis=0), dtype=np.float64)
