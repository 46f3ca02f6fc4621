# Verbs only: what each does is in the programs that it calls. Values that people give reach a recipe as environment
# variables, never as text of it: a path may have any character.
.DEFAULT_GOAL := help
.PHONY: help setup compare incident migration maintenance run report plan gate calibrate pod ui test test-all lint hostile fuzz bench campaign pathologies audit licences sbom lock docs pictures clean

SCENARIO ?= agent-workday
STORAGES ?=
STORAGE ?= sqlite
ROUNDS ?=
RUNS ?= runs
OBJECTIVES ?=
STUDY ?=
PATHOLOGIES ?=

GIVEN := SCENARIO STORAGES STORAGE ROUNDS RUNS OBJECTIVES STUDY PATHOLOGIES

# A choice that the target would ignore is refused: `make run STORAGE=redis` must not load the default storages.
refused = $(and $(findstring command line,$(origin $(1))),$(filter $(2),$(MAKECMDGOALS)))
$(if $(call refused,STORAGE,run compare incident migration maintenance calibrate),$(error STORAGE is for the targets pod and ui: name the storages of a study with STORAGES))
$(if $(call refused,STORAGES,pod ui),$(error STORAGES is for studies: name the storage of pod or ui with STORAGE))

# As given, a dollar sign included.
$(foreach name,$(GIVEN),$(eval override $(name) := $$(value $(name))))
export $(GIVEN)

SHELL := /bin/bash
BIN := .venv/bin

# `"$${choices[@]}"` names STORAGES and ROUNDS as options.
define choose
choices=(); set -f; for name in $$STORAGES; do choices+=(--storage="$$name"); done; set +f; \
[ -z "$$ROUNDS" ] || choices+=(--rounds="$$ROUNDS")
endef

# The study that STUDY names, else the newest of RUNS.
define find_study
shopt -s nullglob; [ -n "$$STUDY" ] || for STUDY in "$$RUNS"/[0-9]*Z-*/; do :; done; \
[ -n "$$STUDY" ] || { printf 'no study in "%s" yet: make one with "make run" or "make compare", or name one with STUDY=…\n' "$$RUNS" >&2; exit 69; }
endef

define compare
@$(choose); out="$$($(BIN)/loadtests run --runs="$$RUNS" "$${choices[@]}" -- $(1))"; code=$$?; study="$${out##*$$'\n'}"; \
[ ! -d "$$study" ] || $(BIN)/loadtests-report -- "$$study" || exit; exit $$code
endef

# Modules run side by side, in the order in which they are collected; what measures time has the machine to itself
# afterwards. Both parts run, even when the first fails. Bytecode is kept: tests start hundreds of processes.
define pytest
@unset PYTHONDONTWRITEBYTECODE; \
$(BIN)/python -m pytest -m 'not alone' -n auto --dist loadscope --no-loadscope-reorder $(1); code=$$?; \
$(BIN)/python -m pytest -m alone $(1) $$(grep -rl --include='test_*.py' mark.alone tests) || code=$$?; exit $$code
endef

# Packages are installed while the linters work.
define prepare_tests
@deploy/setup test & packages=$$!; $(MAKE) --no-print-directory lint; code=$$?; wait $$packages || exit; exit $$code
endef

help:  ## list the targets (the default)
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | expand -t 12
	@own="the scenario's"; printf '\nVariables: SCENARIO=%s STORAGES="%s" STORAGE=%s ROUNDS=%s RUNS=%s OBJECTIVES=%s STUDY=%s PATHOLOGIES="%s"\n' "$$SCENARIO" "$${STORAGES:-$$own}" "$$STORAGE" "$${ROUNDS:-$$own}" "$$RUNS" "$${OBJECTIVES:-$$own}" "$${STUDY:-the newest}" "$${PATHOLOGIES:-all}"

setup: .venv/ready  ## make the virtual environment (every target that needs it does so by itself)

.venv/ready: requirements.lock pyproject.toml deploy/setup
	@deploy/setup

compare: .venv/ready  ## load the pod on each storage of STORAGES, then make the page that compares them
	$(call compare,"$$SCENARIO")

incident: .venv/ready  ## replay the outage of 2 July 2024 on real databases, then make its page: about four minutes
	$(call compare,incident-2024-07-02)

migration: .venv/ready  ## migrate a live pod to another storage and back, then compare the phases
	$(call compare,storage-migration)

maintenance: .venv/ready  ## age a cluster under load, clean it and create it again, and measure what each costs
	$(call compare,cluster-maintenance)

run: .venv/ready  ## load the pod on each storage of STORAGES; the study's directory is the last line
	@$(choose); $(BIN)/loadtests run --runs="$$RUNS" "$${choices[@]}" -- "$$SCENARIO"

report: .venv/ready  ## make the page of STUDY (default: the newest)
	@$(find_study); $(BIN)/loadtests-report -- "$$STUDY"

plan: .venv/ready  ## before a run: how many attempts, rounds and minutes of SCENARIO decide each of OBJECTIVES, and whether any do
	@$(BIN)/loadtests-gate --plan="$$SCENARIO" $${OBJECTIVES:+--objectives="$$OBJECTIVES"} $${ROUNDS:+--rounds="$$ROUNDS"} $${STUDY:+--study="$$STUDY"}

gate: .venv/ready  ## judge STUDY by OBJECTIVES (default: the scenario's): exit code 0 pass, 1 fail, 2 unknown (make itself flattens them to 2)
	@$(find_study); $(BIN)/loadtests-gate $${OBJECTIVES:+--objectives="$$OBJECTIVES"} -- "$$STUDY"

calibrate: .venv/ready  ## hold known locks on each engine found here, or of STORAGES, and measure how well the observer sees them: two minutes
	@ROUNDS=; $(choose); $(BIN)/loadtests calibrate --runs="$$RUNS" "$${choices[@]}"

pod: .venv/ready  ## run the reference pod alone on STORAGE (default: sqlite), with a database of its own
	@$(BIN)/loadtests pod --storage="$$STORAGE" --runs="$$RUNS"

ui: .venv/ready  ## open the Locust web UI, its start form filled in with SCENARIO and STORAGE
	@$(BIN)/loadtests ui --storage="$$STORAGE" --runs="$$RUNS" -- "$$SCENARIO"

test: .venv/ready  ## lint, then run every test
	$(prepare_tests)
	$(call pytest)

test-all: .venv/ready  ## as test, and run the storage contract on every storage system rather than on one of each kind
	$(prepare_tests)
	$(call pytest,--every-storage)

lint: .venv/ready  ## check format, lint, types and import directions
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet . && $(BIN)/mypy && $(BIN)/lint-imports --no-logo

docs: .venv/ready  ## write the generated pages: docs/cli.md, docs/scenarios.md, and the JSON Schema of scenarios
	@$(BIN)/python -m loadtests.scenario.schema && $(BIN)/python docs/generate.py

pictures: .venv/ready  ## renew docs/images from STUDY (default: the newest): of a comparison, or of the replayed outage
	@$(find_study); $(BIN)/python docs/pictures.py "$$STUDY"

hostile: .venv/ready  ## load a hostile server for a minute: it may end operations, never the study
	@$(BIN)/python tests/hostile/hostile_study.py 60

fuzz: .venv/ready  ## mutate run directories 10,000 times and check how report, gate and export take each: half an hour
	@$(BIN)/python tests/fuzz/longer.py

bench: .venv/ready  ## measure the harness itself, side by side with plain alternatives
	@$(BIN)/python -m benchmarks

pathologies: .venv/ready  ## start the pod with each of its faults, or those of PATHOLOGIES, and judge it: does the verdict fail and name the cause? A quarter of an hour
	@set -f; $(BIN)/python -m benchmarks.pathologies --runs="$$RUNS" -- $$PATHOLOGIES

campaign: .venv/ready  ## inject 300 faults into short runs, one in each, and check what must hold: about fifty minutes, as root
	@$(BIN)/python -m benchmarks.campaign

audit: .venv-supplychain/ready  ## look up known advisories of the pinned versions: exit code 1 when there is one, 69 when they cannot be looked up
	@$(BIN)/python deploy/supplychain.py audit

licences: .venv/ready  ## list the licences of what this project depends on
	@$(BIN)/python deploy/supplychain.py licences

sbom: .venv-supplychain/ready  ## write build/sbom.cdx.json: what .venv holds, as CycloneDX
	@$(BIN)/python deploy/supplychain.py sbom build/sbom.cdx.json

.venv-supplychain/ready: deploy/supplychain.lock .venv/ready
	@$(BIN)/python -m venv --clear .venv-supplychain
	@.venv-supplychain/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes --requirement deploy/supplychain.lock
	@touch $@

lock: .venv/ready  ## renew requirements.lock from pyproject.toml (needs uv)
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --extra dev --custom-compile-command 'make lock' pyproject.toml --output-file requirements.lock
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command 'make lock' deploy/supplychain.in --output-file deploy/supplychain.lock

clean:  ## end what killed runs left behind; remove the virtual environment, caches and RUNS
	-@[ ! -x "$(BIN)/loadtests" ] || $(BIN)/loadtests clean --runs="$$RUNS"
	@rm -rf .venv .venv-supplychain build ./*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache -- "$$RUNS"
