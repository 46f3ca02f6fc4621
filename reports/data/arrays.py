"""Types of arrays, and the value that stands for null."""

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

MISSING: int = int(np.iinfo(np.int64).min)
"""Stands for null in an int64 array."""
