"""The version of the distribution."""

from importlib import metadata

try:
    __version__ = metadata.version("kanlens")
except metadata.PackageNotFoundError:  # run from a source tree that is not installed
    __version__ = "0+unknown"
