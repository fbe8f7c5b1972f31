# Two commands do everything: `make demo` and `make test`.
VENV ?= .venv
PYTHON ?= python3
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check
# modules are compiled when they are first imported: most of what is installed never is
INSTALL = $(PIP) install --quiet --no-compile --constraint constraints.txt
unexport PYTHONDONTWRITEBYTECODE
DEMO ?= demo
WORKERS ?= 2

.PHONY: demo test tests lint docs clean
.DELETE_ON_ERROR:

demo: $(VENV)/.core          ## install, simulate a study, analyse it
	$(BIN)/b2m demo $(DEMO)

test:                        ## install everything, check the code and run all tests at the same time
	$(MAKE) --jobs 2 $(VENV)/.all
	$(MAKE) --jobs 2 tests lint

tests: $(VENV)/.all
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.all
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.all          ## the documentation, offline; a warning is an error
	$(BIN)/python -m sphinx --fail-on-warning --keep-going -q -b html docs docs/_build/html
	@echo docs/_build/html/index.html

$(VENV)/.pip:
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or newer is needed"'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet 'pip>=25.1'
	touch $@

$(VENV)/.torch: $(VENV)/.pip
	$(INSTALL) 'torch==2.13.0'   # first and exact: any other version brings gigabytes of CUDA packages
	touch $@

$(VENV)/.core: $(VENV)/.torch pyproject.toml constraints.txt
	$(INSTALL) --editable .
	touch $@

# pycortex bakes the building environment's paths into its wheel, so a cached wheel of it must not be used
$(VENV)/.pycortex: $(VENV)/.pip
	$(PIP) wheel --quiet --constraint constraints.txt --no-cache-dir --no-deps --wheel-dir $@ pycortex

$(VENV)/.all: $(VENV)/.torch $(VENV)/.pycortex pyproject.toml constraints.txt
	$(INSTALL) --group dev --editable '.[all]' $(VENV)/.pycortex/*.whl
	touch $(VENV)/.core $@

clean:                       ## remove the environment and the demo
	rm -rf $(VENV) $(DEMO) docs/_build docs/api docs/tutorials docs/commands.md docs/results_folder.md
