"""Cases of lab 5: whole networks quantized (``quantization``), what is wrong with one and what it costs
(``measures``), short answers."""

from autograder.recipes import answer

from .measures import LATENCY, SIZE, UNIT_SCALES
from .quantization import DYNAMIC, STATIC

ITEMS = (
    DYNAMIC,
    answer(
        "answer_dynamic_bytes",
        32_760,
        tests="Linear layers 120 -> 84 and 84 -> 10: 10,920 weights, each three bytes smaller.",
        hint="Only the weights of the linear layers are quantized; how many are they, and what does each save?",
    ),
    SIZE,
    STATIC,
    UNIT_SCALES,
    answer(
        "answer_scale_of_one",
        "b",
        tests="A pixel between 0 and 1, divided by 1.0 and rounded, is 0 or 1.",
        hint="Quantize 0.3 and 0.8 by hand, with scale 1.0 and zero point 0.",
        choices=("a", "b", "c", "d"),
    ),
    LATENCY,
)
