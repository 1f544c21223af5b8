"""What a released notebook begins with: a badge that opens it in Colab and a cell that installs what it imports."""

from urllib.parse import urlsplit

from autograder.course import Course

_SETUP = """\
# Installs this course's helpers where they are missing (in Colab, say) and shows what the notebook runs on.
import importlib
import importlib.util
import platform
import subprocess
import sys

if importlib.util.find_spec("qlab_helpers") is None:
    package = "{requirement}"
    print(f"installing {{package}}; this takes a minute")
    install = [sys.executable, "-m", "pip", "install", "--quiet", package]
    result = subprocess.run(install, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        print(result.stderr[-2000:])
        raise RuntimeError(f"{{package}} could not be installed; check your connection and run this cell again")
    importlib.invalidate_caches()

import torch
import torchvision

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
print(f"Python {{platform.python_version()}}, torch {{torch.__version__}}, torchvision {{torchvision.__version__}}")
print(f"running on {{torch.cuda.get_device_name() if device.type == 'cuda' else 'the CPU'}}")

from qlab_helpers import progress

progress("{lab}")  # points so far, which each check brings up to date"""


def setup_code(course: Course, lab: str) -> str:
    """Python source of the setup cell; it defines ``device``."""
    return _SETUP.format(lab=lab, requirement=f"qlab-kit @ git+{course.repository}@{course.tag}")


def colab_badge(course: Course, lab: str) -> str:
    """Markdown that opens the released notebook in Colab; "" where the repository is not on GitHub."""
    address = urlsplit(course.repository)
    if address.hostname != "github.com":
        return ""  # Colab opens notebooks of public GitHub repositories only
    project = address.path.strip("/").removesuffix(".git")
    target = f"https://colab.research.google.com/github/{project}/blob/{course.tag}/notebooks/{lab}/{lab}.ipynb"
    return f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({target})"
