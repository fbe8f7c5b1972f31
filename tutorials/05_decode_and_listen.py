"""Decode what was heard, then listen: identification, retrieval from a folder of recordings, and pages that play.

A ridge regression from the responses to the features of ten seconds of a clip, as in Brain2Music (arXiv 2307.11078).
Here it decodes from auditory cortex as a whole; with responses on a surface it is one regression per region of the
atlas, and the regions that decode best in training are averaged.
"""

# %% How often is the heard clip the most like what was decoded?
# Accuracy: the share of the other clips whose features are less like the decoded ones than those of the clip that was
# heard. Chance is one half; its interval comes from assigning predictions to clips at random.
import pandas as pd
import soundfile
from simulated import FOLDER, analysed_study, auditory_study

from b2m_encoding import Results, load_study, run_study
from b2m_encoding.decoding import build_corpus, over_subjects
from b2m_encoding.gallery import FigureRequest, draw_kind, write_view
from b2m_encoding.reconstruction import ReconstructionRequest, decoded_space, reconstruct

DECODING = """
[statistics]
partition = false
audit = false
[decoding]
targets = ["acoustic"]      # or the embedding of a network, as in the paper
window = 10.0
lag = 4.5
"""
file = auditory_study("decoding", DECODING)
run_study(load_study(file), file)
results = Results.open(load_study(file).output)
for found in results.json("identification.json")["subjects"]:
    if "identification_accuracy" in found:
        low, high = found["chance_interval_95"]
        print(f"sub-{found['subject']}, {found['feature_space']}: {found['identification_accuracy']:.2f}")
        print(f"  by chance {low:.2f} to {high:.2f}; {found['clips']} clips, regions {', '.join(found['regions'])}")

# %% Clip by clip
clips = results.table("identification.tsv")
print(clips.sort_values("accuracy").head(5).to_string(index=False))
clips["genre"] = clips["clip"].str.split(".").str[0]
print(clips.groupby("genre")["accuracy"].mean().round(2).to_string())

# %% Listen to a mistake
# The clip that was heard, and the one that the responses were taken for.
stimuli = FOLDER / "study" / "stimuli" / "genres"
worst = clips.loc[clips["accuracy"].idxmin()]
for what in ("clip", "identified"):
    track = stimuli / worst[what].split(".")[0] / f"{worst[what]}.wav"
    print(f"{what}: {track} ({soundfile.info(track).duration:.0f} s)")
[picture, *_] = draw_kind(
    results.path,
    "stimulus",
    FigureRequest(
        sounds={name: stimuli / name.split(".")[0] / f"{name}.wav" for name in (worst["clip"], worst["identified"])}
    ),
    {"formats": ("png",), "width_mm": 120},
    FOLDER / "paper",
)

# %% Retrieve
# A corpus is a folder of recordings, embedded as the decoded features were; in the terminal it is
# ``b2m corpus build recordings --study study.toml``, then ``b2m reconstruct results --corpus recordings-study``. The
# clips that were tested are never retrieved, but those of the training are here, for want of other recordings; for a
# paper take a corpus that nobody heard. *Oracle* retrieves with the true features: no decoder can do better.
corpus = build_corpus(stimuli, FOLDER / "corpus", decoded_space(file))
listening, judged = reconstruct(results.path, corpus, ReconstructionRequest(k=5))
print(over_subjects(judged).round(3).to_string(index=False))
print(f"open {listening}: heard, retrieved, oracle and chance, side by side")

# The five nearest of the first clip. With weights at hand a generator starts from here: ``--generator musicldm``.
nearest = pd.read_csv(results.path / "sub-01/reconstruction/acoustic-regions-genres/neighbours.tsv", sep="\t")
first = nearest[(nearest["clip"] == nearest["clip"].iloc[0]) & (nearest["method"] == "retrieved")]
print(first[["clip", "rank", "recording", "cosine"]].to_string(index=False))

# %% A page that plays what a vertex responds to
# Click a vertex: its scores, its time course, and the clips it responds to most, with their sound. One file, no
# network.
page = write_view(analysed_study(), FOLDER / "listen.html", subjects=("01",), sounds=stimuli)
print(f"open {page} ({page.stat().st_size / 1e6:.1f} MB)")
