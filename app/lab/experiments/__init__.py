"""Abuse of the real application, counted and held against a threshold (docs/experiments.md)."""
