# Two commands: `make run` starts everything on this machine, `make test` checks everything.
BIN := .venv/bin
PYTEST_WORKERS ?= 4
PYTEST_ARGS ?=
BENCH_ARGS ?=
UV_COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
.DEFAULT_GOAL := help
.PHONY: help run test lint bench fuzz fuzz-calendar race-calendar simulate orders lock venv clean

help:
	@echo "make run     start PostgreSQL, Valkey, web, worker and clock here; Ctrl-C stops them"
	@echo "make test    style, types, layers and all tests (PYTEST_ARGS='-k name' for some)"
	@echo "make lint    style, types and layers only"
	@echo "make bench   measure answers, throughput and cost"
	@echo "make fuzz    broken mails against the way they come in (FUZZ_COUNT=200000, FUZZ_REAL=2000, FUZZ_SEED= to repeat)"
	@echo "make fuzz-calendar   the calendar against its oracle on new random shops (CALENDAR_EXAMPLES=200 a zone)"
	@echo "make race-calendar   200 customers for the last places of the calendar, 20 rounds"
	@echo "make simulate   SIM_LEADS=10000 leads through the whole outbound path, everything failing (SIM_SEED= to repeat)"
	@echo "make orders   ORDERS=5000 orders while Shopmonkey's webhooks and API fail in every way (SEED= to repeat)"
	@echo "make lock    renew requirements/*.lock from pyproject.toml (needs uv)"
	@echo "make clean   remove the virtual environment and caches; never the data folder"

venv:
	@sh requirements/make-venv.sh

# exec: the program takes the shell's place, so that it is make itself whose end it notices.
run: venv
	@exec $(BIN)/leads run --with-parent

# The tests run even when a check before them fails, so that one run tells everything.
test: venv
	@failed=; $(MAKE) --no-print-directory lint || failed=yes; \
	$(BIN)/pytest -n $(PYTEST_WORKERS) $(PYTEST_ARGS) || failed=yes; \
	test -z "$$failed"

lint: venv
	@failed=; for check in "ruff check ." "ruff format --check ." "mypy" "lint-imports"; do \
		echo "== $$check"; $(BIN)/$$check || failed="$$failed [$$check]"; \
	done; test -z "$$failed" || { echo "failed:$$failed" >&2; exit 1; }

bench: venv
	@$(BIN)/python -m tests.bench $(BENCH_ARGS)

fuzz: venv
	$(BIN)/python -m tests.fuzz --count $${FUZZ_COUNT:-200000} $${FUZZ_SEED:+--seed $$FUZZ_SEED}
	FUZZ_REAL=$${FUZZ_REAL:-2000} $(BIN)/pytest -q -s -o timeout=3600 tests/fuzz

fuzz-calendar: venv
	CALENDAR_EXAMPLES=$${CALENDAR_EXAMPLES:-200} $(BIN)/pytest -n $(PYTEST_WORKERS) tests/integration/test_calendar_model.py

race-calendar: venv
	RACE_ROUNDS=$${RACE_ROUNDS:-20} $(BIN)/pytest -n 2 -o timeout=1200 tests/integration/test_calendar_race.py

simulate: venv
	@$(BIN)/python -m tests.chaos.simulation_run

orders: venv
	@$(BIN)/python -m tests.chaos.orders

lock:
	@command -v uv >/dev/null || { echo "make lock needs uv: https://docs.astral.sh/uv" >&2; exit 1; }
	$(UV_COMPILE) pyproject.toml requirements/build.in --extra embedded --extra test -o requirements/dev.lock
	$(UV_COMPILE) pyproject.toml requirements/build.in -o requirements/prod.lock

clean:
	rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
