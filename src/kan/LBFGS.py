"""torch's L-BFGS, where pykan keeps its own."""

from torch.optim import LBFGS

__all__ = ["LBFGS"]
