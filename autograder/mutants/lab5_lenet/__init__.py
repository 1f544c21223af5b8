"""Wrong and right implementations for lab 5, one graded function a file."""

from .dynamic import DYNAMIC
from .latency import LATENCY
from .size import SIZE
from .static import STATIC
from .unit_scales import UNIT_SCALES

BANK = (DYNAMIC, SIZE, STATIC, UNIT_SCALES, LATENCY)
