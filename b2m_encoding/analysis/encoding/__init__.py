"""Encoding models of one subject: fit, prediction, inference."""
