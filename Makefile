# Everything a person or CI runs. Needs python3.11, and nothing else; `make help` says what there is.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check
ARGS ?=
ENGINES := vllm ray llamacpp

.DEFAULT_GOAL := help
.PHONY: help install model demo engines test check docs bench serve clean

help: ## this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

install: $(STAMP) ## make .venv with all that is needed

$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "monogram needs $(PYTHON); or say PYTHON=... (3.11 or newer)"; exit 1; }
	@echo "Installing into $(VENV) (a few minutes the first time) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install --quiet "$$(grep '^torch==' constraints.txt)" -c constraints.txt
	@$(PIP) install --quiet -e '.[dev]' -c constraints.txt
	@touch $@

model: $(STAMP) ## fetch the embedded model (93 MB) when it is not there
	@$(BIN)/monogram model pull smollm2

demo: $(STAMP) ## the main job, side by side: the base model and the personalised one
	@$(BIN)/monogram demo $(ARGS)

engines: model ## real vLLM, Ray and llama.cpp: each in an environment of its own, then the tests that need them
	@$(MAKE) --no-print-directory --keep-going $(ENGINES:%=.engines/%/.installed) || \
		echo "NOT EVERY ENGINE COULD BE INSTALLED: the tests of those that are missing are skipped"
	$(BIN)/python -m pytest tests/engines $(ARGS)

.engines/%/.installed: tests/engines/%.sh constraints.txt
	@echo "Installing $* into .engines/$* (a few minutes) ..."
	@rm -rf .engines/$* && $(PYTHON) -m venv .engines/$*
	@bash tests/engines/$*.sh .engines/$*/bin/python
	@touch $@

test: model ## the tests, one process for each core; ARGS="-m 'not slow'" for the quick ones
	@$(BIN)/monogram model pull minilm
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist worksteal --ignore=tests/engines $(ARGS)

check: $(STAMP) ## style, types, and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry src

docs: $(STAMP) ## docs/cli.md, made from the commands themselves
	$(BIN)/python -m typer monogram.cli.app utils docs --name monogram --title "The command line" --output docs/cli.md

bench: model ## monogram bench upqa on 24 items of the project's own set; ARGS="--split test" for a whole split
	$(BIN)/monogram bench upqa $(or $(ARGS),--limit 24)

serve: model ## everybody on the embedded model over HTTP, at http://127.0.0.1:8000; ARGS="--port 9000"
	@$(BIN)/monogram serve $(ARGS)

clean: ## remove .venv and what the tools leave (models stay in MONOGRAM_HOME)
	rm -rf $(VENV) .engines build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
