"""The package's own exceptions and warnings: everything it raises on purpose descends from these."""


class EulerianError(Exception):
    """Base class of every exception that the package raises on purpose."""


class ArgumentError(EulerianError, ValueError):
    """An argument has a wrong value, shape or type; the message names it, its value and what is allowed."""


class DomainError(EulerianError, ValueError):
    """The law puts too much mass outside the mesh; the message says how large the box must be."""


class NotAnalyticError(EulerianError, ValueError):
    """A user's function has no usable complex-step derivative; pass its derivatives instead."""


class NonFiniteError(EulerianError, FloatingPointError):
    """A computation met NaN or infinity; the message says where it began."""


class FileFormatError(EulerianError, ValueError):
    """A file is not one of this package's, is damaged, or belongs to another schema version or another run."""


class MissingFileError(EulerianError, FileNotFoundError):
    """There is no such file; the message says which was looked for."""


class StorageError(EulerianError, OSError):
    """A file could not be written (full disk, missing rights); the file that was there before is intact."""


class EulerianWarning(UserWarning):
    """Base class of the package's warnings."""


class DiffeotopyWarning(EulerianWarning):
    """A target is no flow: it reverses orientation or folds. Controls that come closer to it grow without bound.

    Choose a target that preserves orientation, or accept the distance that the penalty leaves.
    """


class BoundaryMassWarning(EulerianWarning):
    """Mass reached the edge of the mesh: the answer depends on where the box ends. Use a larger box."""


class SteepControlWarning(EulerianWarning):
    """The field changes within a cell: `|W| h` is large. Use more cells, or a larger penalty."""


class SeveralCriticalPointsWarning(EulerianWarning):
    """There may be other critical points, of lower cost. Use `multistart`, or `continuation` from a larger penalty."""


class ShootingThresholdWarning(EulerianWarning):
    """The penalty is too small for undamped shooting to converge here. Use relaxation, or another solver."""


class StoredResultWarning(EulerianWarning):
    """A study's stored results are of another computation than the one asked for: all are computed anew."""
