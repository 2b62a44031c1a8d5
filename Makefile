# Every target sets up what it needs: uv if there is none, Python 3.13, the locked dependencies.
UV := $(shell uv --version >/dev/null 2>&1 && echo uv || echo .tools/bin/uv)
RUN := $(UV) run --frozen
export SAM_CLI_TELEMETRY = 0
# With it, every worker and program of the tests would compile all its imports again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo release test test-aws fuzz soak soak-releases lint generate build local bench bench-70b bench-preflight
.PHONY: teardown test-busy
demo: $(UV)
	$(RUN) python -m local run model-import/Tiny-Quiz-Llama-Instruct

release: $(UV)
	$(RUN) python -m local release

test: $(UV)
	$(RUN) pytest -n 3 --dist loadfile

# RUNS is the number of runs, LOOPS the number of busy processes. TESTS are arguments of pytest.
test-busy: $(UV)
	$(RUN) python tools/busy_tests.py --runs $${RUNS:-3} --loops $${LOOPS:-4} -- $(TESTS)

test-aws: $(UV)
	MODEL_IMPORT_STACK=$(STACK) $(RUN) pytest tests/deployed -rs --force-enable-socket

teardown: $(UV)
	$(RUN) model-import teardown $(STACK) $(OPTIONS)

soak-releases: $(UV)
	RELEASE_DAYS=$${RELEASE_DAYS:-10} RELEASE_SEEDS=$${RELEASE_SEEDS:-50} $(RUN) pytest \
		tests/unit/release/test_watch.py tests/unit/release/test_once.py

fuzz: $(UV)
	FUZZ_SECONDS=$${FUZZ_SECONDS:-300} $(RUN) pytest \
		tests/unit/preflight/test_malformed.py tests/unit/preflight/test_hostile_checkpoints.py

soak: $(UV)
	PYTHONPATH=functions:.:tests $(RUN) python -W error tests/soak/fault_soak.py

lint: $(UV)
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy
	$(RUN) lint-imports --no-cache
	$(RUN) python -m tools.generate --check
	$(RUN) sam validate --lint --region us-east-1
	$(RUN) cfn-lint
	$(UV) tool run --from checkov==3.3.30 checkov --config-file .checkov.yaml

build: $(UV)
	$(RUN) sam build

local: $(UV)
	$(RUN) python -m local serve

bench: $(UV)
	$(RUN) python -m benchmarks run

bench-70b: $(UV)
	$(RUN) python -m benchmarks 70b

generate: $(UV)
	$(RUN) python -m tools.generate

bench-preflight: $(UV)
	PYTHONPATH=tests $(RUN) python -m benchmarks.preflight

uv: ;

.tools/bin/uv:
	python3 -m pip install --quiet --disable-pip-version-check --target .tools uv
