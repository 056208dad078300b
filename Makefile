# Every target sets up what it needs. `make help` lists them.
PYTHON ?= python3
VENV := .venv
GEN_VENV := .venv-gen
BIN := $(VENV)/bin
PIP_FLAGS := --disable-pip-version-check --quiet
STUBS := clients/python/runward/v1
SOURCES := clients service scanner tests
GOVERNED := service/runward_service
PORT ?= 50051

.PHONY: help setup demo test check gen bench bench-peers fuzz verify matrix serve constraints crashes chaos erasure \
        scan lifecycle execution rest format lint types proto stubs layers sarif tests clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(VENV)/.made: pyproject.toml requirements/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; call: make PYTHON=python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the development environment into $(VENV)"
	@$(BIN)/python -m pip install $(PIP_FLAGS) --require-hashes -r requirements/constraints.txt
	@$(BIN)/python -m pip install $(PIP_FLAGS) --no-deps --no-build-isolation -e .
	@touch $@

$(GEN_VENV)/.made: requirements/gen.txt
	@test -x $(GEN_VENV)/bin/python || $(PYTHON) -m venv $(GEN_VENV)
	@$(GEN_VENV)/bin/python -m pip install $(PIP_FLAGS) -r requirements/gen.txt
	@touch $@

setup: $(VENV)/.made ## Make the environment .venv with everything

demo: setup ## See the main job on real images
	@$(BIN)/python -m tests.demo

serve: setup ## Run a server on port $(PORT)
	@$(BIN)/runward serve --listen 127.0.0.1:$(PORT)

test: setup ## Run the tests
	@$(BIN)/python -m pytest

bench: setup ## Measure speed against a bare echo, the scanner's against a bare parser
	@$(BIN)/python -m tests.bench

build/peers/.made: requirements/peers.txt
	@test -x build/peers/bin/python || $(PYTHON) -m venv build/peers
	@build/peers/bin/python -m pip install $(PIP_FLAGS) -r requirements/peers.txt
	@touch $@

bench-peers: setup build/peers/.made ## Measure no-op jobs beside huey, dramatiq, Celery and DBOS, installed for it under build/
	@$(BIN)/python -m tests.bench --only peers

fuzz: setup ## Send 10,000 malformed requests to a server, which has to go on serving
	@$(BIN)/python -m tests.fuzz

verify: setup ## Run the built-in plugins on 200 pictures each and verify every job
	@$(BIN)/python -m tests.verify

matrix: setup ## Break the rules in copies of the service and publish what the scanner finds
	@$(BIN)/python -m tests.scanner.mutation --write

crashes: setup ## Kill the service at every point of every kind of a job's life and publish the crash matrix
	@$(BIN)/python -m tests.crash --write
	@$(BIN)/python -m tests.crash --beside

erasure: setup ## Delete 50,000 jobs at random and search the database for pieces of their images
	@$(BIN)/python -m tests.erasure

CHAOS_MINUTES ?= 10
chaos: setup ## Run the server for CHAOS_MINUTES (10) while all goes wrong around it, then 1,000 watchers
	@$(BIN)/python -m tests.chaos --minutes $(CHAOS_MINUTES) $(if $(CHAOS_SEED),--seed $(CHAOS_SEED))
	@$(BIN)/python -m tests.chaos.watching $(if $(CHAOS_SEED),--seed $(CHAOS_SEED))
	@$(BIN)/python -m tests.chaos.watching --processes 2 $(if $(CHAOS_SEED),--seed $(CHAOS_SEED))

gen: $(GEN_VENV)/.made ## Generate the stubs from proto/
	@PATH="$(CURDIR)/$(GEN_VENV)/bin:$$PATH" $(GEN_VENV)/bin/python -m grpc_tools.protoc -Iproto \
	  --python_out=clients/python --grpc_python_out=clients/python \
	  --mypy_out=quiet:clients/python --mypy_grpc_out=quiet:clients/python $$(find proto -name '*.proto' | sort)

# The order of the specification's section 8, then the rest; .github/workflows/execution-ci.yml has the same.
check: scan lifecycle execution rest ## All that CI runs

rest: format lint types proto stubs layers tests

scan: setup
	@echo "== scanner" && $(BIN)/python -m runward_scanner $(GOVERNED)

lifecycle: setup
	@echo "== lifecycle tests" && $(BIN)/python -m pytest tests/lifecycle

execution: setup
	@echo "== execution tests" && $(BIN)/python -m pytest tests/execution

format: setup
	@echo "== format" && $(BIN)/ruff format --check $(SOURCES)

lint: setup
	@echo "== lint" && $(BIN)/ruff check $(SOURCES)

types: setup
	@echo "== types" && $(BIN)/mypy

proto: setup
	@echo "== proto" && $(BIN)/buf format --diff --exit-code && $(BIN)/buf lint && $(BIN)/buf breaking --against proto/release.binpb

stubs: $(GEN_VENV)/.made
	@echo "== stubs" && rm -rf build/stubs && mkdir -p build/stubs && cp -r $(STUBS) build/stubs/before && $(MAKE) --no-print-directory gen \
	  && diff -r -x __pycache__ build/stubs/before $(STUBS) && rm -rf build/stubs \
	  || { echo "The stubs were not those of proto/; 'make gen' has made them anew: commit them."; exit 1; }

layers: setup
	@echo "== layers" && $(BIN)/lint-imports

tests: setup
	@echo "== all other tests" && $(BIN)/python -m pytest --ignore=tests/lifecycle --ignore=tests/execution

# A scan with findings is a log too; one that could not be made is none.
sarif: setup ## Write the scanner's findings to build/scan.sarif
	@mkdir -p build && { $(BIN)/python -m runward_scanner $(GOVERNED) --format sarif > build/scan.sarif || test $$? -eq 1; }

constraints: ## Pin the newest releases of everything anew
	@$(PYTHON) -m venv build/pin && build/pin/bin/python -m pip install $(PIP_FLAGS) pip-tools
	@build/pin/bin/pip-compile --quiet --strip-extras --allow-unsafe --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-emit-trusted-host --no-header --no-annotate --upgrade --extra dev --output-file requirements/constraints.txt pyproject.toml requirements/build.in
	@sed -i -e '/^#/d' -e '/^runward @/d' -e '/^$$/d' requirements/constraints.txt
	@rm -rf build/pin

clean: ## Remove what make made
	@rm -rf $(VENV) $(GEN_VENV) build .mypy_cache .ruff_cache .pytest_cache
