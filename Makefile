# Podium's commands. `make` lists them. Each step stops the whole at its first failure, and none of them hides its
# output or its exit status.

CARGO  ?= cargo
# The system's, by its path: the one that sandboxes and evaluators run. A version manager may have another on PATH.
PYTHON := /usr/bin/python3
# What `make image` starts from; any image with bubblewrap and Python, or a Debian that can install them.
BASE   ?=
IMAGE  ?= podium:dev
SFTP_IMAGE ?= podium-sftp:dev

# rustup's folder is on PATH only after a new login. At the end, so that whoever chose another cargo keeps it.
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin
# Tests must leave the tree as they found it.
export PYTHONDONTWRITEBYTECODE := 1

# `make` under another name: a line that says `$(MAKE)` is run even where it is only to be shown.
AGAIN := $(MAKE)

# What did not run is said last, where it is read.
SAY_WITHOUT_RUNSC = test ! -e target/runsc-cannot-run-here || printf 'NOT RUN: the attacks over gVisor: %s\n' "$$(cat target/runsc-cannot-run-here)"

.DEFAULT_GOAL := help
# The steps of `make test` share one build folder and one terminal.
.NOTPARALLEL:
.PHONY: help setup build client demo test attacks lint bench screenshots image clean ready test-evaluators test-rust test-deploy

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what building, the demo and the tests need (Debian packages, test images)
	@scripts/setup test

build: ## compile target/release/podium
	$(CARGO) build --release --locked

# With the target named, what runs while compiling is left as it is.
client: HOST = $(shell rustc -vV | sed -n 's/^host: //p')
client: ## compile target/podium-submit: one static file for students' machines
	RUSTFLAGS='-C target-feature=+crt-static' $(CARGO) build --profile client --locked --bin podium-submit --target $(HOST)
	cp target/$(HOST)/client/podium-submit target/podium-submit

demo: ## a competition in a fresh folder, judged before your eyes
	@scripts/setup demo
	@scripts/demo

test: ready lint test-evaluators test-rust test-deploy ## the whole gate: format, lints, dependencies, every test
	@printf '\n== everything that ran has passed ==\n'
	@cat target/advisories-not-checked 2>/dev/null || true
	@$(SAY_WITHOUT_RUNSC)

attacks: ## what programs do to get out of each sandbox engine, and a table of what held
	@scripts/setup test
	@$(CARGO) test --locked --test attacks

lint: ## format, clippy, shellcheck and dependencies only
	@printf '\n== cargo fmt ==\n'
	@$(CARGO) fmt --check
	@printf '\n== shellcheck ==\n'
	@find scripts .ci deploy tests/deploy -type f -exec awk 'FNR == 1 && /^#!.*sh/ { print FILENAME }' {} + | sort | xargs shellcheck --external-sources
	@printf '\n== cargo clippy ==\n'
	@$(CARGO) clippy --all-targets --locked -- -D warnings
	@printf '\n== cargo deny ==\n'
	@scripts/check-dependencies

bench: ## measure judging on this machine
	@scripts/setup demo
	@scripts/bench

screenshots: ## draw the pictures of docs/screenshots/ anew, in a real browser
	@scripts/setup test
	@$(CARGO) test --locked --test screenshots

image: build ## build Podium's own Docker images, the daemon and the SFTP door (BASE=... to start from another image)
	docker build --target daemon --tag $(IMAGE) $(if $(BASE),--build-arg BASE=$(BASE)) .
	docker build --target sftp --tag $(SFTP_IMAGE) $(if $(BASE),--build-arg BASE=$(BASE)) .

clean: ## delete what was compiled
	$(CARGO) clean

# --- the steps of `make test` that are of no use alone -----------------------------------------------------------------

ready:
	@printf '== setup ==\n'
	@scripts/setup test

test-evaluators:
	@printf '\n== evaluator tests ==\n'
	@$(PYTHON) -m unittest discover -s tests/agv

# Every test program runs, also after one that failed: one run tells all that is wrong. Tests wait a lot; in the time of the processor that they
# leave, and in no other, the release is compiled that the next step deploys.
test-rust:
	@printf '\n== cargo test ==\n'
	@$(CARGO) test --locked --no-run
	@chrt --idle 0 $(AGAIN) build client >target/meanwhile.log 2>&1 & release=$$!; \
		trap 'kill $$release 2>/dev/null; exit 130' INT TERM; \
		$(CARGO) test --locked --no-fail-fast || { status=$$?; kill $$release 2>/dev/null; exit $$status; }

# The release, as it would be deployed: image, compose, systemd, web servers, backup. What goes wrong with its compilation is said here: where it has
# ended, this does nothing, and where it has not, this waits for it.
test-deploy: build client
	@printf '\n== deployment tests ==\n'
	@PODIUM=target/release/podium tests/deploy/run
