"""Phantom: a simulated listening study with known truth."""
