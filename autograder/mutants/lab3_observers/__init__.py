"""Wrong and right implementations for lab 3, as its cases are divided, one graded function or class a file."""

from .affine import AFFINE
from .energy import ENERGY
from .linear import LINEAR
from .min_max import MIN_MAX
from .moving_average import MOVING_AVERAGE
from .power_of_two import POWER_OF_TWO
from .symmetric import SYMMETRIC

BANK = (AFFINE, SYMMETRIC, MIN_MAX, MOVING_AVERAGE, POWER_OF_TWO, LINEAR, ENERGY)
