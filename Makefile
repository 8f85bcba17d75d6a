# Every task of the project by name; CI calls these targets too. `make` alone lists them.
# Needs a Rust toolchain and Python 3.11 or newer. Everything else goes into .venv; nothing has to be activated.

PYTHON ?= python3
ARGS ?=
# Processes that share the Python tests. More than there are cores in a small machine: most tests wait for something.
JOBS ?= 4

VENV := .venv
VENV_PYTHON := $(CURDIR)/$(VENV)/bin/python
STUBTEST_ALLOWLIST := tests/typing/stubtest-allowlist.txt

# maturin refuses to choose between two active environments, so it is shown exactly one.
MATURIN := env -u CONDA_PREFIX VIRTUAL_ENV="$(CURDIR)/$(VENV)" "$(VENV_PYTHON)" -m maturin
# clippy, too, asks an interpreter for its ABI; always the same one, or PyO3 would be built again and again.
export PYO3_PYTHON := $(VENV_PYTHON)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
# The targets share cargo's lock and the environment: side by side they would only wait for one another.
.NOTPARALLEL:
.DELETE_ON_ERROR:

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# --- environment ---------------------------------------------------------------------------------------------

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'error: telesink needs Python 3.11 or newer, found '"$$($(PYTHON) --version)"': run make PYTHON=python3.11' >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)

# One stamp for each requirements file: nothing is installed again until one of the files, or the interpreter, changes.
$(VENV)/.installed-%: requirements/%.txt $(wildcard requirements/*.txt) $(VENV)/bin/python
	"$(VENV_PYTHON)" -m pip install --quiet --requirement $<
	@touch $@

.PHONY: setup
setup: $(VENV)/.installed-test $(VENV)/.installed-lint build ## Create .venv with all tools and build telesink into it

.PHONY: build
build: $(VENV)/.installed-build ## Build telesink (optimised) into .venv
	$(MATURIN) develop --release --locked

# --- tests ---------------------------------------------------------------------------------------------------

PYTEST := "$(VENV_PYTHON)" -m pytest
# Whoever has nothing left takes from the others: some tests take a second, and some a hundred.
SHARED = -n $(JOBS) --dist worksteal
# In CI what has failed beside other tests (1 says so; anything else is no result) runs once more, alone and in view: a
# machine that others use breaks promises about time that telesink keeps. Whoever sees it there mends the test, or what it
# has found.
ifdef CI
ALONE = || { test $$? -eq 1 && echo "=== failed beside others, once more alone:" && $(PYTEST) --last-failed --last-failed-no-failures none -v $(1); }
endif

.PHONY: test
test: setup test-rust test-loom test-python test-pgbouncer types ## Run every test

.PHONY: test-rust
test-rust: ## Test the Rust core, documentation examples included
	TELESINK_TEST_POSTGRES_BIN="$$("$(VENV_PYTHON)" tests/postgres/servers.py 2>/dev/null)" cargo test --locked -p telesink-core

# A feature, not `--cfg loom`: all crates would be compiled again, and tokio, which hears of that, comes without sockets.
.PHONY: test-loom
test-loom: ## Check the lock-free parts under every thread order
	cargo test --locked -p telesink-core --features loom --lib loom

# Nearly none of these waits for anything: a fourth process only costs its start.
.PHONY: test-fast
test-fast: JOBS = 3
test-fast: $(VENV)/.installed-test build ## Run the Python tests that need no server and no patience: a minute
	$(PYTEST) $(SHARED) -m fast $(ARGS)

.PHONY: test-python
test-python: $(VENV)/.installed-test build ## Run the Python tests; ARGS="-k name" chooses
	$(PYTEST) $(SHARED) $(ARGS) $(call ALONE,$(ARGS))

.PHONY: test-nightly
test-nightly: $(VENV)/.installed-test build ## Run the Python tests that take many minutes
	$(PYTEST) -m nightly $(ARGS)

.PHONY: test-pgbouncer
test-pgbouncer: $(VENV)/.installed-test build ## Run the Postgres tests once more, through PgBouncer in transaction mode
	export TELESINK_TEST_PGBOUNCER=1; $(PYTEST) $(SHARED) tests/postgres $(ARGS) $(call ALONE,tests/postgres $(ARGS))

.PHONY: types
types: $(VENV)/.installed-test build ## Check the types, and the stub against the module that was built
	"$(VENV_PYTHON)" -m mypy
	"$(VENV_PYTHON)" -m mypy.stubtest telesink._native \
		$(if $(wildcard $(STUBTEST_ALLOWLIST)),--allowlist $(STUBTEST_ALLOWLIST))

# Twenty seconds a target find what is broken; hours find what is subtle: `make fuzz SECONDS=3600 TARGETS=dsn`.
.PHONY: fuzz
fuzz: ## Feed made-up input to everything that reads what others wrote
	fuzz/run $(or $(SECONDS),20) $(TARGETS)

# What `maturin develop` has compiled is used again.
.PHONY: wheel
wheel: $(VENV)/.installed-build ## Build a wheel and look at what it holds
	rm -rf target/wheels
	$(MATURIN) build --release --locked
	"$(VENV_PYTHON)" tests/wheel_contents.py target/wheels/*.whl

# --- checks --------------------------------------------------------------------------------------------------

.PHONY: lint
lint: lint-rust lint-python lint-workflows hazards ## Run every check that does not run the code

.PHONY: lint-rust
lint-rust: $(VENV)/.installed-lint
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

.PHONY: lint-python
lint-python: $(VENV)/.installed-lint
	"$(VENV_PYTHON)" -m ruff check
	"$(VENV_PYTHON)" -m ruff format --check
	"$(VENV_PYTHON)" -m codespell_lib

.PHONY: lint-workflows
lint-workflows: $(VENV)/.installed-lint
	"$(VENV_PYTHON)" -m check_jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	"$(VENV_PYTHON)" -m check_jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	"$(VENV)/bin/zizmor" --offline --quiet .github
	bash -n .ci/run
	sh -n .ci/test-wheel
	sh -n fuzz/run

.PHONY: hazards
hazards: $(VENV)/bin/python ## List the hazards of docs/hazards.md that no test shows
	"$(VENV_PYTHON)" tests/reliability/hazards.py $(ARGS)

.PHONY: deny
deny: ## Check licences, advisories and sources of all crates (needs cargo-deny and the network)
	cargo deny --locked check

.PHONY: format
format: $(VENV)/.installed-lint ## Format everything, and mend what the linters can mend
	cargo fmt --all
	cargo fmt --manifest-path fuzz/Cargo.toml
	"$(VENV_PYTHON)" -m ruff check --fix-only --exit-zero
	"$(VENV_PYTHON)" -m ruff format

# --- looking at it -------------------------------------------------------------------------------------------

.PHONY: demo
demo: $(VENV)/.installed-demo build ## See telesink at work: builds it and runs a demonstration
	"$(VENV_PYTHON)" -m telesink demo $(ARGS)

.PHONY: bench
bench: $(VENV)/.installed-bench build ## Measure telesink beside its peers
	"$(VENV_PYTHON)" -m benches $(ARGS)

.PHONY: clean
clean: ## Remove the environment and everything that was built
	rm -rf $(VENV) target dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	rm -f python/telesink/_native*.so python/telesink/_native*.pyd
	find python tests benches -name __pycache__ -prune -exec rm -rf {} +
