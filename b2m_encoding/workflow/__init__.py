"""Workflow of a study: what is computed, in which order, and where it is kept.

How a run runs:

1. ``load_study`` (``study/reading.py``) reads the study file strictly; every wrong key is reported at once.
2. ``check_study`` (``check.py``) opens every recording and compares it with the study; nothing is computed.
3. ``Plan`` (``plan.py``) lists the units of work: pure functions with their named inputs and the settings they read.
4. Its fingerprint (``engine/store.py``) is the hash of these settings, inputs, input files, of the source code and of
   the fingerprints of the units it needs. What has the fingerprint of a unit on disk is not computed again.
5. ``Runner`` (``engine/runner.py``) computes the others in order, here or on a cluster (``engine/cluster.py``).
6. ``StepContext`` (``engine/context.py``) resolves the inputs and hands over the study as far as it is declared: a step
   that reads any other setting fails (``engine/settings.py``).
7. Most units call the analysis directly; those that write files are in ``subject_steps.py`` and ``group_steps.py``.
8. ``engine/serialise.py`` keeps the value of a unit as JSON and arrays, whole or not at all; no pickle.
9. ``publish`` (``publish.py``) copies the files of all units into a new results folder, draws the figures, writes the
   report and the manifest, and puts the folder in the place of the earlier one.
10. ``b2m run --explain`` lists which units would be computed, and why.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
