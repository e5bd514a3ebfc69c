# The two commands of the course are `make lab` and `make test`; `make help` lists them all.
# Each calls tools/make_venv.py first, which returns at once when .venv stands and was made from the present files.

ifeq ($(OS),Windows_NT)
PYTHON ?= python
SCRIPTS := Scripts
else
PYTHON ?= python3
SCRIPTS := bin
endif
BIN = .venv/$(SCRIPTS)

CHAPTERS := $(wildcard chapters/*.py)
NOTEBOOKS := $(wildcard chapters/*.ipynb solutions/*.ipynb)
# `make sync` rebuilds all pairs; `make sync FILES=chapters/02_q_learning.py` one.
FILES ?= $(CHAPTERS) $(wildcard solutions/*.py)
# Seconds for which anything is waited for, so that a kernel that hangs is not waited for for ever. Slower machines: CI_PATIENCE=3.
HANG = $(shell $(PYTHON) tests/patience.py)
# No state of widgets is stored, and an old one is cleared: it would be new bytes at each execution, and a slider without a kernel is of
# no use. Readers without one see the still picture under each panel.
EXECUTE = $(BIN)/jupyter nbconvert --log-level=ERROR --to notebook --execute --ExecutePreprocessor.timeout=$(HANG) \
	--ExecutePreprocessor.startup_timeout=$(HANG) --ExecutePreprocessor.iopub_timeout=$(HANG) \
	--ExecutePreprocessor.store_widget_state=False --ClearMetadataPreprocessor.enabled=True \
	--ClearMetadataPreprocessor.clear_cell_metadata=False \
	--ClearMetadataPreprocessor.preserve_nb_metadata_mask="{'jupytext', 'kernelspec', 'language_info'}"

# The course's arrays are small: sharing them out among threads costs more than it saves, ten times more on a busy machine.
export OMP_NUM_THREADS ?= 1

.PHONY: help venv lab test quick portable oldest newest fuzz course sync bench experiments lint clean
.DEFAULT_GOAL := help

help:  ## list these commands
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## /  make \1\t/'

venv:  ## make or update .venv (the other commands do this first)
	@$(PYTHON) tools/make_venv.py

# (Jupyter refuses to start for root unless told; containers often have no other user. The token stays on.)
lab: venv  ## open JupyterLab on the chapters
	$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) chapters

# ruff, then one pytest run over the tests and, strictly compared, over every chapter and solution. Two workers, each with whole files
# (--dist loadfile), or the cells of one notebook would be spread over several kernels; in the order given, so that the browser, which
# takes longest, is not left for the end. ruff's verdict is kept for the exit status, so that pytest's summary is the last word.
# How long they wait for what hangs, tests/patience.py says; the twenty slowest are listed.
PYTEST = $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder \
	--nbval --nbval-current-env --durations=20 tests $(NOTEBOOKS)
test: venv  ## run every check: ruff, the tests, the browser, the notebooks
	@$(BIN)/ruff check . ; lint=$$? ; $(PYTEST) && exit $$lint

# The same tests at the two ends of the ranges in pyproject.toml, each in an environment that is made afresh. Packages that HOLD names
# (a regular expression) stay at the version in constraints.txt: PyTorch, because PyPI's builds for Linux bring CUDA, gigabytes of it.
# (The oldest ipywidgets is Colab's, which goes with jupyterlab_widgets before 3; the browser's tests know the sliders of ipywidgets 8.)
# With PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu there is no need to: HOLD= tries its ends too, as the public tests do.
HOLD ?= torch
oldest: ENDS = sed -nE 's/^ *"([a-z0-9-]+)>=([0-9.]+)[",].*/\1==\2/p' pyproject.toml ; echo 'jupyterlab_widgets<3'
newest: ENDS = true
oldest newest: BIN = build/$@/$(SCRIPTS)
oldest:  ## the tests under the oldest versions that pyproject.toml admits
newest:  ## the tests under the newest versions that pyproject.toml admits
oldest newest:
	rm -rf build/$@ && $(PYTHON) -m venv build/$@
	{ { $(ENDS) ; } | grep -vE '^($(HOLD))==' ; grep -E '^($(HOLD))==' constraints.txt ; } > build/$@/constraints.txt ; cat build/$@/constraints.txt
	$(BIN)/python -m pip install --quiet -c build/$@/constraints.txt -e ".[test]"
	$(BIN)/python -m pip list
	$(PYTEST)
	$(if $(filter oldest,$@),$(BIN)/python -m pip install --quiet "ipywidgets>=8.1" && $(BIN)/python -m pytest tests/test_browser.py)

# No browser: what it checks has nothing to do with arithmetic. About as long as `make test` for each row of the table.
portable: venv  ## the tests and notebooks under other arithmetics, and a table of what fails
	$(BIN)/python tools/portable.py -n 2 --dist loadfile --no-loadscope-reorder --ignore=tests/test_browser.py \
		--nbval --nbval-current-env tests $(NOTEBOOKS)

quick: venv  ## run the checks of code alone: ruff, and the tests that need no notebook, browser or training
	@$(BIN)/ruff check .
	@$(BIN)/python -m pytest -q -n 2 -m "not slow" --durations=20 tests

fuzz: venv  ## the fuzzers of the tests, with all their cases
	DISTRAL_LITE_FUZZ=1 $(BIN)/python -m pytest -n 2 -m fuzz tests

course: venv  ## execute every chapter in a scratch folder, printing its seconds
	@rm -rf build/course && mkdir -p build/course
	@for script in $(CHAPTERS) ; do \
		notebook=$${script%.py}.ipynb ; start=$$(date +%s) ; \
		$(EXECUTE) --output-dir build/course $$notebook || exit 1 ; \
		echo "$$(( $$(date +%s) - start )) s  $$notebook" ; \
	done

# The script is the source: touched, so that jupytext takes the text from it whatever the clock says of the two files.
sync: venv  ## rebuild and execute the notebooks from their scripts
	@touch -c $(FILES)
	$(BIN)/jupytext --quiet --sync --set-kernel python3 $(FILES)
	$(EXECUTE) --inplace --ExecutePreprocessor.record_timing=False $(FILES:.py=.ipynb)

bench: venv  ## print measured ratios (installs Stable-Baselines3 to compare with)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[bench]"
	$(BIN)/python benchmarks/dqn_speed.py --threads 2
	$(BIN)/python benchmarks/distral_speed.py --threads 2
	$(BIN)/python benchmarks/solve.py

# Jobs that are done are not done again: killed, interrupted or short of disk, the same command goes on. SEEDS=2 tries it; NAMES="d2-sql-45
# lowbeta-1" or NAMES=distral_sql runs a part; SCHEDULER=tcp://... sends the jobs to a Dask cluster (pip install -e .[cluster] there too).
SEEDS ?= 20
experiments: venv  ## redo the thesis's whole programme in results/ (hours; resumes), then print its verdicts
	$(BIN)/python -m distral_lite.experiments run $(NAMES) --seeds $(SEEDS) --out results $(if $(SCHEDULER),--scheduler $(SCHEDULER))
	$(BIN)/python -m distral_lite.experiments report --seeds $(SEEDS) --out results

lint: venv  ## ruff alone
	$(BIN)/ruff check .

clean:  ## remove .venv, scratch folders and caches
	rm -rf .venv build .pytest_cache .ruff_cache *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} + -o -name .ipynb_checkpoints -prune -exec rm -rf {} +
