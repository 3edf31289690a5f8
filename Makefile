# `make run` answers questions about a book, `make test` runs the tests; `make help` lists all.

BOOK ?= docs
PORT ?= 7860
WORKERS ?= 2
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PIP = .venv/bin/python -m pip install --disable-pip-version-check --no-deps
export PORT

.PHONY: help run ingest test test-slow test-servers lint format lock openapi lambda sbom audit bench bench-retrieval pictures clean

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 18

run: .venv/ready ## answer questions about BOOK (a folder or address; docs if unset) on PORT
	@.venv/bin/python ingest.py "$(BOOK)"
	@exec .venv/bin/python router.py

ingest: .venv/ready ## bring the index up to date with BOOK
	@.venv/bin/python ingest.py "$(BOOK)"

# The browser's driver keeps an event loop in the main thread to the end of its process: its
# tests need a process of their own.
test: .venv/ready-dev ## the whole suite but its slow part
	.venv/bin/python -m pytest -n $(WORKERS) --dist loadfile -m "not slow" --ignore tests/browser
	.venv/bin/python -m pytest -n $(WORKERS) --dist loadfile -m "not slow" tests/browser

test-slow: .venv/ready-dev ## the part of the suite that takes minutes
	.venv/bin/python -m pytest -n $(WORKERS) --dist loadfile -m slow --ignore tests/browser
	.venv/bin/python -m pytest -n $(WORKERS) --dist loadfile -m slow tests/browser

test-servers: .venv/ready-dev ## the adapters on the servers at QDRANT_TEST_URL, POSTGRES_TEST_URL
	.venv/bin/python -m pytest tests/adapters/test_qdrant*.py tests/adapters/test_real_books.py \
		tests/adapters/test_postgres*.py tests/conversations

lint: .venv/ready-dev ## style and strict types
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

format: .venv/ready-dev ## rewrite to the common style
	.venv/bin/ruff check --fix-only --quiet .
	.venv/bin/ruff format .

lock: .venv/ready-dev ## pin what the *.in files ask for, with hashes
	@for name in requirements requirements-embedded requirements-dev; do \
		.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
			--no-emit-index-url --no-header $(LOCK) $$name.in -o $$name.txt || exit 1; done

openapi: .venv/ready-dev ## write client/openapi.json and client/types.ts
	.venv/bin/python client/generate.py

lambda: .venv/ready-dev ## build/lambda-arm64.zip for AWS Lambda
	.venv/bin/python deploy/lambda_zip.py

sbom: .venv/ready-dev ## build/sbom.json (CycloneDX) and build/licences.md of what is shipped
	.venv/bin/python deploy/sbom.py sbom

audit: .venv/ready-dev ## known vulnerabilities of the pinned packages, where osv.dev can be reached
	.venv/bin/python deploy/sbom.py audit

bench: .venv/ready-dev ## speed and memory beside the floor; ONLY=cold,overhead for some
	@BOOKS=$(BOOKS) QUESTIONS=$(QUESTIONS) .venv/bin/python -m bench $(ONLY)

bench-retrieval: .venv/ready-dev ## quality of retrieval on the test sets in RETRIEVAL_SETS
	.venv/bin/python bench/retrieval.py

pictures: .venv/ready-dev ## the pictures in docs/images, taken in Chromium
	@.venv/bin/python -m bench.pictures

clean: ## remove what the other commands made, the index and the history included
	rm -rf .venv .data .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed: https://www.python.org/downloads/"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/ready: .venv/bin/python requirements.txt requirements-embedded.txt
	@echo "Installing the pinned packages into .venv (about a minute, once) …"
	@$(PIP) -r requirements.txt -r requirements-embedded.txt
	@touch $@

.venv/ready-dev: .venv/ready requirements-dev.txt
	@echo "Installing the tools of the tests (once) …"
	@$(PIP) -r requirements-dev.txt
	@touch $@
