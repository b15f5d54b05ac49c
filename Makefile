# Each target does its own set-up in .venv the first time; later ones start at once.
# Another Python: make run PYTHON=python3.12

ifndef PYTHON
PYTHON := $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; exit; }; \
	done; echo python3)
endif
VENV := .venv/bin
SETUP = @$(PYTHON) tools/setup.py
ARGS ?=
PYTEST_ARGS ?=
BENCH_ARGS ?=
CHAOS_ARGS ?=
SOAK_ARGS ?=
FUZZ_ARGS ?=

.PHONY: help run install test coverage bench chaos fuzz soak bench-cluster bench-gui screens networks-table formats-table docs docs-figures imports-drawing lint constraints clean
.NOTPARALLEL:
.DEFAULT_GOAL := help

help: ## say what there is
	@sed -n 's/^\([a-z-]*\): ## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

run: ## open Pareidolia; without a display it draws the demo pictures into out/ (ARGS="style-transfer ..." for a command)
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ] || [ "$$(uname)" = Darwin ]; then \
		$(PYTHON) tools/setup.py --qt; \
	else \
		[ -n "$(ARGS)" ] || echo "No display here (DISPLAY and WAYLAND_DISPLAY are empty): drawing pictures into out/ instead."; \
		$(PYTHON) tools/setup.py; \
	fi
	@$(VENV)/python main.py $(ARGS)

install: ## set up .venv with everything, and the command .venv/bin/pareidolia
	$(SETUP) --editable --extra video --qt
	@echo "Ready: .venv/bin/pareidolia --help"

# All of them by several processes of one thread each: most tests are too small for PyTorch's threads.
# Were a process that crashes replaced, the others might wait for it without end.
# The slow ones are run by PYTEST_ARGS="-m slow": all together take longer than anybody waits.
ALL_TESTS := -m "not slow" -n logical --maxprocesses 4 --dist loadfile --max-worker-restart 0
test: ## run the tests (PYTEST_ARGS="-k gram -x" to choose)
	$(SETUP) --extra test --extra video --extra docs --qt
	@export QT_QPA_PLATFORM=offscreen $(if $(strip $(PYTEST_ARGS)),,OMP_NUM_THREADS=1); \
		$(VENV)/python -m pytest $(or $(strip $(PYTEST_ARGS)),$(ALL_TESTS))

coverage: ## say for each folder which lines the tests run (PYTEST_ARGS="tests/engine/objectives" for some tests)
	$(SETUP) --extra test --extra video --extra docs --qt
	@export QT_QPA_PLATFORM=offscreen OMP_NUM_THREADS=1; \
		$(VENV)/python -m pytest --cov --cov-report= $(or $(strip $(PYTEST_ARGS)),$(ALL_TESTS))
	@$(VENV)/python -m tools.coverage_by_folder

bench: ## measure speed and memory
	$(SETUP) --extra test
	@$(VENV)/python -m tests.benchmarks $(BENCH_ARGS)

chaos: ## kill a batch, a cluster and the window 200 times in all, and see that nothing is lost (CHAOS_ARGS="--kills 10": of each)
	$(SETUP) --extra test --qt
	@$(VENV)/python -m tests.benchmarks.chaos $(CHAOS_ARGS)
	@$(VENV)/python -m tests.benchmarks.chaos_cluster $(CHAOS_ARGS)
	@QT_QPA_PLATFORM=$${QT_QPA_PLATFORM-offscreen} $(VENV)/python -m tests.benchmarks.chaos_window $(CHAOS_ARGS)

fuzz: ## open 3,000 damaged projects, sessions, presets, recipes, pictures and queues each (FUZZ_ARGS="--count 200")
	$(SETUP) --extra test --qt
	@OMP_NUM_THREADS=1 $(VENV)/python -m tests.fuzzing $(FUZZ_ARGS)

soak: ## use the window for half an hour, and see that memory, threads and files stay flat
	$(SETUP) --extra test --qt
	@QT_QPA_PLATFORM=$${QT_QPA_PLATFORM-offscreen} $(VENV)/python -m tests.benchmarks.soak $(SOAK_ARGS)

bench-cluster: ## measure what a cluster adds to a job, with 1, 2 and 4 workers on this machine
	$(SETUP) --extra test
	@OMP_NUM_THREADS=1 $(VENV)/python -m tests.benchmarks.cluster $(BENCH_ARGS)

bench-gui: ## measure how the window behaves during a run
	$(SETUP) --extra test --qt
	@QT_QPA_PLATFORM=$${QT_QPA_PLATFORM-offscreen} $(VENV)/python -m tests.benchmarks.window $(BENCH_ARGS)

screens: ## draw the window's main states and all dialogs into out/screens/
	$(SETUP) --extra test --qt
	@QT_QPA_PLATFORM=$${QT_QPA_PLATFORM-offscreen} $(VENV)/python -m tests.screens
	@QT_QPA_PLATFORM=$${QT_QPA_PLATFORM-offscreen} $(VENV)/python -m tests.screens_of_dialogs

networks-table: ## try every technique and method on all of torchvision's classifiers, into docs/networks.md
	$(SETUP) --extra test
	@$(VENV)/python -m tests.benchmarks.networks $(BENCH_ARGS)

formats-table: ## compare networks from other programs' files with those programs: docs/formats.md
	$(SETUP) --extra test
	@$(VENV)/python -m tests.benchmarks.formats $(BENCH_ARGS)

docs: ## build the guide as a website into build/docs; every link and anchor must lead somewhere
	$(SETUP) --extra docs
	@$(VENV)/python -m mkdocs build --strict

docs-figures: ## draw the guide's figures with the program itself (ARGS="deep-dream cam" for some)
	$(SETUP)
	@OMP_NUM_THREADS=1 $(VENV)/python -m tools.draw_docs_figures $(ARGS)

imports-drawing: ## draw who imports whom, for docs/architecture.md
	$(SETUP) --extra test
	@$(VENV)/python -m tools.draw_imports

lint: ## check style, types, who may import whom, spelling, and the guide
	$(SETUP) --extra test --extra docs
	@rc=0; \
	$(VENV)/ruff check . || rc=1; \
	$(VENV)/ruff format --check . || rc=1; \
	$(VENV)/mypy || rc=1; \
	$(VENV)/lint-imports --no-logo || rc=1; \
	$(VENV)/codespell || rc=1; \
	$(VENV)/python -m mkdocs build --strict || rc=1; \
	exit $$rc

constraints: ## resolve all versions anew into constraints.txt
	$(SETUP) --renew-constraints

clean: ## remove .venv, caches and build leftovers (not out/)
	@rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find cli engine gui tests tools -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
