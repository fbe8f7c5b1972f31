"""Retrieval: a corpus of recordings, embedded and searched."""
