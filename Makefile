PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check fix docs bench

demo: .venv/dev  ## find the law behind real data, then walk through the tutorial
	$(BIN)/kanlens fit examples/planets.csv --target period --out build/demo/planets
	$(BIN)/python examples/tutorial.py
	@echo "pictures: build/demo/planets/diagram.png and build/demo/tutorial/*.png"

test: .venv/dev  ## run the tests; ARGS="-m slow" for the long ones
	$(BIN)/pytest -n 2 $(ARGS)

check: .venv/dev  ## format, lint, types, layers; changes nothing
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/pytest -q tests/test_layers.py

fix: .venv/dev  ## format, and repair what ruff can
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

docs: .venv/docs  ## build/docs/index.html
	$(BIN)/sphinx-build -W --keep-going -q docs build/docs

bench: .venv/dev  ## measure speed and precision
	$(BIN)/python -m benchmarks

.venv/%: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,$*]'
	touch $@
