"""The package's own exceptions and warnings: everything it raises on purpose descends from these."""


class EulerianError(Exception):
    """Base class of every exception that the package raises on purpose."""


class ArgumentError(EulerianError, ValueError):
    """An argument has a wrong value, shape or type; the message names it, its value and what is allowed."""


class MemoryNeededError(ArgumentError, MemoryError):
    """An argument needs more memory than the machine has; the message says how much. Python's own error is a MemoryError."""


class DomainError(EulerianError, ValueError):
    """The law puts too much mass outside the mesh; the message says how large the box must be."""


class NotAnalyticError(EulerianError, ValueError):
    """A user's function has no usable complex-step derivative: pass its derivatives, or compute in double precision."""


class NonFiniteError(EulerianError, FloatingPointError):
    """A computation met NaN or infinity; the message says where it began."""


class KeywordError(ArgumentError, TypeError):
    """A function does not have a keyword; the message names the function, the keyword and the nearest one that it has.

    Python's own error for this is a TypeError, so this is one too.
    """


class SubstepError(ArgumentError, NonFiniteError):
    """A layer needs more substeps than are allowed. Solvers treat it as a step that diverged, like values that are not finite."""


class FileFormatError(EulerianError, ValueError):
    """A file is not one of this package's, is damaged, or belongs to another schema version or another run."""


class MissingFileError(EulerianError, FileNotFoundError):
    """There is no such file; the message says which was looked for."""


class StorageError(EulerianError, OSError):
    """A file could not be written or read (full disk, missing rights); the file that was there before is intact."""


class EulerianWarning(UserWarning):
    """Base class of the package's warnings."""


class DiffeotopyWarning(EulerianWarning):
    """A target is not a flow: it reverses orientation or folds. Controls that come closer to it grow without bound.

    Choose a target that preserves orientation, or accept the distance that the penalty leaves.
    """


class CostErrorWarning(EulerianWarning):
    """Without a mesh the same control has another cost. Use more cells, a larger box, or declare the jumps of labels."""


class DensityFloorWarning(EulerianWarning):
    """A cost of the density replaces a logarithm below its floor where mass is. Use more cells, or another floor."""


class BoundaryMassWarning(EulerianWarning):
    """Mass was found at the edge of the mesh. The message says what helps.

    A larger box where the law's own mass came there: the answer depends on where the box ends. More cells where it did not:
    what is found there are ripples of densities that are too narrow for the cells.
    """


class LayerMapWarning(EulerianWarning):
    """The layer map that was given causes a larger error of the cost than the control's degree. Use more substeps, or "auto"."""


class MeshFileWarning(EulerianWarning):
    """A mesh file holds something that is left out, or meshio has a remark on it. The message says what was left out."""


class SteepControlWarning(EulerianWarning):
    """The field changes within a cell: `|W| h` is large. Use more cells, or a larger penalty."""


class SymmetricStartWarning(EulerianWarning):
    """The first control has a symmetry that the solver cannot leave, such as equal hidden units. Start from another control."""


class SeveralCriticalPointsWarning(EulerianWarning):
    """There may be other critical points, of lower cost. Use `multistart`, or `continuation` from a larger penalty."""


class ShootingThresholdWarning(EulerianWarning):
    """The penalty is too small for undamped shooting to converge here: there may be several critical points.

    Use `multistart` to look for others. Only undamped shooting itself needs a relaxation, or another solver, to converge.
    """


class KernelCacheWarning(EulerianWarning):
    """Compiled kernels cannot be kept on disk, and every process compiles them again.

    Set NUMBA_CACHE_DIR to a folder that you may write to.
    """


class StoredResultWarning(EulerianWarning):
    """A study's stored results are of another computation than the one asked for: all are computed anew."""
