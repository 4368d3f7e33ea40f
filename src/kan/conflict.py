"""A warning for the case that pykan itself is installed, too."""

import importlib.metadata
import warnings


def warn_of_pykan() -> None:
    """Warn if the distribution `pykan` is installed, whose package has the same name."""
    try:
        importlib.metadata.distribution("pykan")
    except importlib.metadata.PackageNotFoundError:
        return
    warnings.warn(
        "Both kanlens and pykan install a package named kan: run `pip uninstall pykan`, "
        "then `pip install --force-reinstall --no-deps kanlens`.",
        stacklevel=3,
    )
