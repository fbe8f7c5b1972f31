"""Solvers behind the estimators: moments, ridge problems, searches of penalties."""
