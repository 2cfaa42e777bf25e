# The commands of the project; `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DOCS_STAMP := $(VENV)/.installed-docs
HOSTS_VENV := build/hosts-venv
HOSTS_STAMP := $(HOSTS_VENV)/.installed
HOSTS_PINS := tests/hosts/constraints.txt
HOST_PACKAGES := accelerate peft segmentation-models-pytorch timm torchvision transformers vit-pytorch
SITE := build/site
COVERAGE_RUNS := build/coverage-run
SOURCES := src codegen tests benchmarks examples docs/conf.py docs/architecture.py

.DEFAULT_GOAL := help
SINK_ENVS := build/sink-envs
# A log sink whose package cannot be among the locked ones gets an environment of its own, without PyTorch.
SINKS := otlp tensorboard wandb

.PHONY: help setup train test test-hosts test-sinks check docs codegen codegen-check format bench lock clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## create .venv with the locked dependencies

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Esper needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[digits,codegen,test]'
	@touch $(STAMP)

train: $(STAMP) ## grow a network on handwritten digits; the log and the network go to runs/
	$(BIN)/esper train

test: $(STAMP) ## run the tests, then check that real runs emit the events of the contract
	$(BIN)/python -m pytest -n auto --dist loadfile
	rm -rf $(COVERAGE_RUNS)
	$(BIN)/esper train --run-dir $(COVERAGE_RUNS) --epochs 58 --no-baseline --inject-fault nan@12 >/dev/null
	$(BIN)/esper train --run-dir $(COVERAGE_RUNS) --resume latest --epochs 60 >/dev/null
	$(BIN)/python tests/codegen/coverage/rare_events.py $(COVERAGE_RUNS)
	$(BIN)/python -m codegen coverage --log $(COVERAGE_RUNS)

$(HOSTS_STAMP): pyproject.toml constraints.txt $(HOSTS_PINS)
	$(PYTHON) -m venv $(HOSTS_VENV)
	$(HOSTS_VENV)/bin/python -m pip install --quiet --constraint constraints.txt --constraint $(HOSTS_PINS) \
		--editable . pytest hypothesis $(HOST_PACKAGES)
	@touch $(HOSTS_STAMP)

test-hosts: $(HOSTS_STAMP) ## graft networks of other packages, in an environment of its own (not part of `make test`)
	$(HOSTS_VENV)/bin/python -m pytest -W ignore tests/hosts

test-sinks: $(SINKS:%=$(SINK_ENVS)/%/.installed) ## test log sinks with the packages that they write for, each in an environment of its own
	@for sink in $(SINKS); do echo "== $$sink"; PYTHONPATH=$(CURDIR)/src $(SINK_ENVS)/$$sink/bin/python -m pytest -p no:cacheprovider tests/nissa/log_sinks/test_$$sink.py tests/test_house_tools.py tests/test_old_logs.py || exit 1; done

$(SINK_ENVS)/%/.installed: pyproject.toml packaging/sinks/%.txt
	$(PYTHON) -m venv $(SINK_ENVS)/$*
	$(SINK_ENVS)/$*/bin/python -m pip install --quiet --requirement packaging/sinks/$*.txt
	@touch $@

check: $(STAMP) ## check format, lint and types; whether generated code is current; compatibility and coverage of the contract
	$(BIN)/black --check --quiet $(SOURCES)
	$(BIN)/ruff check --quiet $(SOURCES)
	$(BIN)/mypy
	$(BIN)/python -m codegen check
	$(BIN)/python -m codegen compat
	$(BIN)/python -m codegen coverage

$(DOCS_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	@touch $(DOCS_STAMP)

docs: $(DOCS_STAMP) ## build the documentation in build/site; a broken link or reference is an error
	$(BIN)/python docs/architecture.py docs/architecture.svg
	$(BIN)/python -m sphinx --quiet --fresh-env --nitpicky --fail-on-warning --keep-going -b html docs $(SITE)
	@echo "wrote $(SITE)/index.html"

codegen: $(STAMP) ## write src/esper/_generated from specs/telemetry.yaml
	$(BIN)/python -m codegen
	$(BIN)/python -m codegen coverage --record
	$(BIN)/python -m codegen --target markdown

codegen-check: $(STAMP) ## check whether the generated code is current
	$(BIN)/python -m codegen check

format: $(STAMP) ## format the code and sort the imports
	$(BIN)/ruff check --quiet --fix --select I $(SOURCES)
	$(BIN)/black --quiet $(SOURCES)

bench: $(STAMP) ## run the benchmarks that take minutes, not hours
	@for name in emission hub snapshot; do echo "== $$name"; $(BIN)/python benchmarks/$$name.py || exit 1; done
	@echo "== faults"; $(BIN)/python benchmarks/faults.py --quick
	@echo "== detectors"; $(BIN)/python benchmarks/detectors.py --quick
	@echo "== growth"; $(BIN)/python benchmarks/growth.py --quick

lock: $(STAMP) $(DOCS_STAMP) ## pin the installed versions in constraints.txt
	$(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' > constraints.txt

clean: ## remove the environment and caches; runs are kept
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache
