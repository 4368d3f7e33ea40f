"""The model, where pykan 0.0.x keeps it."""

from kan.model import KAN

__all__ = ["KAN"]
