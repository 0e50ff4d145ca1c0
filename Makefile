# Two commands matter: `make demo` sets up and runs the main job, `make test` sets up and runs the tests.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

export DO_NOT_TRACK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export MLFLOW_DISABLE_TELEMETRY := true

.PHONY: setup demo test serve nightly check fix bench bench-features bench-explain bench-models bench-policy bench-serve bench-nightly bench-labels bench-pages fuzz faults clients docs release lock clean

setup: $(READY)

# uv comes from PyPI into the project's own environment; the locked requirements follow, by hash.
$(READY): requirements.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/uv pip install --quiet --require-hashes -r requirements.txt
	VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/uv pip install --quiet --no-deps --editable .
	touch $@

demo: setup
	$(BIN)/puntuale demo

test: setup
	$(BIN)/python -m pytest -n 2 --dist worksteal

serve: setup
	$(BIN)/puntuale serve

nightly: setup
	$(BIN)/puntuale nightly

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: bench-features bench-explain bench-models bench-policy bench-serve bench-nightly bench-labels bench-pages

# The peers live in an environment of their own: they need other versions than we do.
bench-features: setup
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python build/bench/env
	VIRTUAL_ENV=$(abspath build/bench/env) $(BIN)/uv pip install --quiet -r tests/benchmarks/peers.txt
	$(BIN)/python tests/benchmarks/features.py

bench-explain: setup
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python build/bench/env-explain
	VIRTUAL_ENV=$(abspath build/bench/env-explain) $(BIN)/uv pip install --quiet -r tests/benchmarks/peers-explain.txt
	$(BIN)/python tests/benchmarks/explain.py

bench-models: setup
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python build/bench/env-models
	VIRTUAL_ENV=$(abspath build/bench/env-models) $(BIN)/uv pip install --quiet -r tests/benchmarks/peers-models.txt
	$(BIN)/python tests/benchmarks/side_by_side.py

bench-policy: setup
	$(BIN)/python tests/benchmarks/policy.py

bench-serve: setup
	$(BIN)/python tests/benchmarks/serve.py

bench-nightly: setup
	$(BIN)/python tests/benchmarks/nightly.py

bench-pages: setup
	$(BIN)/python tests/benchmarks/pages.py

bench-labels: setup
	$(BIN)/python tests/benchmarks/labels.py

# At length: whatever the OpenAPI document allows, and every fault as often as docs/faults.md says.
fuzz: setup
	EXAMPLES=20 $(BIN)/python -m pytest tests/serving/test_schemathesis.py

faults: setup
	THOROUGH=1 $(BIN)/python -m pytest tests/faults tests/serving/test_process.py tests/serving/test_reload.py

# Generators of clients, each in an environment of its own: they need other versions than we do.
clients: setup
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python build/clients/python
	VIRTUAL_ENV=$(abspath build/clients/python) $(BIN)/uv pip install --quiet --require-hashes -r tests/clients/requirements.txt
	mkdir -p build/clients/node
	cp tests/clients/package.json tests/clients/package-lock.json build/clients/node/
	cd build/clients/node && npm ci --silent --no-audit --no-fund

docs: setup
	$(BIN)/python -m sphinx -W --keep-going -n -q -b html -d build/docs-read docs build/docs
	@echo "build/docs/index.html"

release: setup
	deploy/release

# All that development needs, and the same versions of what a served installation needs.
LOCK := pip compile pyproject.toml --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 --quiet
lock: setup
	$(BIN)/uv $(LOCK) --extra dev -o requirements.txt
	$(BIN)/uv $(LOCK) --extra dask --extra oidc --extra otel --constraint requirements.txt -o deploy/requirements.txt

clean:
	rm -rf $(VENV) build .puntuale
