# duramesh: an analog-AI inference chip, described and co-simulated. `make help` lists what there is.

PYTHON ?= python3
VENV   ?= .venv
BUILD  ?= build
REPORT ?= reports/kws
# Options handed on to `duramesh kws`, e.g. make kws ARGS="--clips 12 --json result.json"
ARGS   ?=

BIN    := $(VENV)/bin
# Data set in the standard Speech Commands layout; without one, speech is synthesised.
ifdef SPEECH_COMMANDS
AUDIO  := --audio "$(SPEECH_COMMANDS)"
endif

.DEFAULT_GOAL := help
.PHONY: help venv kws sim bench figures test long verify formal mutate spice verilog synth docs lint clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  SPEECH_COMMANDS=DIR make kws     the same on the standard data set"
	@echo "  WAVES=1 make kws                 also write a waveform trace"

# Two stamps: running the chip needs less than developing it.
$(VENV)/.runtime: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
	  { echo "duramesh needs Python 3.11 to 3.13, but $(PYTHON) is $$($(PYTHON) -V); set PYTHON=..." >&2; exit 1; }
	@echo "setting up $(VENV) (about a minute, once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime
	@echo "adding the development tools"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

venv: $(VENV)/.dev ## set up the virtual environment with the development tools

kws: $(VENV)/.runtime ## classify spoken words on the simulated chip
	@$(BIN)/duramesh kws $(AUDIO) --report $(REPORT) $(ARGS)

sim: $(VENV)/.dev ## run every co-simulation of the RTL
	@$(BIN)/python -m pytest -m "cosimulation and not long"

bench: $(VENV)/.runtime ## measure RTL, bare model, twin and numpy on the same work
	@$(BIN)/duramesh bench --report reports/benchmark $(ARGS)

figures: $(VENV)/.runtime ## characterise the chip: figures beside the papers' numbers, on one page
	@$(BIN)/duramesh figures $(AUDIO) $(ARGS)

test: $(VENV)/.dev ## run all tests that take less than a minute
	@$(BIN)/python -m pytest -n 2 --dist loadgroup --max-worker-restart 0 -m "not long"

long: $(VENV)/.dev ## run the tests that take minutes
	@$(BIN)/python -m pytest -m long

verify: $(VENV)/.runtime ## compare the RTL with the golden model on 500 random experiments
	@$(BIN)/duramesh verify --experiments 500 --packets 1000 --complete --json $(BUILD)/verify.json --save $(BUILD)/failing $(ARGS)

formal: $(VENV)/.dev ## prove the RTL right, unit by unit
	@$(BIN)/python -m tests.formal --jobs 2

mutate: $(VENV)/.dev ## break the RTL in ten ways, and see that proofs or tests notice
	@$(BIN)/python -m tests.formal.mutate

verilog: $(VENV)/.runtime ## write the chip's Verilog to build/verilog
	@$(BIN)/duramesh verilog --out $(BUILD)/verilog $(ARGS)

synth: $(VENV)/.dev ## what every unit becomes in gates; also docs/synthesis.md, with the small chip on an FPGA
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[fpga]'
	@$(BIN)/python -m rtl.synthesis_page --out docs/synthesis.md

spice: $(VENV)/.runtime ## compare the analog models with ngspice, where it is installed; also docs/spice.md
	@$(BIN)/python -m cosim.verification.spice_page --out docs/spice.md

docs: $(VENV)/.runtime ## regenerate the pages that come from the code
	@$(BIN)/python -m rtl.docs
	@$(BIN)/python -m tests.directed.catalogue
	@$(BIN)/python -m cosim.figures.evidence

lint: $(VENV)/.dev ## check style, types and the direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy rtl analog_models cosim
	@$(BIN)/lint-imports --no-cache --no-logo

clean: ## remove everything that can be made again (not the simulator cache)
	rm -rf $(VENV) $(BUILD) reports *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
