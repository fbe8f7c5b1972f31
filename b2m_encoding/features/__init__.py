"""Feature spaces: audio and text to features with times, windows, delays and the design matrix."""
