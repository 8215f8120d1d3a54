# Sets a fresh machine up and runs; README.md has the same as plain pip commands for Windows.
PYTHON ?= python3
BIN := .venv/bin
# Made last, so that a set-up that was interrupted is not taken for a whole one
READY := .venv/ready
PIP := $(BIN)/python -m pip install --constraint constraints.txt
# Scripts of a virtual environment that was moved call the Python of where it was
HERE := grep -qsF '$(CURDIR)/.venv' $(BIN)/activate
STALE := $(shell $(HERE) || echo moved)
ifneq ($(origin PYTHON),file)
STALE += $(shell test "$$($(BIN)/python --version 2>&1)" = "$$($(PYTHON) --version 2>&1)" || echo other)
endif

.PHONY: demo test lint bench lock anew

$(READY): pyproject.toml constraints.txt $(if $(strip $(STALE)),anew)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in [(3, 11), (3, 12)])' 2>/dev/null || { \
	  echo "Lucy needs Python 3.11 or 3.12, and $(PYTHON) is" \
	    "$$($(PYTHON) --version 2>/dev/null || echo missing). Name one that you have, for instance:" \
	    "make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(HERE) && $(BIN)/python -m pip --version >/dev/null 2>&1 \
	  && test "$$($(BIN)/python --version)" = "$$($(PYTHON) --version)" \
	  || $(PYTHON) -m venv --clear .venv
	$(PIP) setuptools
	$(PIP) --no-build-isolation --editable '.[dev]'
	touch $@

demo: $(READY)
	$(BIN)/lucy demo

test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

bench: $(READY)
	$(BIN)/lucy bench sim

# The newest versions that pyproject.toml allows, and that every system has wheels of. RLGym's
# packages are source code everywhere; RocketSim's wheel for macOS is for 14 and later.
lock: $(READY)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --upgrade \
	  --no-annotate --custom-compile-command 'make lock' --output-file constraints.txt pyproject.toml
	sed -i.bak "/python_full_version >= '3.1[3-9]'/d" constraints.txt && rm constraints.txt.bak
	for system in linux windows macos; do for python in 3.11 3.12; do \
	  MACOSX_DEPLOYMENT_TARGET=14.0 $(BIN)/uv pip compile --quiet --extra dev --extra postgresql \
	    --constraint constraints.txt --python-platform $$system --python-version $$python \
	    --only-binary :all: --no-binary rlgym --no-binary rlgym-api --no-binary rlgym-rocket-league \
	    --no-binary rlgym-tools --output-file /dev/null pyproject.toml || exit 1; \
	done; done
