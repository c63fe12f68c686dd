# make test does its own set-up: Go modules, and a Python venv with the
# independent emulators (moto, ministack), boto3 and awscli.
GO ?= go
VENV := .venv
PY := $(VENV)/bin/python

.PHONY: test unit scenarios race fuzz bench demo build docs clean lint

test: unit scenarios

build:
	$(GO) build -o bin/axle ./cmd/axle

# A busy machine may need more than the ten minutes that go test gives a package.
# The journal of teams is tested on a real PostgreSQL; CI sets
# AXLE_REQUIRE_POSTGRES=1, so that it isn't skipped there.
unit: $(VENV)/ready
	sh test/postgres.sh || echo "PostgreSQL couldn't be installed: its store isn't tested" >&2
	$(GO) test -timeout 20m ./...

# The same scenario on the sandbox and on emulators that nobody here wrote.
scenarios: $(VENV)/ready build
	$(GO) test -tags scenarios -count=1 -parallel 4 -timeout 15m ./test/scenarios/...

$(VENV)/ready: test/requirements.txt
	sh test/venv.sh $(VENV) test/requirements.txt

race:
	$(GO) test -race -timeout 20m ./internal/engine/... ./internal/plan/... ./internal/store/... ./internal/cloud/... ./internal/cfn/... ./internal/action/... ./sandbox/...

FUZZTIME ?= 60s
fuzz:
	FUZZTIME=$(FUZZTIME) sh test/fuzz.sh

bench: $(VENV)/ready build
	sh bench/run.sh

demo:
	$(GO) run ./cmd/axle demo

docs: build
	bin/axle docs docs/commands

lint:
	test -z "$$(gofmt -l . | tee /dev/stderr)"
	$(GO) vet ./...

clean:
	rm -rf bin $(VENV)
