"""The students' wheel: ``qlab_helpers`` alone, the same bytes whenever and wherever it is built."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from autograder.course import Course, CourseError

NEEDED = ("pyproject.toml", "README.md", "LICENSE")
#: Seconds since 1970 of the first date that a zip can tell: what is inside is no younger for being packed later.
EPOCH = 315532800


def build_wheel(course: Course, folder: Path) -> Path:
    """Build the wheel into ``folder``. Raises ``CourseError`` if a file is missing or the build fails."""
    missing = [name for name in (*NEEDED, "qlab_helpers") if not (course.root / name).exists()]
    if missing:
        raise CourseError(f"{course.root} has no {', '.join(missing)}, which the students' package is made of")
    with tempfile.TemporaryDirectory(prefix="qlab-wheel-") as made:
        copy = Path(made)
        for name in NEEDED:
            shutil.copyfile(course.root / name, copy / name)
        shutil.copytree(
            course.root / "qlab_helpers",
            copy / "qlab_helpers",
            copy_function=shutil.copyfile,  # contents alone: no file's mode or time
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        for path in (copy, *copy.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(copy / "dist")]
        environment = {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH)}
        # The umask, because a wheel keeps the modes of the files that the build itself makes.
        run = subprocess.run(
            command, cwd=copy, env=environment, umask=0o022, capture_output=True, text=True, check=False
        )
        if run.returncode != 0:
            complaint = (run.stderr or run.stdout).strip().splitlines()[-1:]
            raise CourseError(f"the students' package cannot be built: {''.join(complaint)}")
        (wheel,) = (copy / "dist").glob("*.whl")
        return Path(shutil.copy(wheel, folder))
