.PHONY: setup demo test lint bench bench-overhead bench-model bench-folds bench-data bench-report calibration bench-race faults soak fuzz twins lock licences audit clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed; name one with make PYTHON=/path/to/python3 ..."; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY)  ## The main job: which input streams does MADV-Net need?
	@$(BIN)/madv sweep sweeps/ablate_streams.yaml

test: $(READY)
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(READY)  ## Figures, not tests: prints ratios and times of this machine.
	$(BIN)/python -m tests.bench
	$(BIN)/python -m tests.bench.overhead

bench-overhead: $(READY)  ## What the engine costs beside training: against three plain ways, and at 10,000 cells.
	$(BIN)/python -m tests.bench.overhead

bench-model: $(READY)  ## MADV-Net beside VideoMAE-B: a training step and an inference clip.
	$(BIN)/python -m tests.bench.model

bench-folds: $(READY)  ## Folds side by side as one program against one after the other; meant for a GPU.
	$(BIN)/python -m tests.bench.folds

bench-data: $(READY)  ## Preparing a data set (share of JPEG decoding), opening its cache, reading it in training.
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.bench.data

bench-report: $(READY)  ## The report of 64 variants x 5 seeds x 68 subjects: seconds, memory, size.
	$(BIN)/python -m tests.bench.report

bench-race: $(READY)  ## Racing against the same search without it, simulated; REAL=1: once on the demo data, half an hour.
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.bench.race $(if $(REAL),--real) $(if $(TRIALS),--trials $(TRIALS))

calibration: $(READY)  ## Simulated studies: false alarms, coverage of intervals, power.
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.bench.calibration

faults: $(READY)  ## Slow, an hour: everything is killed, filled, locked and lost that can be; prints what it cost.
	MADV_FAULTS=full $(BIN)/python -m pytest tests/faults tests/e2e/test_two_nodes.py tests/e2e/test_odd_places.py \
		tests/orchestration/test_broken_cells.py tests/orchestration/test_bad_numbers.py

soak: $(READY)  ## Half an hour of the demo's sweep: memory and open files of its processes, drawn.
	MADV_SOAK=30 $(BIN)/python -m pytest -s tests/faults/test_soak.py

fuzz: $(READY)  ## Slow, a quarter of an hour: 20,000 hostile inputs of all kinds; N=... of them, SEED=... repeats a run.
	MADV_FUZZ=$(or $(N),20000) $(if $(SEED),MADV_FUZZ_SEED=$(SEED)) $(BIN)/python -m pytest tests/fuzz

twins: $(READY)  ## Slow: the four data sets from their annotation files (ANNOTATIONS=folder) to a score, on twins.
	$(BIN)/python -m tests.bench.twins $(if $(ANNOTATIONS),--annotations $(ANNOTATIONS))

lock:  ## Pin what is installed now.
	$(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' > requirements.lock

licences: $(READY)  ## docs/licences.md: what the locked packages say of theirs.
	$(BIN)/python tests/licences.py

audit:  ## Known vulnerabilities of the locked packages, by pip-audit in build/audit.
	@test -x build/audit/bin/pip-audit || { $(PYTHON) -m venv build/audit && \
		build/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit; }
	@$(PYTHON) tests/audit.py build/audit/bin/pip-audit

clean:
	rm -rf $(VENV) build store reports mlflow.db mlartifacts
