# The commands of the project.  Everything lives in .venv; nothing is installed elsewhere.
unexport PYTHONDONTWRITEBYTECODE
PYTHON ?= python3
V := .venv
PY := $(V)/bin/python

.PHONY: run run-distributed test check fix bench lock clean

run: $(V)/.run
	@exec $(PY) -m vorab run deploy/sites/airport

# The same site on Kafka and PostgreSQL: Java, Maven and PostgreSQL come by apt where that is allowed.
run-distributed: $(V)/.distributed
	@tests/servers kafka
	@exec $(PY) -m deploy.bare run deploy/sites/airport

test: $(V)/.dev
	@tests/servers
	$(PY) -m pytest -q -n 2 tests/unit tests/contract tests/scenario tests/laws
	$(PY) -m pytest -q tests/live

check: $(V)/.dev
	$(V)/bin/ruff format --check .
	$(V)/bin/ruff check .
	$(V)/bin/mypy
	$(V)/bin/lint-imports

fix: $(V)/.dev
	$(V)/bin/ruff format .
	$(V)/bin/ruff check --fix .

bench: $(V)/.dev
	@tests/servers
	$(PY) -m benchmarks all

# Both locks anew: hashes, and no address of an index.
lock: $(V)/.dev
	$(V)/bin/uv lock -q
	$(V)/bin/uv export -q --format requirements.txt --no-emit-project --no-header --no-dev --extra camera -o requirements-run.lock
	$(V)/bin/uv export -q --format requirements.txt --no-emit-project --no-header --no-dev --extra camera --extra kafka --extra postgres -o requirements-distributed.lock
	$(V)/bin/uv export -q --format requirements.txt --no-emit-project --no-header --all-extras -o requirements-dev.lock

clean:
	rm -rf $(V) data .mypy_cache .ruff_cache .pytest_cache .hypothesis

# pip brings uv, uv brings the rest in seconds; where uv will not run, pip alone does.
define install
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@[ -x $(PY) ] || $(PYTHON) -m venv $(V) || { echo "The venv module is missing: apt install python3-venv"; exit 1; }
	@$(PY) -m pip install -q --disable-pip-version-check uv==0.13.9 \
	  && VIRTUAL_ENV=$(V) $(V)/bin/uv pip install -q --require-hashes -r $(1) \
	  || $(PY) -m pip install -q --disable-pip-version-check --require-hashes -r $(1)
	@touch $@
endef

$(V)/.run: requirements-run.lock
	@echo "setting up $(V) …"
	$(call install,requirements-run.lock)

$(V)/.dev: requirements-dev.lock
	@echo "setting up $(V) for development …"
	$(call install,requirements-dev.lock)
	@touch $(V)/.run

$(V)/.distributed: requirements-distributed.lock
	@echo "setting up $(V) with Kafka and PostgreSQL …"
	$(call install,requirements-distributed.lock)
	@touch $(V)/.run
