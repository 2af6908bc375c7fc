# `make demo` and `make test` are enough on a fresh machine with Python 3.11 or later.
# Stamps in .venv/ record what is installed, so a second run does nothing.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
WORKERS ?= 2
SEEDS ?= 2000
FIRST_SEED ?= 1
ARGS ?=

venv := .venv
bin := $(venv)/bin
py := $(bin)/python
uv := $(shell command -v uv 2>/dev/null)
code := $(wildcard src tests benchmarks fuzz release)
pins := requirements/build.txt requirements/runtime.txt

ifdef uv
install := $(uv) pip install --quiet --compile-bytecode --python $(py)
else
install := $(py) -m pip install --quiet --no-input --disable-pip-version-check
endif

.PHONY: help
help: ## Show these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: setup
setup: $(venv)/.package ## Make .venv with the pinned dependencies and schemahub (PYTHON=python3.12 to choose)
	@:

.PHONY: demo
demo: setup ## Ingest from a built-in exchange, prove it, query it (ARGS="--lake DIR")
	@$(bin)/schemahub demo $(ARGS)

.PHONY: test
test: $(venv)/.dev ## Run the tests but for the heavy ones (WORKERS=2, ARGS="-k span")
	@$(py) -m pytest -n $(WORKERS) --dist worksteal -q -m "not heavy" $(ARGS)

.PHONY: heavy
heavy: $(venv)/.dev $(venv)/.spark $(venv)/.terraform $(venv)/.checkov ## Run the heavy tests: crashes, damage, simulation, Spark (needs Java 17), Terraform (needs terraform 1.11); those about load one at a time
	@$(py) -m pytest -n $(WORKERS) --dist loadgroup -q -m "heavy and not alone" $(ARGS)
	@$(py) -m pytest -q -m alone $(ARGS)

.PHONY: simulate
simulate: $(venv)/.dev ## Run the pipelines through many schedules (SEEDS=2000, FIRST_SEED=1)
	@$(py) -m tests.simulation --seeds $(SEEDS) --first $(FIRST_SEED) --jobs $(WORKERS) $(ARGS)

.PHONY: check
check: $(venv)/.dev ## Lint, formatting, types, floors
	@$(bin)/ruff check $(code)
	@$(bin)/ruff format --check $(code)
	@$(bin)/mypy $(code)
	@$(bin)/lint-imports --no-logo

.PHONY: format
format: $(venv)/.dev ## Format, and fix what ruff can fix
	@$(bin)/ruff check --fix-only $(code)
	@$(bin)/ruff format $(code)

.PHONY: bench
bench: $(venv)/.dev ## Measure (ARGS goes to benchmarks)
	@$(py) -m benchmarks $(ARGS)

.PHONY: lock
lock: ## Pin the dependencies anew, with hashes (needs uv; ARGS=--upgrade for newer versions)
ifndef uv
	@echo "make lock needs uv, which is not on PATH: pip install uv" >&2; exit 1
endif
	@export UV_CUSTOM_COMPILE_COMMAND="make lock"; \
	pin="$(uv) pip compile --quiet --universal --generate-hashes --no-strip-extras --no-emit-index-url --no-emit-find-links $(ARGS)"; \
	$$pin pyproject.toml --extra aws --extra dashboard --extra fast --extra iceberg --extra pandas --extra polars --group dev -o requirements/dev.txt && \
	$$pin pyproject.toml --extra dashboard --extra fast -c requirements/dev.txt -o requirements/runtime.txt && \
	$$pin --group build -c requirements/dev.txt -o requirements/build.txt && \
	$$pin --group uv -o requirements/uv.txt && \
	$$pin pyproject.toml --extra spark -c requirements/dev.txt -o requirements/spark.txt && \
	$$pin pyproject.toml --extra aws --extra iceberg -c requirements/dev.txt -o requirements/image.txt && \
	$$pin --group terraform -o requirements/terraform.txt && \
	$$pin --group checkov -o requirements/checkov.txt

.PHONY: sbom
sbom: setup ## List what a SchemaHub that runs is made of: sbom.cdx.json (CycloneDX)
	@$(py) -m release.sbom $(ARGS)

.PHONY: audit
audit: setup ## Check that what is installed is what is pinned, byte for byte (offline)
	@$(py) -m release.audit

.PHONY: clean
clean: ## Remove .venv, caches and built files
	@rm -rf $(venv) build dist htmlcov sbom.cdx.json .coverage .coverage.* .hypothesis \
		.import_linter_cache .mypy_cache .pytest_cache .ruff_cache

$(venv)/.python:
	@version="$$("$(PYTHON)" -c 'import sys; print("%d.%d %d" % (sys.version_info[:2] + (sys.version_info >= (3, 11),)))' 2>/dev/null)" \
		|| { echo "SchemaHub needs Python 3.11 or later, and $(PYTHON) does not run: install it, or name another with make PYTHON=python3.12" >&2; exit 1; }; \
	[[ $$version == *" 1" ]] \
		|| { echo "SchemaHub needs Python 3.11 or later, and $(PYTHON) is $${version% *}: name a newer one with make PYTHON=python3.12" >&2; exit 1; }
ifdef uv
	@$(uv) venv --quiet --clear --python "$$("$(PYTHON)" -c 'import sys; print(sys.executable)')" $(venv)
else
	@"$(PYTHON)" -m venv --clear $(venv) \
		|| { echo "$(PYTHON) cannot make a virtual environment: install its venv package (Debian: python3-venv), or uv" >&2; exit 1; }
endif
	@touch $@

# Without uv, in a .venv that uv made: give it the pip that uv left out.
$(venv)/.runtime: $(pins) | $(venv)/.python
	@echo "installing pinned dependencies into $(venv) with $(if $(uv),uv,pip)" >&2
	@$(if $(uv),:,$(py) -m pip --version >/dev/null 2>&1 || $(py) -m ensurepip >/dev/null)
	@$(install) --require-hashes $(pins:%=-r %)
	@touch $@

$(venv)/.package: pyproject.toml $(venv)/.runtime
	@$(install) --no-deps --no-build-isolation -e .
	@echo "compiling the kernels" >&2
	@$(py) -m schemahub.kernels
	@touch $@

$(venv)/.dev: requirements/dev.txt $(venv)/.package
	@echo "installing pinned test tools into $(venv) with $(if $(uv),uv,pip)" >&2
	@$(install) --require-hashes -r $<
	@touch $@

$(venv)/.spark: requirements/spark.txt $(venv)/.package
	@echo "installing pinned Spark into $(venv) with $(if $(uv),uv,pip)" >&2
	@$(install) --require-hashes --no-build-isolation -r $<
	@touch $@

# Environments of their own: the bindings of providers are large, and checkov pins what others need.
$(venv)/.terraform $(venv)/.checkov: $(venv)/.%: requirements/%.txt $(venv)/.python
	@echo "installing pinned $* into $(venv)/$* with $(if $(uv),uv,pip)" >&2
	@$(if $(uv),$(uv) venv --quiet --clear --python $(py),$(py) -m venv --clear) $(venv)/$*
	@$(if $(uv),$(uv) pip install --quiet --python $(venv)/$*/bin/python,$(venv)/$*/bin/python -m pip install --quiet --no-input --disable-pip-version-check) --require-hashes -r $<
	@touch $@
