"""Regions of auditory cortex: scores, tests, effect sizes and a figure, as a paper needs them.

Regions come from an atlas, chosen before anyone looked at the scores; a region that was picked because it scores high
cannot be tested on the same data.
"""

# %% The scores of regions
# Of every subject, hemisphere, region and feature space: the mean r over all tested targets of the region, predicted or
# not.
import pandas as pd
from simulated import FOLDER, analysed_study

from b2m_encoding import Results, load_atlas
from b2m_encoding.gallery import FigureRequest, draw_kind

results = Results.open(analysed_study())
atlas = load_atlas("hcp-mmp1", results.space("01"))
for name in results.json("study.json")["maps"]["regions"]:
    print(f"{name}: {', '.join(atlas.members(name))}")
scores = results.table("regions.tsv")
wide = scores.pivot_table(index="region", columns="feature_space", values="score", sort=False)
print(wide.round(3))

# %% Do feature spaces differ within a region?
# With eight subjects or more, signs are flipped per subject, and p speaks of the population. With fewer they are
# flipped per block of the stimuli: p then speaks of new stimuli for *these* people, and the prevalence says how far
# that carries.
tests = results.table("region_tests.tsv")
print(tests[["region", "first", "second", "difference", "low", "high", "p", "q"]].round(3).to_string(index=False))
model = results.json("region_model.json")
print(model["formula"], model["status"], *model["notes"], sep="\n")

# %% Unique and shared variance
# Parts of held-out R2: what one feature space explains and no other, and what both explain alike. A negative part is
# noise, or overfitting, and is told as it is.
parts = results.table("partition.tsv")
print(parts.groupby(["region", "part"], sort=False)["r2"].mean().unstack().round(3))

# %% The figure, and a sentence with every number
[picture, *_] = draw_kind(
    results.path, "regions", FigureRequest(), {"width_mm": 89, "formats": ("png",)}, FOLDER / "paper"
)
print(picture.with_suffix(".txt").read_text(encoding="utf-8"))
row = tests.iloc[0]
print(
    f"In the {row['region']}, r was {row['difference']:.2f} larger for {row['first']} than for {row['second']} "
    f"(p = {row['p']:.2g}, q = {row['q']:.2g}, {row['test']})."
)
plotted = pd.read_csv(picture.with_suffix(".tsv"), sep="\t")
print(f"{len(plotted)} points are drawn; their numbers lie beside the figure")
