# duramesh: an analog-AI inference chip, described and co-simulated. `make help` lists what there is.

PYTHON ?= python3
VENV   ?= .venv
BUILD  ?= build
REPORT ?= reports/kws
# Options handed on to the command, e.g. make kws ARGS="--clips 12 --json result.json"
ARGS   ?=

# Recipes read names of files from the environment: blanks and quotes in them are nobody's syntax there.
export PYTHON VENV BUILD REPORT SPEECH_COMMANDS LIBRISPEECH RNNT_CHECKPOINT ALBERT GLUE
# Modules and not the commands beside them, which name the folder that they were installed in: it may have been moved.
RUN      := "$$VENV/bin/python" -m
DURAMESH := $(RUN) cosim.cli
INSTALL  := $(RUN) pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable
# Data set in the standard Speech Commands layout; without one, speech is synthesised.
AUDIO    := $${SPEECH_COMMANDS:+--audio "$$SPEECH_COMMANDS"}
empty    :=
STAMPS   := $(subst $(empty) ,\ ,$(VENV))

.DEFAULT_GOAL := help
.PHONY: help venv kws rnnt albert sim bench figures test versions oldest long verify formal mutate spice verilog synth docs lint clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "  SPEECH_COMMANDS=DIR make kws     the same on the standard data set"
	@echo "  RNNT_CHECKPOINT=rnnt.pt LIBRISPEECH=DIR make rnnt   MLPerf's network on its data: docs/rnnt.md"
	@echo "  ALBERT=DIR GLUE=DIR make albert  a tuned ALBERT-base on GLUE: docs/albert.md"
	@echo "  WAVES=1 make kws                 also write a waveform trace"

# Two stamps: running the chip needs less than developing it.
$(STAMPS)/.runtime: pyproject.toml constraints.txt
	@"$$PYTHON" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' || \
	  { echo "duramesh needs Python 3.11 to 3.14, but $$PYTHON is $$("$$PYTHON" -V 2>&1); set PYTHON=..." >&2; exit 1; }
	@echo "setting up $$VENV (about a minute, once)"
	@"$$PYTHON" -m venv "$$VENV"
	@$(INSTALL) .
	@touch "$$VENV/.runtime"

$(STAMPS)/.dev: $(STAMPS)/.runtime
	@echo "adding the development tools"
	@$(INSTALL) '.[dev]'
	@touch "$$VENV/.dev"

venv: $(STAMPS)/.dev ## set up the virtual environment with the development tools

kws: $(STAMPS)/.runtime ## classify spoken words on the simulated chip
	@$(DURAMESH) kws $(AUDIO) --report "$$REPORT" $(ARGS)

albert: $(STAMPS)/.runtime ## judge sentences with ALBERT on one chip, ALBERT=DIR GLUE=DIR
	@test -n "$$ALBERT" -a -n "$$GLUE" || \
	  { echo "ALBERT=DIR, a Hugging Face folder of an ALBERT-base tuned on SST-2, and GLUE=DIR, with SST-2/dev.tsv: docs/albert.md" >&2; exit 1; }
	@$(INSTALL) '.[networks,compile]'
	@$(DURAMESH) albert run --model "$$ALBERT" --data "$$GLUE" $(ARGS)

rnnt: $(STAMPS)/.runtime ## transcribe sentences on simulated chips: synthesised ones with the network that comes along
	@$(INSTALL) ".[speech$${RNNT_CHECKPOINT:+,train}]"
	@$(DURAMESH) rnnt run $(AUDIO) $${LIBRISPEECH:+--audio "$$LIBRISPEECH"} $(ARGS)

sim: $(STAMPS)/.dev ## run every co-simulation of the RTL
	@$(RUN) pytest -m "cosimulation and not long"

bench: $(STAMPS)/.runtime ## measure RTL, bare model, twin and numpy on the same work
	@$(DURAMESH) bench --report reports/benchmark $(ARGS)

figures: $(STAMPS)/.runtime ## characterise the chip: figures beside the papers' numbers, on one page
	@$(DURAMESH) figures $(AUDIO) $(ARGS)

test: $(STAMPS)/.dev ## run all tests that take less than a minute: 15 to 25 minutes on two cores
	@echo "about 4,300 tests: 15 to 25 minutes on two cores, and some more the first time, to build simulators"
	@$(RUN) pytest -n 2 --dist loadgroup --max-worker-restart 0 -m "not long"

versions: $(STAMPS)/.dev ## run the unit tests on every Python from 3.11 on that is installed
	@$(RUN) nox --session units

oldest: $(STAMPS)/.dev ## run the built wheel with the oldest dependencies that it admits
	@$(RUN) nox --session oldest

long: $(STAMPS)/.dev ## run the tests that take minutes
	@$(RUN) pytest -m long

verify: $(STAMPS)/.runtime ## compare the RTL with the golden model on 500 random experiments
	@$(DURAMESH) verify --experiments 500 --packets 1000 --complete --json "$$BUILD/verify.json" --save "$$BUILD/failing" $(ARGS)

formal: $(STAMPS)/.dev ## prove the RTL right, unit by unit
	@$(RUN) tests.formal --jobs 2

mutate: $(STAMPS)/.dev ## break the RTL in ten ways, and see that proofs or tests notice
	@$(RUN) tests.formal.mutate

verilog: $(STAMPS)/.runtime ## write the chip's Verilog to build/verilog
	@$(DURAMESH) verilog --out "$$BUILD/verilog" $(ARGS)

synth: $(STAMPS)/.dev ## what every unit becomes in gates; also docs/synthesis.md, with the small chip on an FPGA
	@$(INSTALL) '.[fpga]'
	@$(RUN) rtl.synthesis_page --out docs/synthesis.md

spice: $(STAMPS)/.runtime ## compare the analog models with ngspice, where it is installed; also docs/spice.md
	@$(RUN) cosim.verification.spice_page --out docs/spice.md

docs: $(STAMPS)/.runtime ## regenerate the pages that come from the code
	@$(RUN) rtl.docs
	@$(RUN) tests.directed.catalogue
	@$(RUN) cosim.figures.evidence
	@$(RUN) cosim.figures.tutorial
	@$(RUN) cosim.graph.operators_page --out docs/operators.md
	@$(RUN) cosim.workloads.predictions.page
	@$(RUN) cosim.sweep.page

lint: $(STAMPS)/.dev ## check style, types, those that a user sees, and the direction of imports
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) mypy rtl analog_models cosim
	@$(RUN) mypy --strict --config-file= --follow-imports=silent tests/typing/user_script.py
	@"$$VENV/bin/python" "$$VENV/bin/lint-imports" --no-cache --no-logo

clean: ## remove everything that can be made again (not the simulator cache)
	rm -rf "$$VENV" "$$BUILD" reports *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .nox
