"""Which feature space does each area prefer: a network, acoustics, or the caption?

The question of Brain2Music (arXiv 2307.11078), with MuLan, w2v-BERT and text. **Here the network is a tiny w2v-BERT
with random weights**, so that nothing needs to be downloaded: what it predicts, it owes to its architecture alone.
Acoustics stand where a music embedding would. The last cell has the lines for the real networks.
"""

# %% A network with random weights
import os
from pathlib import Path

import torch
from simulated import FOLDER, listening_study
from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertConfig, Wav2Vec2BertModel

from b2m_encoding import InputError, build_spaces, encode_subject, figures, load_atlas, load_study, stimulus_timeline
from b2m_encoding.features import PretrainedAudio, read_audio
from b2m_encoding.features.networks import NETWORKS, load_audio_encoder

study = load_study(listening_study())
weights = FOLDER / "tiny_w2v_bert"
if not weights.is_dir():
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    Wav2Vec2BertModel(Wav2Vec2BertConfig(**sizes, output_hidden_size=16)).save_pretrained(weights)
    SeamlessM4TFeatureExtractor().save_pretrained(weights)

# %% Three feature spaces of the same clips
# Each is computed once and kept; every later run, and every other study of these clips, reads it.
network = PretrainedAudio(
    extractor="w2v_bert", stimuli=study.features["acoustic"].stimuli, weights=weights, layer=2, device="cpu"
)
tables = {"w2v_bert": network, **study.features}
recording = study.data.read("01", study.cleaning.build())
spaces = build_spaces(tables, stimulus_timeline(recording))
print({name: space.values.shape for name, space in spaces.items()})

# %% One model with each, one with all, and a test of what differs
# Only where the joint model predicts (q < .05) is a preference asked for; the best feature space must beat every other
# one (q < .05), or there is no preference.
fewer = {"partition": False, "audit": False, "bootstraps": 200, "permutations": 2000}
statistics = study.statistics.model_copy(update=fewer)
chosen = study.model_copy(update={"features": tables, "statistics": statistics})
encoding = encode_subject(recording.responses, spaces, chosen)
predicted = encoding.q < statistics.q
shares = encoding.preference.shares()
print(f"{int(predicted.sum())} vertices are predicted")
print({name: f"{share:.0%}" for name, share in shares.items()})

# %% On the cortex
surface = recording.responses.space
figure = figures.ternary(
    tuple(encoding.r[name] for name in spaces),
    surface,
    load_atlas("hcp-mmp1", surface),
    names=tuple(spaces),
    tested=encoding.tested,
    significant=predicted,
    view="zoom",
    title="sub-01",
    note="simulated data, random network",
)
figure.save(FOLDER / "which_feature_space", formats=("png",))
print(figure.caption)

# %% A network that was trained on music, in words
# ``b2m models fetch musicnn`` brings weights from the package index (29 MB), for windows of 3 s. These are the
# most probable of its fifty tags, averaged over the first half minute of your recordings, or of clips of the study.
recordings = sorted(Path(os.environ.get("B2M_SHARED", "none"), "data", "audio").glob("*.ogg"))
recordings = recordings or sorted(study.features["acoustic"].stimuli.rglob("*.wav"))[::10][:6]
tags = {}
try:
    tagger = load_audio_encoder("musicnn", layers=(NETWORKS["musicnn"].layers.index("tags"),), device="cpu")
except InputError as error:
    print(error)
else:
    [names] = tagger.provenance["names"].values()
    for path in recordings:
        sound = read_audio(path, tagger.rate)[: 30 * tagger.rate]
        length = int(tagger.window * tagger.rate)
        windows = sound[: len(sound) // length * length].reshape(-1, length)
        probable = tagger.embed(windows).mean(axis=0)[: len(names)]
        tags[path.stem] = {names[i]: round(float(probable[i]), 2) for i in probable.argsort()[:-5:-1]}
        print(f"{path.stem[:40]:<40}", ", ".join(f"{name} {share:.2f}" for name, share in tags[path.stem].items()))

# %% With the real networks
# ``b2m models fetch muq_mulan`` and ``b2m models fetch w2v_bert`` bring the weights, once; then in the study file:
#
#     [features.mulan]
#     extractor = "muq_mulan"
#     stimuli = "GTZAN/genres"
#     [features.w2v_bert]
#     extractor = "w2v_bert"
#     stimuli = "GTZAN/genres"
#     layer = 7
#     [features.text]
#     extractor = "text"
#     captions = "captions.csv"
# Feature spaces may differ in size: the joint model is stacked (``[model] solver``), so that none crowds out another.
