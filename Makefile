# From a fresh machine to checked wheels: `make all`. Tests: `make test`. Works with GNU make 3.81 (macOS) and later.
#
#   make all ARGS="--vars.gpu_id 0"     variables of project.yml
#   make test PYTHON=python3.12         a certain interpreter for the environment
#   PIP_EXTRA_INDEX_URL=… make env      pip reads its usual settings, for example an index of CPU builds of torch

VENV ?= .venv
PYTHON ?= python3.12
ARGS ?=
# Test files run side by side, each process with one thread.
JOBS ?= 2

# Threads that wait for each other sleep instead of spinning: several times faster where cores are shared.
OMP_WAIT_POLICY ?= passive
export OMP_WAIT_POLICY

BIN := $(VENV)/bin
PY := $(BIN)/python
STAMP := $(VENV)/.installed
CODE := spacy_bioclinical corpus_scripts pretrain
GENERATED := assets/deid assets/phenotype assets/canaries corpus $(addprefix encoders/tiny,/ .start .inputs .phase1 .phase2 .work) training metrics packages dist build project.lock \
	.venv-install-check .pytest_cache .mypy_cache .ruff_cache .hypothesis

.PHONY: all test env lint format clean distclean help

help:
	@echo "make all        environment, then the whole project: corpora, encoder, pipelines, wheels, a table of results"
	@echo "make test       environment, then lint, types and tests"
	@echo "make env        only the environment, in $(VENV)"
	@echo "make lint       ruff and mypy"
	@echo "make format     let ruff rewrite what it can"
	@echo "make clean      remove what the project generates (not your corpora, encoders and the environment)"
	@echo "make distclean  the same and the environment"

all: env
	$(PY) -m spacy project run all . $(ARGS)

test: env lint
	OMP_NUM_THREADS=1 $(PY) -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

lint: env
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy $(CODE)

format: env
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

env: $(STAMP)

# The first interpreter of the right age that can make environments; what is installed is held to constraints.txt.
$(STAMP): setup.cfg pyproject.toml constraints.txt
	@chosen=; \
	for python in "$(PYTHON)" python3.12 python3.11 python3.13 python3.10 python3 python; do \
	  if "$$python" -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' \
	    >/dev/null 2>&1; then chosen="$$python"; break; fi; \
	done; \
	if [ -z "$$chosen" ]; then \
	  echo "No Python 3.10 to 3.13 with the module venv was found (Debian, Ubuntu: apt install python3-venv)."; \
	  echo "Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3"; \
	  exit 1; \
	fi; \
	test -x "$(PY)" || "$$chosen" -m venv "$(VENV)"
	@echo "Installing into $(VENV): a minute or two, more where torch comes with its CUDA libraries."
	$(PY) -m pip install --quiet --upgrade pip
	$(PY) -m pip install --quiet --constraint constraints.txt --editable ".[project,dev]"
	@touch "$(STAMP)"

clean:
	rm -rf $(GENERATED)
	find . -name __pycache__ -type d -not -path "./.venv*" -prune -exec rm -rf {} +

distclean: clean
	rm -rf "$(VENV)" *.egg-info
