# Everything that a newcomer or a developer runs. `make` alone lists it.
# Needs Python 3.11 or later as `python3`, and nothing else that is installed by hand. As root on Debian, `make
# test` installs what the tests need of the system if it is missing; elsewhere the tests that need them say so.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test lint types format bench bench-quality bench-assignment bench-spikes faults fit requirements clean

help: ## List these commands
	@echo "narrawatch: notices new narratives in comment sections as they appear"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP) ## Make .venv with the command narrawatch in it (at once when nothing changed)

demo: setup ## Watch narratives emerge from a sample stream (two minutes; Ctrl-C ends it)
	@$(BIN)/narrawatch demo

test: lint types ## Check style, types and layers, and run all tests
	@.ci/system-packages
	$(BIN)/pytest

lint: setup ## Check style, formatting and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: setup ## Check types
	$(BIN)/mypy

format: setup ## Bring the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup ## Measure the pipeline, its encoder, delays, and cost by live narratives (a quarter of an hour)
	@.ci/system-packages
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint requirements.txt --editable '.[bench]'
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.bench.pipeline $(BENCH)
	$(BIN)/python -m tests.bench.encoder --texts 200 --rounds 3
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.bench.assignment --claims 0 --engine-claims 0

bench-quality: setup ## Compare with other clusterers on labelled streams; renews docs/quality.md
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint requirements.txt --editable '.[bench]'
	$(BIN)/python -m tests.bench.quality $(BENCH)

bench-assignment: setup ## Measure how fast claims are assigned to narratives (ten minutes or more)
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.bench.assignment $(BENCH)

bench-spikes: setup ## Compare how spikes are told with the usual rules (five minutes)
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.bench.spikes $(BENCH)

faults: setup ## Break brokers and workers, and count what is lost (half an hour)
	@.ci/system-packages
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.faults $(FAULTS)

fit: setup ## Fit the judge and the metric anew to labelled comments (minutes)
	$(BIN)/python -m tests.bench.judge --write
	$(BIN)/python -m tests.bench.metric --write

requirements: setup ## Renew requirements.txt from pyproject.toml
	@head -n 2 requirements.txt > $(VENV)/requirements.txt
	@$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --upgrade --quiet \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links >> $(VENV)/requirements.txt
	@mv $(VENV)/requirements.txt requirements.txt

clean: ## Remove .venv and everything else that was made
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is written last: whatever was interrupted is taken up again. uv installs many times faster than
# pip and comes through it; where it finds no packages but pip does (its configuration is another), pip goes on.
# Packages are compiled here, a minute once: where Python may not write bytecode, every start would do it again.
# So are the loops of the engine and of the encoder, half a minute.
$(STAMP): pyproject.toml requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "narrawatch needs Python 3.11 or later: make setup PYTHON=python3.11" >&2; exit 1; }
	@echo "Setting up $(VENV): about a minute, or several where packages must be downloaded first"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 \
	  || { rm -rf $(VENV) && $(PYTHON) -m venv $(VENV); } \
	  || { echo "Python's venv module is missing: on Debian, apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv || true
	@{ test -x $(BIN)/uv \
	    && $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements.txt \
	    && $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .; } \
	  || { echo "Going on with pip, which takes longer" >&2 \
	    && $(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt \
	    && $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .; }
	@OPENBLAS_NUM_THREADS=1 $(BIN)/python -m models.compiled >/dev/null
	@$(BIN)/narrawatch --version
	@touch $@
