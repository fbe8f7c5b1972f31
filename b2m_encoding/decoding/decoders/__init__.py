"""Decoders: from responses to features."""
