# Everything runs in .venv, made from PyPI packages. Needs Python 3.11+, g++, make, perl.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= build/demo

.PHONY: demo test check-all lint clean

demo: $(VENV)/installed
	$(BIN)/hnlpu demo -o $(OUT) --force

test: $(VENV)/installed-dev lint
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not slow"

check-all: $(VENV)/installed-dev lint
	$(BIN)/python -m pytest -q -n 2 --dist worksteal --durations=10

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

# Strict editable mode links every file, so that type checkers see the mapped folders; a folder is newer
# when a file was added.
$(VENV)/installed-dev: pyproject.toml hnlpu rtl sim layout costmodel verification reports | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' --config-settings editable_mode=strict
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; } \
	  || echo "chromium is not installed: the test of the cost page will be skipped"
	@{ command -v sta && [ -e /usr/share/qflow/tech/osu018/osu018_stdcells.lib ]; } >/dev/null || { [ "$$(id -u)" = 0 ] \
	  && command -v apt-get >/dev/null && apt-get update -qq \
	  && apt-get install -y -qq --no-install-recommends opensta qflow-tech-osu018 >/dev/null; } \
	  || echo "opensta or qflow-tech-osu018 is not installed: tests of timing will be skipped"
	@command -v ccache >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && apt-get install -y -qq --no-install-recommends ccache >/dev/null; } \
	  || echo "ccache is not installed: every simulation compiles Verilator's runtime again"
	touch $@ $(VENV)/installed

clean:
	rm -rf build $(VENV) .mypy_cache .ruff_cache .pytest_cache
