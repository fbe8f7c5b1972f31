"""From whole volumes to a map: an auditory, visual and motor localizer of one subject.

Data: pyhrf (CeCILL v2); set ``B2M_SHARED`` to the folder that holds ``data/localizer``.

Run it: ``B2M_SHARED=... python tutorials/09_localizer.py``, or cell by cell in an editor that knows ``# %%``.
"""

# %% The whole analysis is in the study file
# Five event regressors with five FIR delays; each half of the run is predicted from the other. The results folder
# holds the map of r as NIfTI and its projection to the cortex as a flatmap.
import nibabel as nib
import numpy as np
from simulated import TUTORIALS

from b2m_encoding import Responses, build_spaces, encode_subject, load_study, run_study, stimulus_timeline

STUDY = TUTORIALS / "09_localizer.toml"
study = load_study(STUDY)
results = run_study(study, STUDY)
encoding = results.encodings["01"]

# %% How many voxels of auditory cortex are predicted?
# The mask's values 1 and 2 are the right and the left auditory parcel.
parcels = np.asarray(nib.load(study.data.mask).dataobj)
auditory = np.isin(parcels[parcels > 0], (1, 2))


def predicted_voxels(r: np.ndarray) -> int:
    """Voxels with r above 0.4."""
    return int((r > 0.4).sum())


print(f"auditory voxels with r > 0.4: {predicted_voxels(encoding.r['joint'][auditory])} of {auditory.sum()}")
print(f"best r: {np.nanmax(encoding.r['joint']):.2f}")

# %% How many by chance?
# Shift the responses in a circle, so that they keep their autocorrelation and lose their relation to the events. Only r
# of auditory voxels is counted, so that no others are fitted and the statistics are kept short.
recording = study.data.read("01", study.cleaning.build())
spaces = build_spaces(study.features, stimulus_timeline(recording))
values, runs = recording.responses.load()[:, auditory], recording.responses.runs
short = {"permutations": 100, "refits": 1000, "intervals": False, "audit": False}
only_r = study.model_copy(update={"statistics": study.statistics.model_copy(update=short)})
shifts = np.random.default_rng(study.seed).integers(15, len(runs) - 15, size=10)
counts = []
for shift in shifts.tolist():
    shifted = Responses.from_array(np.roll(values, shift, axis=0), runs)
    counts.append(predicted_voxels(encode_subject(shifted, spaces, only_r).r["joint"]))
print(f"after {len(shifts)} circular shifts: median {np.median(counts):g}, largest {max(counts)}")
print(f"maps and figures: {study.output}")
picture = study.output / "figures" / "sub-01_accuracy.png"
