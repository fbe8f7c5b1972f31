"""Decoding of clips of one subject, and of all subjects together."""
