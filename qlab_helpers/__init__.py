"""What the labs import: models, data, training, costs, plots; ``check``, ``progress``, ``preflight``."""

from qlab_helpers.checking.check import check, check_answer
from qlab_helpers.checking.progress import progress
from qlab_helpers.preflight import preflight

__all__ = ["check", "check_answer", "preflight", "progress"]
