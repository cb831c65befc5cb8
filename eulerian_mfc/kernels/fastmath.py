"""What the compiler may do to the sums of kernels."""

# They may be reordered and contracted (the same bits every run); NaN and infinity keep their meaning.
FAST = {"contract", "reassoc", "nsz", "arcp"}
