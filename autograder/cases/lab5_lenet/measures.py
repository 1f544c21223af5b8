"""Cases of ``find_unit_scales``, ``saved_size_mb`` and ``median_latency_ms``."""

from functools import partial

from autograder.recipes import CaseRecipe, Draw, ItemRecipe
from qlab_helpers.checking.reference import Rule

#: The modules of a converted LeNet that put out integers, in order.
MODULES = ("quant", "features.0", "features.3", "features.6", "classifier.0", "classifier.2")

hidden = partial(CaseRecipe, visible=False)


def scale(draw: Draw) -> float:
    """No power of two, and far from 1."""
    return (2 * draw.integer(3, 40) + 1) / 256


def calibrated(draw: Draw, *left_out: str) -> list[tuple[str, float, int]]:
    """What a calibration leaves in all modules but some: a scale, and a zero point that is 0 behind a ReLU."""
    behind_relu = MODULES[1:-1]
    return [
        (name, scale(draw), 0 if name in behind_relu else draw.integer(40, 90))
        for name in MODULES
        if name not in left_out
    ]


def changed(settings: list[tuple[str, float, int]], name: str, scale: float, zero_point: int):
    return [one if one[0] != name else (name, scale, zero_point) for one in settings]


UNIT_SCALES = ItemRecipe(
    "find_unit_scales",
    outputs=(Rule("names", kind="text"),),
    driver="name_modules",
    cases=(
        CaseRecipe(
            "all six",
            lambda draw: ([], True),
            tests="All of quant, three convolutions and two linear layers have scale 1.0 and zero point 0.",
            hint="named_modules() gives modules of all depths, with their names; return a list, in their order.",
        ),
        CaseRecipe(
            "none",
            lambda draw: (calibrated(draw), True),
            tests="Every module has a scale of its own; several zero points are 0, as behind a ReLU.",
            hint="A zero point of 0 alone is no symptom: behind a ReLU it is right.",
        ),
        CaseRecipe(
            "two of six",
            lambda draw: (calibrated(draw, "features.3", "classifier.0"), True),
            tests="Two modules have scale 1.0 and zero point 0, the others have not.",
            hint="Return the names of these modules, and no others.",
        ),
        CaseRecipe(
            "scale 1.0 with another zero point",
            lambda draw: (changed(calibrated(draw, "features.0"), "classifier.2", 1.0, draw.integer(50, 200)), True),
            tests="One module has the scale 1.0 and another zero point than 0.",
            hint="Both must hold: scale 1.0 and zero point 0.",
        ),
        hidden(
            "only the input",
            lambda draw: (calibrated(draw, "quant"), True),
            tests="quant keeps its scale in a tensor of one value.",
            hint="Numbers and tensors of one value both become numbers by float() and int().",
        ),
        hidden(
            "only the last",
            lambda draw: (changed(calibrated(draw, "classifier.2"), "quant", 1.0, draw.integer(1, 200)), True),
            tests="The last layer has both; quant has the scale 1.0 and another zero point than 0.",
            hint="Look at the zero point of quant, too.",
        ),
        hidden(
            "whole numbers as scales",
            lambda draw: (
                changed(changed(calibrated(draw, "features.6"), "features.0", 2.0, 0), "classifier.0", 0.5, 0),
                True,
            ),
            tests="Scales of 2.0 and 0.5 with zero point 0.",
            hint="Only a scale of exactly 1.0 counts.",
        ),
        hidden(
            "smallest zero point",
            lambda draw: (
                changed(changed(calibrated(draw, "features.3"), "features.6", 1.0, 1), "features.0", 1.0078125, 0),
                True,
            ),
            tests="Scale 1.0 with zero point 1, and a little more than 1.0 with zero point 0.",
            hint="Compare with 1.0 and 0 exactly.",
        ),
        hidden(
            "not quantized",
            lambda draw: ([], False),
            tests="An fp32 LeNet has no scales, so the list is empty.",
            hint="Skip modules that have no scale.",
        ),
    ),
)

SIZE = ItemRecipe(
    "saved_size_mb",
    # Files of other versions of torch differ by some 0.5 %, and by some 40 bytes for each tensor.
    outputs=(Rule("size in MB", kind="number", rtol=0.01, atol=0.0003),),
    driver="save_network",
    cases=(
        CaseRecipe(
            "linear layers",
            lambda draw: ("float32", [500, 400, 60]),
            tests="500 -> 400 -> 60 in fp32: 224,460 values of four bytes, and some bytes around them.",
            hint="Save the state dict to a BytesIO and take its length, in units of 1,000,000 bytes.",
        ),
        CaseRecipe(
            "a small file",
            lambda draw: ("float32", [20, 10]),
            tests="20 -> 10 in fp32: 210 values, and the file is three times as large as they are.",
            hint="Save model.state_dict() and nothing else, and take the length of the file with all that is in it.",
        ),
        CaseRecipe(
            "integer layers",
            lambda draw: ("int8", [1200, 700, 60]),
            tests="The same kind of network, statically quantized: a weight takes one byte.",
            hint="parameters() of an integer layer are none; the file has all that is stored.",
        ),
        CaseRecipe(
            "with batch normalization",
            lambda draw: ("norm", [4, 40_000]),
            tests="A batch normalization has running statistics, which are no parameters and are saved, too.",
            hint="The state dict holds parameters and buffers.",
        ),
        hidden(
            "double precision",
            lambda draw: ("float64", [draw.integer(300, 400), draw.integer(300, 400)]),
            tests="Values of eight bytes.",
            hint="Not every value takes four bytes; look at the file.",
        ),
        hidden(
            "other integer layers",
            lambda draw: ("int8", [draw.integer(900, 1000), draw.integer(900, 1000), 50]),
            tests="Integer layers of other widths.",
            hint="parameters() of an integer layer are none; the file has all that is stored.",
        ),
        hidden(
            "another small file",
            lambda draw: ("float32", [draw.integer(10, 20), draw.integer(4, 9)]),
            tests="One small linear layer.",
            hint="Save model.state_dict() and nothing else, and take the length of the file with all that is in it.",
        ),
        hidden(
            "other linear layers",
            lambda draw: ("float32", [draw.integer(300, 400), draw.integer(600, 700), draw.integer(100, 200)]),
            tests="Linear layers of other widths.",
            hint="Save the state dict and take the length of the file.",
        ),
    ),
)


def timings(draw: Draw, warm: int, count: int) -> tuple[list[float], int]:
    """Slow calls first, then ``count`` different ones around half a millisecond, in no order, and one that is late."""
    first = [draw.integer(4000, 9000) / 1e6 for _ in range(warm)]
    usual = [(300 + 37 * int(place) + draw.integer(0, 20)) / 1e6 for place in draw.permutation(count)]
    if count > 2:
        usual[draw.integer(1, count - 1)] = draw.integer(20_000, 60_000) / 1e6
    return [*first, *usual], warm


timed = partial(CaseRecipe, observe=("seconds",))

LATENCY = ItemRecipe(
    "median_latency_ms",
    outputs=(Rule("latency in ms", kind="number", rtol=1e-6),),
    cases=(
        timed(
            "seven calls after three",
            lambda draw: timings(draw, 3, 7),
            tests="Three slow calls at the beginning, then seven, of which one was held up.",
            hint="Leave out the first three, sort the rest, take the middle one, in milliseconds.",
        ),
        timed(
            "an even number",
            lambda draw: timings(draw, 2, 8),
            tests="Eight timings count: the median is the mean of the middle two.",
            hint="torch.median takes the lower of two middle values; statistics.median takes their mean.",
        ),
        timed(
            "by hand",
            lambda draw: ([0.5, 0.004, 0.001, 0.003], 1),
            tests="Of 4, 1 and 3 ms after one call of warm-up the median is 3 ms.",
            hint="1 s is 1000 ms.",
            expected=lambda: 3.0,
        ),
        timed(
            "no warm-up",
            lambda draw: (timings(draw, 0, 5)[0], 0),
            tests="With warmup=0 all timings count.",
            hint="seconds[0:] is the whole list; mind that seconds[-0:] is, too, and seconds[:-0] is empty.",
            visible=False,
        ),
        timed(
            "fast warm-up",
            lambda draw: ([draw.integer(1, 9) / 1e6 for _ in range(4)] + timings(draw, 0, 6)[0], 4),
            tests="The first calls do not count, even if they are the fastest.",
            hint="What is left out is told by the order of the calls, not by their times: slice before you sort.",
            visible=False,
        ),
        timed(
            "one timing",
            lambda draw: timings(draw, 5, 1),
            tests="A single timing after the warm-up is the median.",
            hint="Leave out exactly `warmup` timings.",
            visible=False,
        ),
        timed(
            "many calls",
            lambda draw: timings(draw, 10, 51),
            tests="51 timings after ten.",
            hint="Nothing may depend on the number of timings.",
            visible=False,
        ),
        timed(
            "two timings",
            lambda draw: timings(draw, 1, 2),
            tests="The median of two timings is their mean.",
            hint="Of an even number of timings take the mean of the middle two.",
            visible=False,
        ),
    ),
)
