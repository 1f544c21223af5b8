"""What the labs import: models, data, training, costs, plots, and ``check`` for each graded function."""

from qlab_helpers.checking.check import check, check_answer

__all__ = ["check", "check_answer"]
