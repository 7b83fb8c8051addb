# make demo          trains two small models on two cores and writes runs/demo/report.html
# make test          formatting, types, import contract and tests, of the backbones too: what CI runs
# make test-mace     tests of the extra mace, in an environment of its own
# make test-nequip   tests of the extra nequip, likewise, and of the backbone of docs/add_a_backbone.md
# make data          the melts of datasets/melts.py in the folder DATA, a quarter of an hour
# make papers        experiments of the papers, JOBS at a time, with data of datasets/, and of the folders DATA and PUBLISHED
# make papers-quick  the same with one seed and few epochs, to see that they run

PYTHON ?= python3
BIN := .venv/bin
WITH_mace := cuequivariance cuequivariance-torch
WITH_nequip := sevenn
FOLDERS := src tests benchmarks examples datasets
DATA ?= runs/data
PUBLISHED ?= runs/published
JOBS ?= 2

.PHONY: demo test test-core test-mace test-nequip fast data papers papers-quick clean
demo: .venv/ready
	$(BIN)/leyden demo

test: test-core test-mace test-nequip

test-core: .venv/ready
	$(BIN)/ruff format --check $(FOLDERS)
	$(BIN)/ruff check $(FOLDERS)
	$(BIN)/mypy
	$(BIN)/lint-imports
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2

test-mace: .venv-mace/ready
	OMP_NUM_THREADS=1 .venv-mace/bin/pytest -n 2 tests/backbones/mace

test-nequip: .venv-nequip/ready
	OMP_NUM_THREADS=1 .venv-nequip/bin/pytest -n 2 tests/backbones/nequip
	OMP_NUM_THREADS=1 .venv-nequip/bin/pytest -n 2 tests/backbones/third

fast: .venv/ready
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 -m "not slow"

data: .venv-data/ready
	.venv-data/bin/python datasets/melts.py $(DATA)/melts

papers: .venv/ready
	$(BIN)/python benchmarks/papers/run_all.py $(DATA) $(PUBLISHED) --jobs $(JOBS)

papers-quick: .venv/ready
	$(BIN)/python benchmarks/papers/run_all.py $(DATA) $(PUBLISHED) --jobs $(JOBS) --quick

clean:
	rm -rf .venv .venv-data .venv-mace .venv-nequip runs

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

.venv-%/ready: pyproject.toml constraints.txt constraints-%.txt
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/python -m pip install --quiet --upgrade pip
	.venv-$*/bin/python -m pip install --quiet -c constraints.txt -c constraints-$*.txt --editable ".[$*]" pytest pytest-xdist $(WITH_$*)
	touch $@
