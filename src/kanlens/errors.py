"""Exceptions that kanlens raises. Each message reads *expected X, got Y. Do Z.*"""


class KanlensError(Exception):
    """Stand above every error that kanlens raises on purpose."""


class InputError(KanlensError, ValueError):
    """Report data or arguments that cannot be used: a wrong shape, a NaN, a value out of range."""


class UnknownNameError(KanlensError, KeyError):
    """Report a name that is not in a table, such as a function that the library lacks."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would show the repr of its message


class FileError(KanlensError, ValueError):
    """Report a file that kanlens cannot read: damaged, of another kind, or written by a newer release."""


class MissingPackageError(KanlensError, ImportError):
    """Report an optional package that is not installed."""
