"""Does the solved notebook run from its own zip, in an environment that knows nothing of this course?

The environment is fresh: the zip's wheel, and the third-party packages that are installed here; no folder of the
course, no variable of the instructor's, an empty home.
"""

import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
import zipfile
from io import BytesIO
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from autograder import nursery
from autograder.course import CourseError
from autograder.handout.bundle import Bundle

KEPT_VARIABLES = (*nursery.KEPT_VARIABLES, "OMP_NUM_THREADS", "QLAB_DATA")
MINUTES = 30


def rehearse(bundle: Bundle, solved: NotebookNode, lab: str) -> None:
    """Run ``solved`` in place of the notebook in ``bundle``, fast. Raises ``CourseError`` with what stopped it."""
    with tempfile.TemporaryDirectory(prefix="qlab-rehearsal-") as made:
        root = Path(made).resolve()
        with zipfile.ZipFile(BytesIO(bundle.content)) as archive:
            archive.extractall(root)
        folder = root / bundle.folder
        python = _environment(root / "environment", next(folder.glob("*.whl")))
        notebook = folder / f"{lab}.ipynb"
        nbformat.write(solved, notebook)
        home = root / "home"
        home.mkdir()
        variables = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        variables |= {"HOME": str(home), "QLAB_FAST": "1", "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
        command = [str(python), "-c", "from nbclient.cli import main; main()", "--inplace", str(notebook)]
        try:
            run = subprocess.run(
                command,
                cwd=folder,
                env=variables,
                capture_output=True,
                text=True,
                timeout=60 * MINUTES,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise CourseError(f"{lab}, solved, does not end within {MINUTES} minutes when run from its zip") from None
        executed = nbformat.read(notebook, as_version=4)
    if not any(cell.get("execution_count") for cell in executed.cells) or run.returncode != 0:
        lines = [line for line in run.stderr.splitlines() if line.strip()]
        raise CourseError(f"{lab} does not run from its own zip: {lines[-1] if lines else 'no reason given'}")


def _environment(folder: Path, wheel: Path) -> Path:
    """Make it; returns its Python."""
    venv.create(folder, with_pip=False)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    target = subprocess.run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    with zipfile.ZipFile(wheel) as archive:  # a wheel of Python alone is a zip of what is to be installed
        archive.extractall(target)
    # As plain paths: what is installed there "editable", as qlab-kit may be, is not found through them.
    others = dict.fromkeys(sysconfig.get_path(kind) for kind in ("purelib", "platlib"))
    Path(target, "packages-of-the-instructor.pth").write_text("\n".join(others) + "\n")
    return python
