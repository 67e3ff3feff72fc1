# Everything happens in .venv, which these commands make: nothing else needs to be set up.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test types units docs bench soak clean

demo: .venv/installed  ## compare the tutorials' schedules on digits
	$(BIN)/etude compare digits

test: .venv/installed  ## style, types, tests and the examples in the docstrings
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(MAKE) --no-print-directory --jobs 2 types units

types: .venv/installed
	$(BIN)/mypy

units: .venv/installed
	$(BIN)/pytest --numprocesses auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder --durations 10

docs: .venv/installed  ## the documentation, into build/site; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

bench: .venv/installed  ## speeds, as ratios to torch, timm, transformers, optax and lrsched; a few minutes
	$(BIN)/python benchmarks --json benchmarks/results

soak: .venv/installed  ## random cases by the million against what is known of them; half an hour
	$(BIN)/python -m tests.soak $(OPTIONS)

# torch first and by its exact version, so that no other package chooses another build of it.
.venv/installed: pyproject.toml constraints.txt
	@echo "Installing into .venv, once; this takes a few minutes."
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check "$$(grep '^torch==' constraints.txt)"
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps timm torch-lr-finder
	@touch $@

clean:  ## what the commands above made
	rm -rf .venv build etude-study src/etude.egg-info
