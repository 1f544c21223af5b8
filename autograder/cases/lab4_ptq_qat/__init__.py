"""Cases of lab 4: blocks of a residual network and the network itself (``blocks``, ``network``), the observer and its
QConfig (``observer``), calibration, PTQ and QAT (``pipeline``)."""

from .blocks import BASIC_BLOCK, BOTTLENECK
from .network import NETWORK
from .observer import OBSERVER, QCONFIG
from .pipeline import CALIBRATE, PTQ, QAT

ITEMS = (BASIC_BLOCK, BOTTLENECK, NETWORK, OBSERVER, QCONFIG, CALIBRATE, PTQ, QAT)
