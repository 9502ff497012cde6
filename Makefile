.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
export OMP_WAIT_POLICY ?= PASSIVE

ZOO ?= zoo
INPUTS ?= 100000
SEED ?= 0

.PHONY: help demo test test-servers test-ray fuzz lint types arch bench benchmark smoke docs samples format clean

help:  ## List these commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(VENV)/.ready: constraints.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(VENV)/.ready  ## Train an owner and suspects on handwritten digits, then audit them
	$(RUN) -m examples.demo

test: lint types arch $(VENV)/.ready  ## Everything CI runs: lint, types, import contracts, tests
	$(VENV)/bin/pytest

test-servers: $(VENV)/.ready  ## Against MLServer, Triton, KServe, LitServe, BentoML (downloads 2 GB)
	$(VENV)/bin/pytest tests/servers -m servers -n 0

test-ray: $(VENV)/.ready  ## Scans and twins on a Ray cluster of two nodes of this machine
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[ray]'
	$(VENV)/bin/pytest tests/ray -m ray -n 0

fuzz: $(VENV)/.ready  ## Mutants of all that strangers send: HARNESS=bundles INPUTS=100000 SEED=0
	$(RUN) -m fuzz $(HARNESS) --inputs $(INPUTS) --seed $(SEED)

lint: $(VENV)/.ready  ## ruff
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(VENV)/.ready  ## mypy, strict
	$(VENV)/bin/mypy

arch: $(VENV)/.ready  ## Who may import whom
	$(VENV)/bin/lint-imports

bench: $(VENV)/.ready  ## Speed, as ratios measured side by side
	$(RUN) -m experiments.speed

benchmark: $(VENV)/.ready  ## All methods on the small population: DATA=npz PUBLIC=npz -> docs/measured/
	$(RUN) -m experiments.zoo $(DATA) --public $(PUBLIC) -o $(ZOO)
	$(RUN) -m experiments.methods $(ZOO) -o docs/measured

smoke: $(VENV)/.ready  ## A few steps of each recipe of the full scale: DATA=npz PUBLIC=npz
	$(RUN) -m experiments.zoo.smoke $(DATA) --public $(PUBLIC)

docs: $(VENV)/.ready  ## The pages as a site, in build/site; links are checked
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build

samples: $(VENV)/.ready  ## The output in the tutorial, the sample dossier and the picture anew
	rm -rf build/tutorial
	$(RUN) -m tools.transcript docs/tutorial.md docs/dossier.md --folder build/tutorial
	cp build/tutorial/sample-dossier.html build/tutorial/sample-dossier-text.md docs/
	cd build/tutorial && PYTHONPATH=../.. ../../$(RUN) -m examples.picture \
		model.fp models/fine-tuned.onnx --lines 24 -o ../../docs/report.svg

format: $(VENV)/.ready  ## Rewrite the code in the house's style
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

clean:  ## Remove the environment and everything made
	rm -rf $(VENV) demo build dist *.egg-info
