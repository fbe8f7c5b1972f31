"""Fit of the decoders of a study, and their calibrated predictions of training and test windows."""

from __future__ import annotations

from collections.abc import Mapping

from b2m_encoding._typing import Floating
from b2m_encoding.analysis.decoding.decoders import Masks, new_decoders
from b2m_encoding.analysis.decoding.windows import Samples, Units
from b2m_encoding.decoding.decoders.base import Decoder
from b2m_encoding.decoding.decoders.calibration import Calibration, Scale
from b2m_encoding.decoding.decoders.ensemble import EnsembleDecoder, mean_direction
from b2m_encoding.study import Study

Predictions = tuple[Floating, Floating]
"""Decoded features of training and of test windows, in standard units."""


def fit_decoders(training: Samples, units: Units, masks: Masks, study: Study) -> dict[str, Decoder]:
    """Fit every decoder of the study to training windows, features in standard units."""
    decoders = new_decoders(masks, study)
    for decoder in decoders.values():
        if not isinstance(decoder, EnsembleDecoder):  # its members are the others
            decoder.fit(training.brain, units.standard(training.features), runs=training.runs)
    return decoders


def predict_windows(
    decoders: Mapping[str, Decoder], training: Samples, test: Samples, units: Units, scale: Scale
) -> dict[str, Predictions]:
    """Predict training and test windows with every fitted decoder, calibrated.

    An ensemble averages the predictions of the decoders before it.
    """
    standard = units.standard(training.features)
    predictions: dict[str, Predictions] = {}
    held_out: dict[str, Floating] = {}
    for name, decoder in decoders.items():
        if isinstance(decoder, EnsembleDecoder):
            before = list(predictions.values())
            predictions[name] = mean_direction([p[0] for p in before]), mean_direction([p[1] for p in before])
            if scale != "none":
                held_out[name] = mean_direction(list(held_out.values()))
            continue
        predictions[name] = (
            decoder.predict(training.brain, runs=training.runs),
            decoder.predict(test.brain, runs=test.runs),
        )
        if scale != "none":
            held_out[name] = decoder.cross_val_predict(training.brain, standard, runs=training.runs)
    if scale == "none":
        return predictions
    return {name: calibrate(values, held_out[name], standard, scale) for name, values in predictions.items()}


def calibrate(predictions: Predictions, held_out: Floating, standard: Floating, scale: Scale) -> Predictions:
    """Calibrate predictions by cross-validated predictions of the training windows.

    Parameters
    ----------
    predictions : tuple of array
    held_out : array, shape (n_training, n_dimensions)
        Cross-validated predictions.
    standard : array, shape (n_training, n_dimensions)
        Features in standard units.
    scale : {"none", "all", "dimension"}
        See :class:`~b2m_encoding.decoding.decoders.calibration.Calibration`.
    """
    calibration = Calibration(scale, norm=False).fit(held_out, standard)
    return calibration.transform(predictions[0]), calibration.transform(predictions[1])
