"""Floating-point flags of the compiler for kernels whose sums may be reordered."""

# Sums may be reordered, and products contracted, at compile time: every run of the same code gives the same bits. NaN and
# infinity keep their meaning.
FAST = {"contract", "reassoc", "nsz", "arcp"}
