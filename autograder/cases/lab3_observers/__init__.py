"""Cases of lab 3: scale and zero point of a range (``ranges``), observers of tensors (``observers``), scales that are
powers of two (``power_of_two``), a layer with integers only and what it costs (``layer``)."""

from .layer import ENERGY, LINEAR
from .observers import MIN_MAX, MOVING_AVERAGE
from .power_of_two import POWER_OF_TWO
from .ranges import AFFINE, SYMMETRIC

ITEMS = (AFFINE, SYMMETRIC, MIN_MAX, MOVING_AVERAGE, POWER_OF_TWO, LINEAR, ENERGY)
