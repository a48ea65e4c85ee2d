# `make demo` and `make test` need Python 3.11+, make and a package registry; everything else is fetched into .venv.
# PYTHON=/path/to/python chooses the interpreter of the virtual environment; ARGS="..." is passed on to the command.
.POSIX:
.DELETE_ON_ERROR:
.PHONY: help setup browser demo test bench lint format prove fresh lock

PY = .venv/bin/python
ARGS =
WORKERS = 2
STEPS = 20000
BOOKS = memory
SEED = 1

help:
	@echo "make setup   virtual environment and locked dependencies (the others do it by themselves)"
	@echo "make demo    the whole house on the sandbox, no account needed; Ctrl-C stops everything"
	@echo "make test    every test, without network and without keys"
	@echo "make lint    format, style, types, import rules, secrets, licences"
	@echo "make bench   cost of the house as ratios against bare baselines; ARGS=\"gate kill\" picks"
	@echo "make prove   random steps over the whole gate until a law breaks or STEPS are done (BOOKS=memory|postgres SEED=1)"
	@echo "make fresh   lint and test in a fresh copy of what is committed"
	@echo "make format  apply the formatter"
	@echo "make lock    write requirements.lock anew from pyproject.toml"

setup:
	@PYTHON="$(PYTHON)" sh scripts/setup.sh

browser: setup
	@$(PY) scripts/browser.py

demo: setup
	@exec $(PY) -m runtime.cli demo $(ARGS)

test: setup browser
	@$(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

bench: setup
	@$(PY) -m benchmarks $(ARGS)

lint: setup
	@$(PY) scripts/lint.py $(ARGS)

format: setup
	@$(PY) -m ruff check --fix-only -q . && $(PY) -m ruff format -q .

prove: setup
	@exec $(PY) -m runtime.proof --steps $(STEPS) --books $(BOOKS) --seed $(SEED) --workers $(WORKERS) $(ARGS)

fresh:
	@sh scripts/fresh.sh

lock: setup
	@$(PY) scripts/bootstrap.py lock
