#!/usr/bin/env bash
# Gradescope runs this once, as root, when it builds the image: Python, what grading requires, and who may read what.
# QLAB_PYTHON names a Python that has the requirements already; then nothing is installed.
set -euo pipefail

root=${AUTOGRADER_ROOT:-/autograder}
source=$root/source

if [ -z "${QLAB_PYTHON:-}" ]; then
    new_enough() { "$1" -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
    export DEBIAN_FRONTEND=noninteractive
    apt-get update
    apt-get install --yes python3 python3-venv
    python=python3
    if ! new_enough python3; then  # Ubuntu 22.04 has an older one by that name
        apt-get install --yes python3.11 python3.11-venv
        python=python3.11
    fi
    "$python" -m venv "$root/qlab/venv"
    "$root/qlab/venv/bin/python" -m pip install --no-cache-dir --requirement "$source/requirements.txt"
fi

# Programs that a submission may see lie apart from the answers that it may not.
mkdir -p "$root/qlab/fonts"
rm -rf "$root/qlab/code"
cp -R "$source/code" "$root/qlab/code"
chmod -R u=rwX,go=rX "$root/qlab"
if [ "$(id -u)" = 0 ]; then
    chmod 1777 "$root/qlab/fonts"  # matplotlib's list of fonts, which takes seconds to make
    chown -R root:root "$source"
fi
chmod -R u=rwX,go= "$source"
