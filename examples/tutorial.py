"""Learn exp(sin(pi x_1) + x_2^2) from its values, and read the formula back."""

from pathlib import Path

import torch

from kanlens import KAN, Sparsity, fit, formula, plot, prune, snap

FOLDER = Path("build/demo/tutorial")


def main() -> None:
    """Train, prune and snap a network, and draw it before and after."""
    torch.set_num_threads(1)  # on matrices of this size threads mostly wait for each other
    x = torch.rand(1000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1
    y = torch.exp(torch.sin(torch.pi * x[:, :1]) + x[:, 1:] ** 2)

    model = KAN([2, 5, 1], seed=0)
    history = fit(model, x, y, penalty=Sparsity())
    print(f"trained in {history.seconds:.1f} s to a mean squared error of {history.loss[-1]:.1e}: {history.stop.value}")

    small = prune(model, x, y)
    print("nodes:", [w.size for w in model.spec.widths], "->", [w.size for w in small.spec.widths])

    exact = snap(small, x, y)
    print("formula:", formula(exact))

    FOLDER.mkdir(parents=True, exist_ok=True)
    networks = {"trained": model, "pruned": small, "exact": exact}
    for name, network in networks.items():
        plot(network, x).savefig(FOLDER / f"{name}.png", dpi=150)
    print(f"written: {', '.join(f'{name}.png' for name in networks)} in {FOLDER}")


if __name__ == "__main__":
    main()
