# Each target sets up what it needs in .venv, from nothing but Python 3.11 or newer.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable

.PHONY: demo test test-long lint bench docs clean

demo: .venv/.demo
	$(BIN)/python experiments/demo/demo.py --out out/demo

test: .venv/.dev
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal --jaxtyping-packages=facegen_jax,beartype.beartype $(ARGS)

# Networks of the published size through every layout (4 GB of memory), the report in a browser
# (where chromium is installed), the documentation site with its tutorial (25 minutes for all of
# it), and many damaged files for every reader (20,000: an hour).
test-long: FUZZ ?= 20000
test-long: .venv/.train
	$(BIN)/python -m pytest -m long $(ARGS)
	FACEGEN_FUZZ=$(FUZZ) $(BIN)/python -m pytest --numprocesses 2 tests/test_convert_fuzz.py tests/test_table_fuzz.py tests/test_pictures_fuzz.py tests/test_results_fuzz.py $(ARGS)

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

bench: .venv/.dev
	$(BIN)/python experiments/speed/speed.py

# The documentation site in out/site; the tutorial is executed on the way (a minute).
docs: .venv/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

clean:
	rm -rf .venv out build dist

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}: make PYTHON=...")'
	$(PYTHON) -m venv .venv

.venv/.demo: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) '.[demo]'
	touch $@

.venv/.dev: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) '.[dev]'
	touch $@

.venv/.docs: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) '.[docs]'
	touch $@

# What training, the comparison with PyTorch and the documentation site need.
.venv/.train: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) '.[dev,train,docs]'
	touch $@ .venv/.dev
