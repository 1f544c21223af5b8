"""An autograder zip unpacked as Gradescope would, its setup.sh run once and its run_autograder for each submission.

Nothing is installed: the Python that runs this stands for the one that setup.sh would make.
"""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from autograder.course import CourseError
from autograder.nursery import KEPT_VARIABLES

MINUTES = 15


class Container:
    """``root`` stands for /autograder. Raises ``CourseError`` where setup.sh fails."""

    def __init__(self, content: bytes, root: Path) -> None:
        self.root = root
        self.source = root / "source"
        with zipfile.ZipFile(BytesIO(content)) as archive:
            archive.extractall(self.source)
        shutil.copy(self.source / "run_autograder", root)
        run = self._bash(self.source / "setup.sh")
        if run.returncode != 0:
            raise CourseError(f"setup.sh fails: {(run.stderr or run.stdout).strip()[-300:]}")

    def grade(
        self,
        submission: Mapping[str, bytes],
        *,
        users: Sequence[Mapping[str, Any]] = (),
        launcher: Sequence[str] = (),
        variables: Mapping[str, str] | None = None,
    ) -> tuple[dict[str, Any], str]:
        """results.json of a submission of these files, and what the staff see. ``launcher`` starts bash."""
        folder = self.root / "submission"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name, file in submission.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file)
        (self.root / "submission_metadata.json").write_text(json.dumps({"id": 1, "users": list(users)}))
        results = self.root / "results" / "results.json"
        results.unlink(missing_ok=True)
        run = self._bash(self.root / "run_autograder", launcher=launcher, variables=variables or {})
        if not results.is_file():
            raise CourseError(f"run_autograder writes no results: {(run.stderr or run.stdout).strip()[-300:]}")
        return json.loads(results.read_text(encoding="utf-8")), run.stdout + run.stderr

    def _bash(
        self, script: Path, *, launcher: Sequence[str] = (), variables: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess:
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        own = {"AUTOGRADER_ROOT": str(self.root), "QLAB_PYTHON": sys.executable, "HOME": str(self.root)}
        try:
            return subprocess.run(
                [*launcher, "bash", str(script)],
                env={**kept, **own, **(variables or {})},
                cwd=self.root,
                capture_output=True,
                text=True,
                timeout=60 * MINUTES,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise CourseError(f"{script.name} does not end within {MINUTES} minutes") from None
