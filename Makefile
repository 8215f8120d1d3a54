# Sets a fresh machine up and runs; README.md has the same as plain pip commands for Windows.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint bench

$(BIN)/lucy: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: $(BIN)/lucy
	$(BIN)/lucy demo

test: $(BIN)/lucy
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(BIN)/lucy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

bench: $(BIN)/lucy
	$(BIN)/lucy bench sim
