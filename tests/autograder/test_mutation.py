"""Automatic mutants: each is another program, made by one change of the syntax tree."""

import ast

from autograder.mutation import mutants

SOURCE = '''\
def scale_of(tensor: torch.Tensor, bitwidth: int) -> float:
    """Doc."""
    low, high = -(2 ** (bitwidth - 1)), 2 ** (bitwidth - 1) - 1
    if tensor.max() == 0:
        return 1.0
    return (tensor.clamp(low, high).round() / high).to(torch.int8)
'''


def bodies() -> list[str]:
    return [mutant.source for mutant in mutants(SOURCE)]


def having(text: str) -> list[str]:
    return [body for body in bodies() if text in body]


def test_every_mutant_is_valid_python_and_different_from_the_others():
    sources = bodies()
    plain = ast.unparse(ast.parse(SOURCE))
    assert len(sources) == len(set(sources)) > 20
    assert all(ast.unparse(ast.parse(source)) != plain for source in sources)


def test_names_are_unique_and_show_what_changed_in_which_line():
    names = [mutant.name for mutant in mutants(SOURCE)]
    assert len(names) == len(set(names))
    assert "3: = -> !" in names or "3: == -> !=" in names, names


def test_rounding_clamp_cast_and_dtype_are_changed():
    for text in (".floor()", ".ceil()", ".trunc()", "torch.int32", "torch.uint8", "(tensor.round() / high)"):
        assert having(text), text
    assert having("return tensor.clamp(low, high).round() / high\n")


def test_operators_operands_and_numbers_are_changed():
    for text in (
        "bitwidth + 1",
        "1 - bitwidth",
        "bitwidth - 2",
        ".round() * high",
        "high / tensor",
        "clamp(high, low)",
    ):
        assert having(text), text


def test_conditions_are_turned_round_and_statements_deleted():
    assert having("if not tensor.max() == 0") and having("if False") and having("pass")


def test_docstring_and_annotations_are_left_out_because_they_do_nothing():
    assert not having("Doc.") and not having("-> float") and not having(": int")


CLASS = '''\
class Watcher(nn.Module):
    """Doc."""

    def __init__(self, low: int = -128) -> None:
        super().__init__()
        self.low = low

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Doc."""
        self.value = min(self.low, x.min().item())
        return x
'''


def test_methods_of_a_class_are_changed_and_nothing_else_of_it():
    sources = [mutant.source for mutant in mutants(CLASS)]
    assert all("class Watcher(nn.Module):" in source for source in sources)
    assert not any("Doc." in source or "torch.Tensor" in source for source in sources)
    for text in ("max(self.low, x.min().item())", "min(self.low, x.max().item())", "low=128", "pass"):
        assert any(text in source for source in sources), text
