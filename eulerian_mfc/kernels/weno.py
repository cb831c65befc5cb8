"""The fifth-order WENO-Z value, for finite volumes and for the transport equation.

Reference: R. Borges, M. Carmona, B. Costa, W. S. Don, An improved weighted essentially non-oscillatory scheme for
hyperbolic conservation laws, J. Comput. Phys. 227 (2008), 3191-3211, doi:10.1016/j.jcp.2007.11.038.
"""

from .compiling import njit

# Products may be contracted at compile time (every run gives the same bits), and divisions do not test for zero: both are
# needed for the compiler to vectorise the loops. Unlike with `fastmath.FAST`, sums are not reordered.
FAST = {"contract", "nsz", "arcp"}
_EPSILON = 1e-40


@njit(inline="always", fastmath=FAST, error_model="numpy")
def weno5(a, b, c, d, e):
    """WENO-Z value at the upper end of the cell of average c, fifth order."""
    b0 = 13.0 / 12.0 * (a - 2.0 * b + c) ** 2 + 0.25 * (a - 4.0 * b + 3.0 * c) ** 2
    b1 = 13.0 / 12.0 * (b - 2.0 * c + d) ** 2 + 0.25 * (b - d) ** 2
    b2 = 13.0 / 12.0 * (c - 2.0 * d + e) ** 2 + 0.25 * (3.0 * c - 4.0 * d + e) ** 2
    tau = abs(b0 - b2)
    w0 = 0.1 * (1.0 + (tau / (b0 + _EPSILON)) ** 2)
    w1 = 0.6 * (1.0 + (tau / (b1 + _EPSILON)) ** 2)
    w2 = 0.3 * (1.0 + (tau / (b2 + _EPSILON)) ** 2)
    p0 = 2.0 * a - 7.0 * b + 11.0 * c
    p1 = -b + 5.0 * c + 2.0 * d
    p2 = 2.0 * c + 5.0 * d - e
    return (w0 * p0 + w1 * p1 + w2 * p2) / (6.0 * (w0 + w1 + w2))
