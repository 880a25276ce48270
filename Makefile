# `make` lists what there is. Caches lie outside the clone, in $(TIDINGS_CACHE).
export TIDINGS_CACHE    ?= $(HOME)/.cache/tidings
export CARGO_TARGET_DIR ?= $(TIDINGS_CACHE)/target

.DEFAULT_GOAL := help
.PHONY: help setup run test check dev-kafka dev-postgres bench autobahn interop clients torture nightly fmt

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what building and testing need (Debian; others: see CONTRIBUTING.md)
	@scripts/setup

run: ## start with demo people on http://127.0.0.1:8080 and send them a broadcast
	@scripts/setup build
	@scripts/cargo build --package tidings-cli
	@bin/tidings serve --demo

dev-kafka: ## start a Kafka broker of its own on this machine, and say how to reach it
	@scripts/setup
	@scripts/kafka start dev
	@echo "stop it with scripts/kafka stop dev"

test: ## everything: lints, unit, conformance, crash, security, browsers
	@scripts/setup
	@scripts/test

check: ## the quick inner loop: lints and the tests that need no broker, no database server and no browser
	@scripts/test quick

dev-postgres: ## start a PostgreSQL for development and print its address
	@scripts/postgres start

bench: ## measure, beside the floors of the same run, and print ratios; one: make bench SCENARIO=consumer
	@scripts/setup build
	@scripts/bench $(SCENARIO)

autobahn: ## the WebSocket conformance suite, where Python 2.7 is found
	@scripts/autobahn

interop: ## other people's SSE clients, Chromium among them
	@scripts/setup
	@scripts/interop

torture: ## break every part of a fleet under load for MINUTES (60), from a SEED, and judge it
	@scripts/setup
	@scripts/torture "$(or $(MINUTES),60)" "$(SEED)"

clients: ## build the TypeScript client and <tidings-inbox> into clients/ts/dist
	@scripts/setup
	@scripts/clients build

nightly: ## 100,000 seeds of the simulator, 10,000 reasons compared with what happened, planted bugs
	@TIDINGS_SIM_SEEDS=100000 scripts/cargo test --release --package tidings-delivery-core --test simulator
	@TIDINGS_WHY_PAIRS=10000 scripts/cargo test --package tidings-tests-journey --test journey -- why::the_reason
	@scripts/cargo test --package tidings-tests-journey --features planted-bugs --test journey -- --ignored why::a_planted
	@scripts/cargo test --package tidings-tests-journey --features planted-bugs --test journey -- --ignored keys::a_planted
	@for bug in a_reader a_status a_delivered a_typist an_absence; do \
	  scripts/cargo test --package tidings-tests-journey --features planted-bugs --test journey -- --ignored chat::planted::$$bug || exit 1; \
	done
	@scripts/cargo test --package tidings-tests-journey --features planted-bugs --test journey -- --ignored webhook::planted

fmt: ## format the code
	@scripts/cargo fmt --all
