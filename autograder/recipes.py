"""How a lab's author writes cases: dataclasses and a source of exact random numbers.

``autograder/cases/<lab>.py`` defines ``ITEMS``, a tuple of ``ItemRecipe``. The build calls each case's ``make`` with a
seeded ``Draw``, runs the lab's solution on the arguments, and stores arguments and outputs as tensors.
"""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field

import torch

from qlab_helpers.checking.reference import Rule

#: A hidden case is stored in this many versions that differ in their numbers only; each student is given one of them.
HIDDEN_VARIANTS = 3


class Draw:
    """Random numbers that are the same on every machine: integers, and floats that are exact multiples of a step.

    Exact multiples of a power of two survive every order of summation unrounded, so that two correct ways of computing
    agree to the bit, and ties of rounding appear only where a case wants them.
    """

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def integers(self, shape: tuple[int, ...], low: int, high: int, dtype: torch.dtype = torch.int64) -> torch.Tensor:
        """Uniform integers in [low, high], both ends included."""
        return torch.randint(low, high + 1, shape, generator=self._generator).to(dtype)

    def int8(self, shape: tuple[int, ...], bitwidth: int = 8) -> torch.Tensor:
        """Uniform over the signed ``bitwidth``-bit range, as int8."""
        return self.integers(shape, -(1 << (bitwidth - 1)), (1 << (bitwidth - 1)) - 1, torch.int8)

    def floats(self, shape: tuple[int, ...], low: float, high: float, step: float = 1 / 256) -> torch.Tensor:
        """float32 multiples of ``step`` (a power of two) in [low, high]."""
        return self.integers(shape, round(low / step), round(high / step)).to(torch.float32) * step

    def integer(self, low: int, high: int) -> int:
        return int(self.integers((1,), low, high))

    def permutation(self, count: int) -> torch.Tensor:
        return torch.randperm(count, generator=self._generator)


@dataclass(frozen=True)
class CaseRecipe:
    """One case. ``make`` returns the positional arguments; ``expected`` overrides what the solution returns, for
    numbers taken from a published source. ``partial(CaseRecipe, observe=...)`` makes many that are alike."""

    name: str
    make: Callable[[Draw], tuple]
    _: KW_ONLY
    tests: str
    hint: str
    visible: bool = True
    weight: float = 1.0
    observe: tuple[str, ...] = ()
    expected: Callable[[], object] | None = None


@dataclass(frozen=True)
class ItemRecipe:
    """A graded function, or a short answer when ``kind`` is "answer" (its one case has ``expected``).

    A graded class has a ``driver``, the name of a function in ``qlab_helpers/checking/drivers.py`` that makes an object
    of it and uses it; so has a function that works on networks, which no case can hold. A case's arguments are then
    those of the driver, without the class or function.
    """

    name: str
    outputs: tuple[Rule, ...]
    cases: tuple[CaseRecipe, ...]
    kind: str = "function"
    judge: str = "values"
    uses: tuple[str, ...] = ()
    choices: tuple[str, ...] = field(default=())
    driver: str = ""


def answer(name: str, value: object, *, tests: str, hint: str, choices: tuple[str, ...] = ()) -> ItemRecipe:
    """A short answer: one hidden case without inputs, right when it equals ``value``."""
    kind = "text" if isinstance(value, str) else "number"
    case = CaseRecipe("answer", lambda draw: (), tests=tests, hint=hint, visible=False, expected=lambda: value)
    return ItemRecipe(name, (Rule("answer", kind=kind),), (case,), kind="answer", choices=choices)
