# MedRec's commands; CI runs `lint` and `test`. Python 3.11 or newer and make are all that has to be there:
# scripts/setup.py finds or sets up the rest.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# The first of these that is new enough.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$python; break; fi; done)
ifeq ($(PYTHON),)
$(error Python 3.11 or newer is needed: install it, or name it with `make PYTHON=/path/to/python3.11 ...`)
endif

VENV := .venv
BIN := $(VENV)/bin
# ape looks for Anvil on PATH, and set-up links it there.
RUN := PATH="$(CURDIR)/$(BIN):$$PATH"
WEB := web/src web/test 'web/*.json' 'web/*.ts'
SOURCES := $(wildcard medrec_py scripts bench tests .ci)
PYTEST := $(RUN) $(BIN)/pytest -p no:ape_test -n auto --maxprocesses 4 --dist loadfile
APE_TEST := $(RUN) $(BIN)/ape test tests/contracts
REPORTS := reports

# What to set up is quick to find there; MEDREC_SKIP_SETUP=1 is for runs in a copy that borrows another's set-up.
SETUP := $(if $(MEDREC_SKIP_SETUP),@: skipped: ,$(PYTHON) -m scripts.setup)

##@ To use

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-22s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: setup-demo ## A patient's story from registration to revocation; ARGS="--chain URL --ipfs URL" for real nodes. Ends with 2 if it fails
	$(BIN)/medrec demo $(ARGS)

##@ To develop

.PHONY: check
check: lint-python types ## The fast loop: lint, types, the quick SDK tests, contracts in process
	@$(MAKE) --no-print-directory -j2 --output-sync=target test-sdk test-contracts

.PHONY: test
test: test-contracts test-contracts-anvil test-python check-artifacts check-pages check-gas check-keys ## All tests, on real Anvil, Ganache, Kubo, Clef and Chromium

.PHONY: lint
lint: lint-python types lint-solidity lint-web lint-go slither check-lock ## Formatting, linting, types, static analysis

.PHONY: format
format: setup-contracts ## Format Python, Solidity and TypeScript
	$(BIN)/ruff check --fix-only --quiet $(SOURCES)
	$(BIN)/ruff format $(SOURCES)
	$(RUN) forge fmt
	$(RUN) node node_modules/prettier/bin/prettier.cjs --write $(WEB)

.PHONY: bench
bench: bench-gas bench-keys bench-relay ## Measure, and write the figures that are committed

.PHONY: fuzz
fuzz: ## Fuzz every parser of untrusted bytes with atheris, on Linux; ARGS="SECONDS [PARSER]"
	@$(SETUP) fuzz
	$(BIN)/python -m tests.fuzz $(ARGS)

.PHONY: prove
prove: setup-contracts ## Prove invariants of permissions for all states with halmos
	$(RUN) $(BIN)/python -m scripts.prove

.PHONY: artifacts
artifacts: setup-contracts ## Compile the contracts into the artifacts that the SDK ships
	$(RUN) $(BIN)/python -m scripts.export_artifacts

.PHONY: pages
pages: setup-dev setup-node ## Build the web pages that the SDK ships
	$(RUN) $(BIN)/python -m scripts.build_pages

##@ Parts of the above

.PHONY: lint-python
lint-python: setup-dev ## Ruff
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)

.PHONY: types
types: setup-dev ## mypy, strict
	$(BIN)/mypy

.PHONY: lint-solidity
lint-solidity: setup-contracts ## forge fmt and solhint
	$(RUN) forge fmt --check
	$(RUN) node node_modules/solhint/solhint.js --disc --noPoster --max-warnings 0 'contracts/**/*.sol'

.PHONY: lint-web
lint-web: setup-node ## prettier, oxlint and the TypeScript compiler
	$(RUN) node node_modules/prettier/bin/prettier.cjs --check $(WEB)
	$(RUN) node node_modules/oxlint/bin/oxlint --type-aware --deny-warnings web
	$(RUN) node node_modules/typescript/bin/tsc -b web/test

.PHONY: lint-go
lint-go: setup-dev ## gofmt and go vet
	@$(SETUP) go
	$(BIN)/python -m scripts.lint_go

.PHONY: slither
slither: setup-contracts ## Slither; a finding that stays has its reason beside it
	$(RUN) $(BIN)/python -m scripts.static_analysis

.PHONY: check-lock
check-lock: ## uv.lock is what pyproject.toml asks for
	@$(SETUP) lock

.PHONY: test-sdk
test-sdk: setup-dev ## SDK tests, without network and without the slow ones
	$(PYTEST) tests/sdk -m 'not slow' --junitxml=$(REPORTS)/sdk.xml

.PHONY: test-format
test-format: setup ## The formats in TypeScript and Go against those in Python
	$(PYTEST) tests/sdk/crypto tests/integration/test_format_typescript.py tests/integration/test_format_go.py

.PHONY: test-python
test-python: setup ## SDK, integration and invariant tests
	$(PYTEST) --junitxml=$(REPORTS)/python.xml

.PHONY: compile
compile: setup-contracts ## Compile the contracts
	$(RUN) $(BIN)/ape compile

.PHONY: test-contracts
test-contracts: compile ## Contract tests in process
	$(APE_TEST) --network ethereum:local:test --junitxml=$(REPORTS)/contracts.xml

.PHONY: test-contracts-anvil
test-contracts-anvil: compile ## The same on Anvil
	$(APE_TEST) --network ethereum:local:foundry --junitxml=$(REPORTS)/contracts-anvil.xml

.PHONY: check-artifacts
check-artifacts: setup-contracts ## The shipped artifacts are what the contracts compile to
	$(RUN) $(BIN)/python -m scripts.export_artifacts --check

.PHONY: check-pages
check-pages: setup-dev setup-node ## The shipped web pages are what their sources build to
	$(RUN) $(BIN)/python -m scripts.build_pages --check

.PHONY: bench-gas
bench-gas: setup-contracts ## Measure gas
	$(RUN) $(BIN)/python -m bench.gas

.PHONY: bench-keys
bench-keys: setup-contracts ## Measure speed and memory of keys and contents, on a machine that is otherwise idle
	$(RUN) $(BIN)/python -m bench.keys

.PHONY: bench-relay
bench-relay: setup-contracts ## Measure a relayer with a hundred clients, its node killed in the middle
	$(RUN) $(BIN)/python -m bench.relay

.PHONY: check-keys
check-keys: setup-contracts ## The committed bytes of keys and contents are what Anvil and a folder measure
	$(RUN) $(BIN)/python -m bench.keys --check

.PHONY: check-gas
check-gas: setup-contracts ## The committed gas figures are what Anvil measures
	$(RUN) $(BIN)/python -m bench.gas --check

##@ Set-up (each target above does its own)

.PHONY: setup setup-demo setup-dev setup-contracts setup-node setup-solc setup-kubo setup-clef setup-chromium setup-format
setup: ## Everything that tests need: Python packages, Node, compilers, Anvil, Ganache, Kubo, Clef, Chromium
	@$(SETUP) all
setup-demo: ## What the demonstration needs
	@$(SETUP) demo
setup-dev: ## Python packages for development
	@$(SETUP) dev
setup-contracts: ## Python packages, compiler, Anvil
	@$(SETUP) contracts
setup-node: ## Node and what it carries: Anvil, forge, Ganache, solhint, TypeScript, vite
	@$(SETUP) node
setup-solc: ## The Solidity compiler
	@$(SETUP) contracts
setup-kubo: ## Kubo, built from its module if it isn't on PATH
	@$(SETUP) kubo
setup-clef: ## geth's Clef, a wallet of its own, built from its module if it isn't on PATH
	@$(SETUP) clef
setup-chromium: ## Chromium, for tests of web pages: from PATH, else, as root on Debian, its package
	@$(SETUP) node chromium
setup-format: ## The Go program that checks the vectors of the formats
	@$(SETUP) format_check

.PHONY: hooks
hooks: setup-dev ## Run the quick checks before each commit
	$(RUN) pre-commit install

.PHONY: clean
clean: ## Remove what builds and tests made
	rm -rf .build web/build .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage* dist $(REPORTS) contracts/.cache
	find $(SOURCES) -name __pycache__ -prune -exec rm -rf {} +

.PHONY: clean-all
clean-all: clean ## Remove what set-up made, too; the cache in the user's home stays
	rm -rf $(VENV) .tools node_modules
