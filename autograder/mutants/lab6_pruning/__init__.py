"""Wrong and right implementations for lab 6, one graded function or class a file."""

from .channels import CHANNEL_PRUNE
from .importance import IMPORTANCE
from .keep import CHANNELS_TO_KEEP
from .prune import PRUNE
from .pruner import PRUNER
from .scan import SCAN
from .sorting import CHANNEL_SORTING

BANK = (PRUNE, PRUNER, SCAN, CHANNELS_TO_KEEP, CHANNEL_PRUNE, IMPORTANCE, CHANNEL_SORTING)
