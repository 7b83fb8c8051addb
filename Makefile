# make demo   trains two small models on two cores and writes runs/demo/report.html
# make test   formatting, types, import contract and tests: what CI runs

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test fast clean
demo: .venv/ready
	$(BIN)/leyden demo

test: .venv/ready
	$(BIN)/ruff format --check src tests benchmarks examples datasets
	$(BIN)/ruff check src tests benchmarks examples datasets
	$(BIN)/mypy
	$(BIN)/lint-imports
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2

fast: .venv/ready
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 -m "not slow"

clean:
	rm -rf .venv runs

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch .venv/ready
