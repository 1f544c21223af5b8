"""Cases of lab 6: pruning of single weights (``weights``), how sensitive layers are to it (``scan``), and pruning and
sorting of channels (``channels``); ``networks`` draws the small networks that they are tried on."""

from .channels import CHANNEL_PRUNE, CHANNEL_SORTING, CHANNELS_TO_KEEP, IMPORTANCE
from .scan import SCAN
from .weights import PRUNE, PRUNER

ITEMS = (PRUNE, PRUNER, SCAN, CHANNELS_TO_KEEP, CHANNEL_PRUNE, IMPORTANCE, CHANNEL_SORTING)
