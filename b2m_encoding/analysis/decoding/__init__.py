"""Decoding of clips of one subject, and across subjects."""
