# One command per verb; CI calls the same ones. `make` alone lists them.
#
#   ARGS="..."       options for the verb's program: make train ARGS="--seed 3" (`python -m train --help` lists them)
#   VENV=            use the python3 on PATH as it is and install nothing (for a machine without a package index)
#   PYTHON=...       the interpreter that creates the environment, 3.11 or newer
#   TORCH_INDEX=...  where PyTorch for CPUs comes from, if it answers; empty: from the usual index

VENV        ?= .venv
PYTHON      ?= python3
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
EXTRA       := $(shell nvidia-smi >/dev/null 2>&1 && echo gpu || echo cpu)

PY     := $(if $(strip $(VENV)),$(VENV)/bin/python,$(PYTHON))
PIP     = $(PY) -m pip install $$(test -t 2 || echo -qq) --disable-pip-version-check --no-compile
LOCKED  = $(PIP) -c requirements.lock

# Python compiles what a verb imports when it runs for the first time, also where the environment forbids it: pip would compile
# four times as much, on one core. Only what starts often, gansample and the tests, is compiled in advance.
unexport PYTHONDONTWRITEBYTECODE
COMPILE = $(PY) -m compileall -qq -j 0 -x '/tests?/' $(VENV)/lib || true

N     ?= 64
OUT   ?= out/sample.png
SHARE ?= 0
PORT  ?= 8000
MINUTES ?= 5
ARGS  ?=

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup bindings lock train export sample demo space web-demo serve test test-gpu test-webgpu fuzz lint types check bench clean

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo 'Each takes options for its program: make train ARGS="--seed 3". What a verb needs is installed into .venv first.'

# What is installed, in steps: `draw` is the package with its engine, and each verb adds its dependency group of pyproject.toml.
ready = $(if $(strip $(VENV)),$(VENV)/.ready-$(1)-$(EXTRA))

setup: $(call ready,dev)  ## install everything now (each other verb installs what it needs by itself)

$(VENV)/.ready-pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is $$($(PYTHON) -V 2>&1), Python 3.11 or newer is needed: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@mkdir -p out  # where the examples of README write
	@$(LOCKED) --upgrade pip
	@touch $@

# $(call install,SET,WHAT IT IS FOR,ARGUMENTS OF PIP,COMMAND BEFORE): says how much is coming, by `make lock`, and how long it took.
define install
	@echo "Setting up $(2): up to $$(sed -n 's/^# $(1): //p' requirements.lock)$(if $(filter gpu,$(EXTRA)), and CUDA)"
	@start=$$(date +%s); $(4) $(LOCKED) $(3) && { $(if $(filter draw dev,$(1)),$(COMPILE);) wait; \
	  echo "Set up $(2) in $$(($$(date +%s) - start)) s"; }
	@touch $@
endef

# The usual index has PyTorch with CUDA. Where the one for CPUs does not answer within seconds, or lacks the version, it serves all the same.
TORCH_IS_HERE = $(PY) -c 'import importlib.metadata as m; assert "torch==" + m.version("torch").split("+")[0] + "\n" in open("requirements.lock")' \
  2>/dev/null
define torch-for-cpus
{ $(TORCH_IS_HERE) || { $(PY) -c 'import signal, sys, urllib.request as u; signal.alarm(4); u.urlopen(sys.argv[1], timeout=3)' \
	    $(TORCH_INDEX)/torch/ >/dev/null 2>&1 && echo "PyTorch for CPUs comes from $(TORCH_INDEX)" && \
	    $(LOCKED) --no-deps --index-url $(TORCH_INDEX) torch; } || \
	  { echo "Not from $(TORCH_INDEX): PyTorch comes from the usual index" && $(LOCKED) --no-deps torch; }; }
endef

$(VENV)/.ready-draw-$(EXTRA): pyproject.toml requirements.lock | $(VENV)/.ready-pip
	$(call install,draw,gansample,-e '.[$(EXTRA)]',$(if $(TORCH),$(TORCH) &))

# PyTorch is by far the largest: it comes beside gansample, if that has to be set up first (a target hands TORCH on to what it needs).
$(VENV)/.ready-export-$(EXTRA): TORCH = $(if $(and $(TORCH_INDEX),$(filter cpu,$(EXTRA))),$(torch-for-cpus))
$(VENV)/.ready-export-$(EXTRA): $(VENV)/.ready-draw-$(EXTRA)
	$(call install,export,train and export,--group export,$(if $(TORCH),$(TORCH);))

$(VENV)/.ready-serve-$(EXTRA): $(VENV)/.ready-draw-$(EXTRA)
	$(call install,serve,serve,--group serve)

$(VENV)/.ready-demo-$(EXTRA): $(VENV)/.ready-draw-$(EXTRA)
	$(call install,demo,demo,--group demo)

$(VENV)/.ready-dev-$(EXTRA): $(foreach set,export serve demo,$(VENV)/.ready-$(set)-$(EXTRA))
	$(call install,dev,tests and benchmarks,--group dev)

# TensorRT's and CUDA's Python bindings without their gigabytes of libraries, both majors side by side: tests check our calls
# against them on machines that have no GPU. And Triton's server itself, which NVIDIA ships inside of pytriton with its Python backend
# alone; that of this version reads NumPy 1. And KServe's published API, for its names. They stay outside of site-packages, so no install can meet them.
BINDINGS := $(if $(strip $(VENV)),$(VENV)/bindings,$(shell $(PYTHON) -c 'import sys; print(sys.prefix)')/bindings)

bindings: $(BINDINGS)/.ready  ## install what GPU code, Triton's models and manifests are tested against

$(BINDINGS)/.ready: tests/support/bindings.lock | $(call ready,draw)
	@$(PIP) --no-deps --upgrade --target $(BINDINGS)/tensorrt-10 \
	  $$(grep '^tensorrt.*==10' tests/support/bindings.lock)
	@$(PIP) --no-deps --upgrade --target $(BINDINGS)/tensorrt-11 \
	  $$(grep '^tensorrt.*==11' tests/support/bindings.lock)
	@$(PIP) --no-deps --upgrade --target $(BINDINGS)/cuda \
	  $$(grep '^cuda' tests/support/bindings.lock)
	@$(PIP) --no-deps --upgrade --target $(BINDINGS)/triton \
	  $$(grep '^nvidia-pytriton\|^numpy' tests/support/bindings.lock)
	@$(PIP) --no-deps --upgrade --target $(BINDINGS)/kserve \
	  $$(grep '^kserve' tests/support/bindings.lock)
	@touch $@

lock: $(call ready,dev)  ## write requirements.lock anew from what is installed
	@$(PY) -m tests.support.lock
	@$(PY) -m benchmarks.pages

train: $(call ready,export)  ## train a DCGAN on the embedded digits (at most 3 minutes on 2 cores)
	@$(PY) -m train $(ARGS)

export: $(call ready,export)  ## turn the newest training run into a verified bundle under artifacts/
	@$(PY) -m export $(if $(strip $(ARGS)),,--force) $(ARGS)

sample: $(call ready,draw)  ## draw N pictures into OUT (make sample N=16 OUT=few.png)
	@mkdir -p $(dir $(OUT))
	@$(PY) -m gansample --n $(N) --force $(ARGS) $(OUT)

demo: $(call ready,demo)  ## open the demo page (SHARE=1 for a public link)
	@$(PY) -m demo $(if $(filter 1,$(SHARE)),--share) $(ARGS)

space: $(call ready,demo)  ## write a Hugging Face Space into dist/space (BUNDLE=...)
	@$(PY) -m demo.space --force $(if $(BUNDLE),--bundle $(BUNDLE)) $(ARGS) dist/space

web-demo: $(call ready,demo)  ## write a page for any static host into dist/web-demo (BUNDLE=...)
	@$(PY) -m demo.web_demo --force $(if $(BUNDLE),--bundle $(BUNDLE)) $(ARGS) dist/web-demo

serve: $(call ready,serve)  ## answer HTTP requests on 127.0.0.1:8000 (PORT=...)
	@$(PY) -m gansample.cli.gan serve --port $(PORT) $(ARGS)

test: $(call ready,dev) $(if $(strip $(VENV)),$(BINDINGS)/.ready)  ## run the tests
	@OMP_NUM_THREADS=1 $(PY) -m pytest --numprocesses auto --dist loadfile $(ARGS)

fuzz: $(call ready,dev)  ## give every command odd files and words, for MINUTES in all
	@OMP_NUM_THREADS=1 $(PY) -m pytest tests/fuzz --minutes $(MINUTES) $(ARGS)

test-webgpu: $(call ready,dev)  ## draw on WebGPU, on a software adapter (SwiftShader, which Debian's chromium brings)
	@$(PY) -m pytest tests/webgpu $(ARGS)

# A variable, or its comma would end an argument of $(if).
TENSORRT := gansample[trt,rtx]

# Exit status 4 (make shows it as an error) says that something did not run: that is no pass.
test-gpu: $(call ready,export)  ## check and time every backend on this machine's GPU, PyTorch beside it: docs/gpu-report.md
	@$(if $(and $(strip $(VENV)),$(filter gpu,$(EXTRA))),$(LOCKED) '$(TENSORRT)')
	@$(if $(strip $(VENV)),,PYTHONPATH=.:serve) $(PY) -m benchmarks.gpu $(ARGS)

lint: $(call ready,dev)  ## check style and the import rules
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m ruff check --preview --select PLW1514 .    # text is opened with its encoding, whatever the locale
	@$(if $(strip $(VENV)),$(VENV)/bin/)hadolint deploy/Containerfile.*
	@PYTHONPATH=. $(PY) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'

types: $(call ready,dev)  ## check the types
	@$(PY) -m mypy

check: lint types  ## lint and types

bench: $(call ready,dev)  ## measure this project beside its peers on this machine
	@$(PY) -m benchmarks $(ARGS)

clean:  ## remove the environment and every cache (runs/ and artifacts/ stay)
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -rf serve/*.egg-info
