# make install | test | test-ui | test-cluster | soak | demo | bench | lock: each sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export DO_NOT_TRACK := 1

.PHONY: install test test-ui test-cluster soak demo bench lock

install: $(VENV)/.installed

$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

test: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest --quiet --numprocesses 2

test-ui: install
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-ui.lock
	command -v chromium || (apt-get update --quiet && apt-get install --quiet --yes chromium)  # as root
	$(BIN)/python -m pytest --quiet -p tests.ui.prefect_pages tests/ui/in_the_browser.py

test-cluster: SOAK := --projects 4 --analyses 3 --every 15 --failures 8 --minutes 20
test-cluster: soak  # the soak, shorter

soak: install
	ls /usr/lib/postgresql/*/bin/initdb || (apt-get update --quiet && apt-get install --quiet --yes postgresql)  # as root
	$(BIN)/python -m tests.cluster.soak $(SOAK)

bench: install
	$(BIN)/python -m tests.bench

demo: install
	$(BIN)/botify-export demo

lock:  ## needs uv; the newest versions that pyproject.toml admits
	{ sed '/^[^#]/,$$d' requirements.lock; uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
	  --generate-hashes --no-header --quiet --upgrade; } > requirements.lock.new
	mv requirements.lock.new requirements.lock
	{ sed '/^[^#]/,$$d' requirements-ui.lock; echo 'playwright>=1.55,<2' | uv pip compile - --constraint requirements.lock \
	  --universal --python-version 3.11 --generate-hashes --no-header --quiet; } > requirements-ui.lock.new
	mv requirements-ui.lock.new requirements-ui.lock
	{ sed '/^[^#]/,$$d' requirements-image.lock; echo 'hatchling>=1.27' | uv pip compile pyproject.toml - --extra s3 \
	  --constraint requirements.lock --universal --python-version 3.11 --generate-hashes --no-header --quiet; } \
	  > requirements-image.lock.new
	mv requirements-image.lock.new requirements-image.lock
