"""Models: sufficient statistics, ridge and banded ridge, encoding models."""
