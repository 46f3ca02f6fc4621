# Verbs only: what each does is in the programs that it calls. Variables are quoted wherever they are used.
.DEFAULT_GOAL := help
.PHONY: help setup compare incident migration maintenance run report gate calibrate pod ui test test-all lint bench campaign lock clean

SCENARIO ?= agent-workday
STORAGES ?=
STORAGE ?= sqlite
ROUNDS ?=
RUNS ?= runs
OBJECTIVES ?=
STUDY ?= $(shell ls -1d "$(RUNS)"/[0-9]*Z-*/ 2>/dev/null | tail -n 1)

SHELL := /bin/bash
BIN := .venv/bin
CHOICES = $(foreach s,$(STORAGES),--storage "$(s)") $(if $(ROUNDS),--rounds "$(ROUNDS)")

# Modules run side by side, in the order in which they are collected; what measures time has the machine to itself
# afterwards. Both parts run, whatever becomes of the first.
define pytest
@$(BIN)/python -m pytest -m 'not alone' -n auto --dist loadscope --no-loadscope-reorder $(1); code=$$?; \
$(BIN)/python -m pytest -m alone $(1) || code=$$?; exit $$code
endef

define need_study
@[ -n "$(STUDY)" ] || { echo 'no study in "$(RUNS)" yet: make one with "make run" or "make compare", or name one with STUDY=…' >&2; exit 69; }
endef

help:  ## say what each target does (the default)
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | expand -t 12
	@printf '\nVariables: SCENARIO=%s STORAGES="%s" STORAGE=%s ROUNDS=%s RUNS=%s OBJECTIVES=%s STUDY=%s\n' "$(SCENARIO)" "$(or $(STORAGES),the scenario's)" "$(STORAGE)" "$(or $(ROUNDS),the scenario's)" "$(RUNS)" "$(or $(OBJECTIVES),the scenario's)" "$(or $(STUDY),the newest)"

setup: .venv/ready  ## make the virtual environment (every target that needs it does so by itself)

.venv/ready: requirements.lock pyproject.toml deploy/setup
	@deploy/setup

compare: .venv/ready  ## load the pod on each storage of STORAGES, then make the page that compares them
	@out="$$($(BIN)/loadtests run "$(SCENARIO)" $(CHOICES) --runs "$(RUNS)")"; code=$$?; study="$${out##*$$'\n'}"; \
	[ ! -d "$$study" ] || $(BIN)/loadtests-report "$$study" || exit; exit $$code

incident: .venv/ready  ## replay the outage of 2 July 2024 on real databases, then make its page: about four minutes
	@$(MAKE) --no-print-directory compare SCENARIO=incident-2024-07-02

migration: .venv/ready  ## migrate a live pod to another storage and back, then compare the phases
	@$(MAKE) --no-print-directory compare SCENARIO=storage-migration

maintenance: .venv/ready  ## age a cluster under load, clean it, create it anew, and see what each costs
	@$(MAKE) --no-print-directory compare SCENARIO=cluster-maintenance

run: .venv/ready  ## load the pod on each storage of STORAGES; the study's directory is the last line
	@$(BIN)/loadtests run "$(SCENARIO)" $(CHOICES) --runs "$(RUNS)"

report: .venv/ready  ## make the page of STUDY (default: the newest)
	$(need_study)
	@$(BIN)/loadtests-report "$(STUDY)"

gate: .venv/ready  ## judge STUDY by OBJECTIVES (default: the scenario's): exit code 0 pass, 1 fail, 2 unknown (make itself flattens them to 2)
	$(need_study)
	@$(BIN)/loadtests-gate "$(STUDY)" $(if $(OBJECTIVES),--objectives "$(OBJECTIVES)")

calibrate: .venv/ready  ## hold known locks on each engine found here, or of STORAGES, and see how well waits are told: two minutes
	@$(BIN)/loadtests calibrate $(foreach s,$(STORAGES),--storage "$(s)") --runs "$(RUNS)"

pod: .venv/ready  ## run the reference pod alone on STORAGE (default: sqlite), with a database of its own
	@$(BIN)/loadtests pod --storage "$(STORAGE)" --runs "$(RUNS)"

ui: .venv/ready  ## open the Locust web UI, its start form filled in with SCENARIO and STORAGE
	@$(BIN)/loadtests ui "$(SCENARIO)" --storage "$(STORAGE)" --runs "$(RUNS)"

test: .venv/ready  ## lint, then run every test
	@deploy/setup test
	@$(MAKE) --no-print-directory lint
	$(call pytest)

test-all: .venv/ready  ## as test, with the storage contract asked of every storage system rather than one of each kind
	@deploy/setup test
	@$(MAKE) --no-print-directory lint
	$(call pytest,--every-storage)

lint: .venv/ready  ## format check, lint, types, directions between rooms
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet . && $(BIN)/mypy && $(BIN)/lint-imports --no-logo

bench: .venv/ready  ## measure the harness itself, side by side with plain alternatives
	@$(BIN)/python -m benchmarks

campaign: .venv/ready  ## inject 300 faults into short runs, one in each, and check what must hold: about fifty minutes, as root
	@$(BIN)/python -m benchmarks.campaign

lock: .venv/ready  ## renew requirements.lock from pyproject.toml (needs uv)
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --extra dev --custom-compile-command 'make lock' pyproject.toml --output-file requirements.lock

clean:  ## end what killed runs left behind; remove the virtual environment, caches and RUNS
	-@[ ! -x "$(BIN)/loadtests" ] || $(BIN)/loadtests clean --runs "$(RUNS)"
	@rm -rf .venv build ./*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache "$(RUNS)"
