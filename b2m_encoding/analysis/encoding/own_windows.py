"""Feature spaces fitted once more, each by itself, to responses averaged under windows of its own length."""

from __future__ import annotations

from dataclasses import dataclass

from b2m_encoding._typing import Float64
from b2m_encoding.analysis.encoding.encode import encode_subject
from b2m_encoding.analysis.encoding.encoding import Encoding
from b2m_encoding.analysis.windows import stimulus_timeline, windowed
from b2m_encoding.data import Recording
from b2m_encoding.results.schema import JOINT
from b2m_encoding.study import Study


@dataclass(frozen=True, eq=False)
class OwnScores:
    """Scores of one feature space with its own windows, each of shape (n_targets,).

    Parameters
    ----------
    r, p, q : array
    window : float
        Length of a window, s.
    n_test : int
        Held-out windows.
    """

    r: Float64
    p: Float64
    q: Float64
    window: float
    n_test: int


def own_scores(recording: Recording, encoding: Encoding, study: Study) -> dict[str, OwnScores]:
    """Scores of every feature space with the windows of Table 1 of Brain2Music.

    Those whose windows are the samples of the study are not fitted again. Windows of different lengths average
    different numbers of volumes, so that their r differ by that, too: compare feature spaces by ``r``.

    Parameters
    ----------
    recording : Recording
        In windows.
    encoding : Encoding
        Of the windows of the study.
    study : Study
        With ``windows.own``.
    """
    assert study.windows is not None
    scores, usual = {}, study.windows.of("")
    for name, table in study.features.items():
        windows = study.windows.of(name)
        if windows == usual:
            significance = encoding.inference.of(name).significance
            r = encoding.r[name if name in encoding.r else JOINT]
            scores[name] = OwnScores(r, significance.p, encoding.q_of(name), windows.length, encoding.n_test)
            continue
        cut = windowed(recording, windows)
        space = table.build(name, stimulus_timeline(cut))
        alone = encode_subject(cut.responses, {name: space}, study)
        scores[name] = OwnScores(alone.r[JOINT], alone.p, alone.q, windows.length, alone.n_test)
    return scores
