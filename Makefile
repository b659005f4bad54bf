# One command per verb; CI calls the same ones. `make` alone lists them.
#
#   VENV=          use the python3 on PATH as it is and install nothing (for a machine without a package index)
#   PYTHON=...     the interpreter that creates the environment, 3.11 or newer

VENV   ?= .venv
PYTHON ?= python3
EXTRA  := $(shell nvidia-smi >/dev/null 2>&1 && echo gpu || echo cpu)

ifeq ($(strip $(VENV)),)
PY    := $(PYTHON)
READY :=
else
PY    := $(VENV)/bin/python
READY := $(VENV)/.ready-$(EXTRA)
endif

N     ?= 64
OUT   ?= out.png
SHARE ?= 0
PORT  ?= 8000

.DEFAULT_GOAL := help
.PHONY: help setup bindings lock train export sample demo space web-demo serve test test-gpu lint types check bench clean

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## create .venv with the locked versions (every other command does this by itself)

$(VENV)/.ready-$(EXTRA): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is $$($(PYTHON) -V 2>&1), Python 3.11 or newer is needed: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Setting up $(VENV) ($(EXTRA)): a few minutes the first time"
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install -qq --disable-pip-version-check --upgrade -c requirements.lock pip
	@$(PY) -m pip install -qq -c requirements.lock --group dev -e '.[$(EXTRA)]'
	@touch $@

# TensorRT's and CUDA's Python bindings without their gigabytes of libraries, both majors side by side: tests check our calls
# against them on machines that have no GPU. And Triton's server itself, which NVIDIA ships inside of pytriton with its Python backend
# alone; that of this version reads NumPy 1. And KServe's published API, for its names. They stay outside of site-packages, so no install can meet them.
BINDINGS := $(if $(strip $(VENV)),$(VENV)/bindings,$(shell $(PYTHON) -c 'import sys; print(sys.prefix)')/bindings)

bindings: $(BINDINGS)/.ready  ## install what GPU code, Triton's models and manifests are tested against

$(BINDINGS)/.ready: tests/support/bindings.lock | $(READY)
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $(BINDINGS)/tensorrt-10 \
	  $$(grep '^tensorrt.*==10' tests/support/bindings.lock)
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $(BINDINGS)/tensorrt-11 \
	  $$(grep '^tensorrt.*==11' tests/support/bindings.lock)
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $(BINDINGS)/cuda \
	  $$(grep '^cuda' tests/support/bindings.lock)
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $(BINDINGS)/triton \
	  $$(grep '^nvidia-pytriton\|^numpy' tests/support/bindings.lock)
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $(BINDINGS)/kserve \
	  $$(grep '^kserve' tests/support/bindings.lock)
	@touch $@

lock: $(READY)  ## write requirements.lock anew from what is installed
	$(PY) -m pip freeze --all --exclude-editable | sed 's/+cpu$$//' | grep -v '^setuptools==' > requirements.lock

train: $(READY)  ## train a DCGAN on the embedded digits (at most 3 minutes on 2 cores)
	@$(PY) -m train

export: $(READY)  ## turn the newest training run into a verified bundle under artifacts/
	@$(PY) -m export --force

sample: $(READY)  ## draw N pictures into OUT (make sample N=16 OUT=few.png)
	@$(PY) -m gansample --n $(N) --force $(OUT)

demo: $(READY)  ## open the demo page (SHARE=1 for a public link)
	@$(PY) -m demo $(if $(filter 1,$(SHARE)),--share)

space: $(READY)  ## write a Hugging Face Space into dist/space (BUNDLE=...)
	@$(PY) -m demo.space --force $(if $(BUNDLE),--bundle $(BUNDLE)) dist/space

web-demo: $(READY)  ## write a page for any static host into dist/web-demo (BUNDLE=...)
	@$(PY) -m demo.web_demo --force $(if $(BUNDLE),--bundle $(BUNDLE)) dist/web-demo

serve: $(READY)  ## answer HTTP requests on 127.0.0.1:8000 (PORT=...)
	@$(PY) -m gansample.cli.gan serve --port $(PORT)

test: $(READY) $(if $(strip $(VENV)),$(BINDINGS)/.ready)  ## run the tests
	@OMP_NUM_THREADS=1 $(PY) -m pytest --numprocesses auto --dist loadfile

# Exit status 4 (make shows it as an error) says that something did not run: that is no pass.
test-gpu: $(READY)  ## check and time every backend on this machine's GPU, write docs/gpu-report.md
	@$(if $(and $(strip $(VENV)),$(filter gpu,$(EXTRA))),$(PY) -m pip install --quiet --disable-pip-version-check -e '.[trt]')
	@$(PY) -m gansample.cli.gan verify $(BUNDLE) --report docs/gpu-report.md

lint: $(READY)  ## check style and the import rules
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(if $(strip $(VENV)),$(VENV)/bin/)hadolint deploy/Containerfile.*
	@PYTHONPATH=. $(PY) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'

types: $(READY)  ## check the types
	@$(PY) -m mypy

check: lint types  ## lint and types

bench: $(READY)  ## measure this project beside its peers on this machine
	@$(PY) -m benchmarks $(if $(WEIGHTS),--weights $(WEIGHTS))
	@$(PY) -m benchmarks.training
	@$(PY) -m benchmarks.sampling $(if $(WEIGHTS),--weights $(WEIGHTS))
	@$(PY) -m benchmarks.service $(if $(PEERS),--peers $(PEERS))
	@$(PY) -m benchmarks.scale
	@$(PY) -m benchmarks.readme

clean:  ## remove the environment and every cache (runs/ and artifacts/ stay)
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -rf serve/*.egg-info
