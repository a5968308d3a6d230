# Everything a person types. `make demo` and `make test` do all their own set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.daylight-ready
# Containers often tell Python to keep no bytecode: every worker would then compile all tests anew, 13 s of each.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest
FAST := not slow and not services and not dag and not chaos and not corpus and not live and not fuzz
DAYLIGHT_CORPUS ?= $(wildcard ../shared/corpus)

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-ui demo-elastic test test-fast test-corpus chaos fuzz bench

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24

setup: $(READY) ## make .venv, so that .venv/bin/daylight runs

$(READY): constraints.txt pyproject.toml scripts/setup
	PYTHON="$(PYTHON)" VENV="$(VENV)" scripts/setup

demo: setup ## a whole request of a fictional district, by a real Airflow run (5 minutes)
	$(BIN)/python -m examples.demo

demo-ui: setup ## the same, and leaves Airflow and the reading pages open
	$(BIN)/python -m examples.demo --keep-running

demo-elastic: setup ## the same on a real Elasticsearch, which it starts and stops
	@command -v mvn > /dev/null || scripts/system-packages test
	$(BIN)/python -m examples.servers.elasticsearch 8
	$(BIN)/python -m examples.demo_elastic

test: setup ## every test, but those on outside samples and services
	scripts/system-packages test
	$(BIN)/python -m examples.servers.elasticsearch
	$(BIN)/python -m examples.servers.tika
	$(PYTEST) -n 2 --dist loadfile -rs -m "not corpus and not live and not fuzz" $(PYTEST_ARGS)

test-fast: setup ## the tests that take seconds
	$(PYTEST) -n 2 --dist loadfile -m "$(FAST)" $(PYTEST_ARGS)

test-corpus: setup ## real sample files, read where DAYLIGHT_CORPUS points
	@test -d "$(DAYLIGHT_CORPUS)" || { echo "set DAYLIGHT_CORPUS to the folder of samples"; exit 3; }
	DAYLIGHT_CORPUS="$(abspath $(DAYLIGHT_CORPUS))" $(PYTEST) -m corpus --require-all=corpus $(PYTEST_ARGS)

chaos: setup ## 100 kills at random moments and every fault of docs/faults.md, seeds printed
	scripts/system-packages test
	$(PYTEST) -s -m chaos --kills 27 --airflow-kills 3 --chaos-items 20000 --process-kills 70 --faults all \
		--fault-items 2000 --timeout 0 $(PYTEST_ARGS)

fuzz: setup ## changed samples for every reader of ours, an hour of processor time, seeds printed
	$(BIN)/python -c "import atheris" 2> /dev/null || $(BIN)/python -m pip install --quiet \
		--disable-pip-version-check --constraint constraints.txt atheris
	$(PYTEST) -s -m fuzz --timeout 0 $(PYTEST_ARGS)

bench: setup ## measure speed and memory against the bars, tables and JSON
	scripts/system-packages bench
	$(BIN)/python -m benchmarks $(BENCH_ARGS)
