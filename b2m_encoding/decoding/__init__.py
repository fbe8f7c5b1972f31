"""Decoding: responses to features, and identification of what was heard."""
