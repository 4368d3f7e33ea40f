"""The model, where pykan keeps it."""

from kan.model import KAN, MultKAN

__all__ = ["KAN", "MultKAN"]
