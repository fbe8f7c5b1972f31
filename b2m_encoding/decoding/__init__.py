"""Decoding: responses to features, identification of presented clips, retrieval and generation of music.

Decoders (``decoders/``) are fitted to windows of responses ``X`` and features ``Y``, as ``fit(X, Y, runs=runs)``, and
predict features. Predictions identify clips (``identification``), retrieve recordings from a corpus (``retrieval/``)
and condition generators of music (``generators/``); ``evaluation/`` compares the sounds with the presented ones.

Examples
--------
>>> import numpy as np
>>> from b2m_encoding import Runs
>>> from b2m_encoding.decoding import RidgeDecoder, identification_accuracy
>>> rng = np.random.default_rng(0)
>>> Y = rng.standard_normal((60, 3))
>>> X = Y @ rng.standard_normal((3, 20)) + rng.standard_normal((60, 20))
>>> runs = Runs.from_labels(np.repeat(["a", "b", "c"], 20), 1.5, clip=[f"clip {i}" for i in range(60)])
>>> train, test = np.arange(40), np.arange(40, 60)
>>> decoder = RidgeDecoder(device="cpu").fit(X[train], Y[train], runs=runs.take(train))
>>> predicted = decoder.predict(X[test], runs=runs.take(test))
>>> bool(identification_accuracy(predicted, Y[test]).mean() > 0.9)
True
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
