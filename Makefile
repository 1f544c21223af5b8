# Every target but clean makes .venv on first use, and brings it up to date after pyproject.toml has changed.
# PYTHON=/path/to/python3.12 chooses the interpreter; it needs 3.11 or later.

SHELL := /bin/bash
BIN := .venv/bin
# nbgrader runs `alembic` by name, so the environment's programs must be on PATH.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: setup demo test test-browser check bench bench-grading clean

setup: .venv/.ready

demo: setup
	$(BIN)/qlab demo

# A worker for each core; tests of one file stay together, for they share what took long to make.
TEST := $(BIN)/python -m pytest --numprocesses logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder

test: setup
	$(TEST)

# Only the tests in a real Chromium, which is looked for on PATH; `make test` runs them too.
# QLAB_SCREENSHOTS=folder keeps the pictures that they take.
test-browser: setup
	$(BIN)/python -m pytest -m browser

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(TEST)

# Everything timed beside what people would use instead; ten minutes. QLAB_DATA names the data (see README). Renews
# benchmarks/results/ and docs/performance.md. THEMES="kmeans batches" measures some themes only.
bench: .venv/.bench
	TQDM_DISABLE=1 $(BIN)/python -m benchmarks $(THEMES)

# Rates of qlab and of stock nbgrader on one class, side by side; writes benchmarks/results/grading.json. SIZES are
# those of the mixed classes: make bench-grading SIZES="100 1000 10000"
SIZES ?= 100 1000
bench-grading: setup
	$(BIN)/python -m benchmarks.grading --sizes $(SIZES)

# Keeps course/ (gradebook, submissions, secret) and runs/ (measured results).
clean:
	rm -rf .venv build dist *.egg-info demo .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/.bench: .venv/.ready
	@echo "installing the peers that qlab is measured against"
	$(BIN)/python -m pip install -qq --editable '.[bench]'
	@touch $@

.venv/.ready: pyproject.toml
	@if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	    for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 ""; do \
	        "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
	    done; \
	    if [ -z "$$python" ]; then \
	        echo "qlab needs Python 3.11 or later and found none: install it, or name it: make PYTHON=/path/to/python3.12" >&2; \
	        exit 1; \
	    fi; \
	    rm -rf .venv && "$$python" -m venv .venv || exit 1; \
	fi
	@echo "installing qlab's requirements into .venv; the first time this downloads PyTorch, which takes minutes"
	$(BIN)/python -m pip install -qq --editable '.[dev]'
	@touch $@
