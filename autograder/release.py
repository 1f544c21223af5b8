"""nbgrader's own generate_assignment, run in this process: source notebook -> what students get."""

import logging
import tempfile
from pathlib import Path

import nbformat
from nbconvert.exporters import NotebookExporter
from nbformat import NotebookNode
from nbgrader.converters import GenerateAssignment
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import ClearHiddenTests
from traitlets.config import Config

from autograder.notebooks import BuildError


def release(source: NotebookNode, lab: str) -> str:
    """The released notebook as the text of its file.

    nbgrader runs in a folder of its own and, as with its ``--no-db``, without a gradebook: the result depends on
    ``source`` alone. Raises ``BuildError`` with nbgrader's own complaint.
    """
    with tempfile.TemporaryDirectory(prefix="qlab-release-") as folder:
        root = Path(folder).resolve()  # nbgrader matches paths as text; a link in them would confuse it
        path = root / "source" / lab / f"{lab}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(source, path)
        config = Config()
        config.CourseDirectory.root = str(root)
        config.CourseDirectory.assignment_id = lab
        config.SaveCells.enabled = False
        config.GenerateAssignment.no_database = True
        _convert(config, lab)
        return (root / "release" / lab / f"{lab}.ipynb").read_text(encoding="utf-8")


def stored_cells(source: NotebookNode, lab: str) -> NotebookNode:
    """``source`` as nbgrader stores its cells in the gradebook: without solutions, with hidden blocks and checksums."""
    steps = GenerateAssignment(coursedir=CourseDirectory()).preprocessors
    exporter = NotebookExporter(config=_no_defaults())
    for step in steps[: steps.index(ClearHiddenTests)]:
        if step.__name__ != "SaveCells":
            exporter.register_preprocessor(step, enabled=True)
    text, _ = exporter.from_notebook_node(source, resources={"nbgrader": {"assignment": lab, "notebook": lab}})
    return nbformat.reads(text, as_version=4)


def _convert(config: Config, lab: str) -> None:
    complaints: list[str] = []
    logger = _Listener(complaints).logger
    converter = GenerateAssignment(coursedir=CourseDirectory(config=config), config=config)
    converter.log = logger
    try:
        converter.start()
    except NbGraderException as error:
        # The first complaint that has a traceback tells the cause in its last line.
        causes = [complaint.strip().splitlines()[-1] for complaint in complaints if "Traceback" in complaint]
        raise BuildError(f"nbgrader cannot release {lab}: {(causes or complaints or [error])[0]}") from error


def _no_defaults() -> Config:
    config = Config()
    config.Exporter.default_preprocessors = []
    return config


class _Listener(logging.Handler):
    """Keeps nbgrader's errors instead of printing them."""

    def __init__(self, messages: list[str]) -> None:
        super().__init__(logging.ERROR)
        self.messages = messages
        self.logger = logging.Logger("qlab.nbgrader", logging.ERROR)
        self.logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())
