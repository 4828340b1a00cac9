# Everything a newcomer runs. `make demo` and `make test` need only Python 3.11+ (with venv), pip and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help demo test check format system-deps lock clean bench-demo bench-online-retail bench-serving bench-rebuild bench-sends bench-dashboard bench-events bench-rules bench-segments bench-accuracy test-senders chaos-events attack

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 24

$(VENV)/.run: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	@touch $@

demo: $(VENV)/.run ## a generated shop, trained and served on PORT
	PORT=$(PORT) $(BIN)/morsel demo

test: $(VENV)/.dev ## all tests
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

check: $(VENV)/.dev ## format, lint, types, imports, lock files
	$(BIN)/ruff format --check app tests migrations benchmarks
	$(BIN)/ruff check app tests migrations benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports
	@! grep -nE '://' requirements*.lock || (echo "lock files must name no host"; exit 1)

format: $(VENV)/.dev ## write the format and the fixable lint
	$(BIN)/ruff check --fix app tests migrations benchmarks
	$(BIN)/ruff format app tests migrations benchmarks

bench-demo: $(VENV)/.run ## from nothing to a ready demo, in seconds
	$(BIN)/python benchmarks/demo.py

bench-online-retail: $(VENV)/.run ## accuracy over HTTP on a real shop's data
	$(BIN)/python benchmarks/online_retail.py

bench-accuracy: $(VENV)/.run ## accuracy on public data beside published figures (ARGS="--only movies --again")
	$(BIN)/python benchmarks/accuracy.py $(ARGS)

bench-serving: $(VENV)/.run ## CPU a request beside other servers, and what Morsel needs at scale; needs wrk (`make system-deps`)
	-$(BIN)/python -m pip install --quiet -e '.[bench]'
	$(BIN)/python benchmarks/serving/run.py $(ARGS)

bench-sends: $(VENV)/.run ## people a second that the worker prewarms for a send
	$(BIN)/python benchmarks/sends.py

bench-rebuild: $(VENV)/.run ## people a second that `morsel rebuild` computes
	$(BIN)/python benchmarks/rebuild.py

bench-dashboard: $(VENV)/.run ## server time of each page over 100,000 items, 1M people, 20M events (ARGS="--scale 0.01")
	$(BIN)/python benchmarks/dashboard.py $(ARGS)

bench-segments: $(VENV)/.run ## how long an estimate of a segment takes, at 20,000 and 300,000 people
	$(BIN)/python benchmarks/segments.py $(ARGS)

bench-rules: $(VENV)/.run ## what rules add to an answer, in CPU a request; needs wrk (`make system-deps`)
	$(BIN)/python benchmarks/rules.py $(ARGS)

bench-events: $(VENV)/.run ## durable events a second over HTTP beside a raw COPY
	$(BIN)/python benchmarks/events.py

test-senders: $(VENV)/.dev ## 10,000 events each of Segment's Python and Node libraries through a server that is killed
	$(BIN)/python -m pytest tests/e2e/test_event_senders.py tests/e2e/test_node_sender.py -m slow

chaos-events: $(VENV)/.dev ## 100,000 events while 50 processes are killed; CHAOS_SEED repeats a run
	$(BIN)/python -m pytest tests/e2e/test_chaos.py -m slow -s --timeout=3600

attack: $(VENV)/.dev ## what attackers send, and generated requests against both ways; ATTACK_SEED repeats a run, ATTACK_ROUNDS (2000) says how long
	$(BIN)/python -m pytest tests/attack -m 'slow or not slow' -s

system-deps: ## Chromium, Node, nginx and wrk from Debian (needs root)
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium nginx-light wrk nodejs fonts-noto-core fonts-noto-color-emoji

lock: ## write the hashed lock files again (needs uv)
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links --extra embedded --extra train --extra demo -o requirements.lock
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links --extra embedded --extra train --extra demo --extra dev -o requirements-dev.lock

clean: ## remove what a run left here
	rm -rf .morsel .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist *.egg-info
