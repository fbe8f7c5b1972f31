"""Feature spaces: features of stimuli at the samples of the responses, with provenance.

A :class:`StimulusTimeline` holds the samples of a subject and the clips presented at them. Extractors, tables of
options in a study file, compute one :class:`FeatureSpace` each from it (:func:`build_spaces`). Features of audio are
computed from the :class:`Stimuli` as presented, and kept in a store that studies share. :func:`delay` makes delayed
copies of features within runs.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
