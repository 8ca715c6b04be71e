# `make serve` and `make test` need Python 3.11 or newer and make; tools/setup.sh sees to the rest.
PYTHON ?= python3
PORT ?= 8000
# A release waits a week before we take it: most hijacked releases are found and pulled within days. For a security
# fix that cannot wait: make lock COOLDOWN="0 days" ARGS="--upgrade-package NAME".
COOLDOWN ?= 7 days
ARGS ?=
CASES ?= 100000
GUESSES ?= 10000000
export PYTHON

.PHONY: serve test faults oracle bench bench-peers bench-servers bench-page bench-roles lint types docs words pictures lock check clean setup setup-test setup-bench
.DEFAULT_GOAL := check

# Serves sample data on http://127.0.0.1:$(PORT).
serve: setup
	@.venv/bin/bitting sample --port $(PORT)
	@exec .venv/bin/bitting serve --port $(PORT)

test: setup-test
	@.venv/bin/pytest -n auto --ignore tests/faults $(ARGS)

# What becomes of real servers under load that are killed, frozen and restarted, one test at a time; and much guessing.
# For less: make faults GUESSES=1000000
faults: setup-test
	@BITTING_GUESSES=$(GUESSES) .venv/bin/pytest -n 0 --quiet tests/faults $(ARGS)

# What roles show, asked in so many generated lists of each database and of a slow reference: make oracle CASES=3000
oracle: setup-test
	@BITTING_ORACLE_CASES=$(CASES) .venv/bin/pytest -n 2 --timeout 0 tests/store/test_record_oracle.py $(ARGS)

# What a role costs against SQL by hand, on a million rows; for less: make bench-roles ARGS="--rows 100000 --only sqlite"
bench-roles: setup-test
	@.venv/bin/python -m benchmarks.roles $(ARGS)

# Every promise of speed as one table, pass or miss; small: make bench ARGS="--quick"; some: make bench ARGS="--only http"
bench: setup-bench
	@.venv/bin/python -m benchmarks $(ARGS)

# These two download what they measure, into a temporary folder: other systems with API keys, and another HTTP server.
bench-peers: setup-bench
	@.venv/bin/python -m benchmarks.peers $(ARGS)

bench-servers: setup-bench
	@.venv/bin/python -m benchmarks.http.servers $(ARGS)

# Puts what was measured the last time into docs/performance.md and the decision about the HTTP server.
bench-page:
	@.venv/bin/python -m benchmarks.page

# Each step runs whatever the others say. `uv pip check` is about the lock: what it names has to be what the project needs.
lint: setup
	@failed=0; \
	.venv/bin/ruff check --quiet || failed=1; \
	.venv/bin/ruff format --check --quiet || failed=1; \
	.venv/bin/lint-imports --no-logo || failed=1; \
	.venv/bin/uv pip check --quiet --python .venv/bin/python || failed=1; \
	exit $$failed

types: setup
	@.venv/bin/mypy

# Draws docs/reference/ from the code; tests/docs fails when it is out of date.
docs: setup
	@.venv/bin/python -m tools.reference

# Puts the console's new texts into the catalogues of its languages, to be translated there.
words: setup-test
	@.venv/bin/python -m tools.words

# Draws the console's pictures in docs/images/; all pages in all languages: make pictures ARGS="--all FOLDER"
pictures: setup-test
	@.venv/bin/python -m tools.pictures $(ARGS)

# Everything that CI runs.
check:
	@.ci/run

# Keeps the pins there are and adds or drops what pyproject.toml changed; to move them: make lock ARGS=--upgrade
lock: setup
	@.venv/bin/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
		--exclude-newer "$(COOLDOWN)" --custom-compile-command "make lock" --quiet $(ARGS) --output-file requirements.lock

setup:
	@tools/setup.sh serve

setup-test:
	@tools/setup.sh test

setup-bench:
	@tools/setup.sh bench

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .schemathesis build dist
	find src tests tools benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
