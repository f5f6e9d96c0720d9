# warder: `make` is what a change must pass, `make help` lists the rest.

GO       ?= go
TOOL      = $(GO) tool -modfile=tools/go.mod
FUZZTIME ?= 60s
LONGER   ?= $(FUZZTIME)
VULNDB   ?= ../shared/vulndb/db.tgz
RESULTS   = $(CURDIR)/dist/attacks

# The race detector, but not for SQLite translated from C: what that reads and writes lies outside of Go's
# heap, where the detector does not look, and to ask it each time makes SQLite four times as slow.
# The driver in front of it, and all that calls it, is watched. Nor for the types of
# Kubernetes, which take longer to compile than to use.
RACE = -race -gcflags=modernc.org/sqlite/lib=-race=false -gcflags=modernc.org/libc=-race=false -gcflags=k8s.io/...=-race=false

export PATH := $(PATH):/usr/sbin

.DEFAULT_GOAL := all
.PHONY: needs all help fmt fmt-check vet lint test bounds generated vuln fuzz fuzz-ci bench golden attacks attacks-check attacks-told cover dev build image clean

all: fmt-check vet lint test bounds generated ## everything a change must pass

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

fmt: ## format the code
	$(TOOL) golangci-lint fmt

fmt-check: ## fail when the code is not formatted
	$(TOOL) golangci-lint fmt --diff

vet: ## go vet, here and in interop
	$(GO) vet ./...
	cd interop && $(GO) vet ./...

lint: ## golangci-lint with the set of .golangci.yml
	$(TOOL) golangci-lint run --allow-parallel-runners

needs: ## what the tests need beside Go: found, installed when root, or named
	@./.ci/needs

test: needs ## all tests of both modules, in random order; with the race detector where a C compiler is
	@if [ "$$($(GO) env CGO_ENABLED)" = 1 ] && echo "#include <stdlib.h>" | $$($(GO) env CC) -E - >/dev/null 2>&1; then \
		GO="$(GO)" ./.ci/test $(RACE); \
	else \
		echo "no C compiler with its headers: the race detector is off"; \
		CGO_ENABLED=0 GO="$(GO)" ./.ci/test; \
	fi

# Both at the same time, for the first waits a lot. Examples and the seeds of fuzz tests are for make test alone.
bounds: ## what holds only without the race detector: allocations, memory, whole sizes
	$(GO) test -count=1 -vet=off -run '^Test' $$(find . -name race_off_test.go -not -path './interop/*' -exec dirname {} \; | sort) & \
	$(GO) test -count=1 -vet=off -run '^(TestAMillionStrangers|TestAThousandKills)$$' ./cmd/warder; code=$$?; wait $$! && exit $$code

generated: ## fail when a generated file is not what the code says
	$(GO) mod verify
	$(GO) mod tidy -diff
	cd interop && $(GO) mod verify && $(GO) mod tidy -diff

vuln: ## known vulnerabilities, from VULNDB when that file exists, else from the network
	@set -e; \
	if [ -f "$(VULNDB)" ]; then \
		dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
		tar -xzf "$(VULNDB)" -C "$$dir"; \
		test -s "$$dir/db/index/db.json"; \
		echo "database: $(VULNDB)"; \
		$(TOOL) govulncheck -db "file://$$dir/db" ./...; \
	else \
		echo "database: the default one, over the network"; \
		$(TOOL) govulncheck ./...; \
	fi

fuzz: ## every fuzz target for FUZZTIME each (default 60s)
	@./.ci/fuzz "$(FUZZTIME)" "$(LONGER)"

fuzz-ci: ## every fuzz target for 1s, those of keys, targets, forwarded fields and configuration for 5s
	@$(MAKE) --no-print-directory fuzz FUZZTIME=1s LONGER=5s

bench: ## all benchmarks, for benchstat
	$(GO) test -run '^$$' -bench . -benchmem -count $(or $(COUNT),1) ./...

golden: ## rewrite the golden files; review the change like code
	$(GO) test $$($(GO) list -f '{{$$p := .}}{{range .TestImports}}{{if eq . "github.com/warder-dev/warder/internal/golden"}}{{$$p.ImportPath}} {{end}}{{end}}{{range .XTestImports}}{{if eq . "github.com/warder-dev/warder/internal/golden"}}{{$$p.ImportPath}} {{end}}{{end}}' ./...) -update

attacks: RESULTS_CHECK =
attacks-check: RESULTS_CHECK = -check
attacks: ## write docs/attacks.md from a run of the tests
attacks-check: ## fail when a case does not hold or docs/attacks.md is stale
attacks attacks-check: needs
	@rm -rf "$(RESULTS)" && mkdir -p "$(RESULTS)"
	WARDER_ATTACKS="$(RESULTS)" $(GO) test -count=1 ./... && cd interop && WARDER_ATTACKS="$(RESULTS)" $(GO) test -count=1 ./...
	$(GO) run ./internal/attack/report $(RESULTS_CHECK) "$(RESULTS)/results.jsonl" docs/attacks.md

attacks-told: ## attacks-check by what the last `make test WARDER_ATTACKS=...` recorded
	$(GO) run ./internal/attack/report -check "$(RESULTS)/results.jsonl" docs/attacks.md

cover: ## coverage of all packages, as coverage.out and a total
	$(GO) test -coverpkg=./... -coverprofile=coverage.out ./...
	$(GO) tool cover -func=coverage.out | tail -n 1

dev: ## the demo: a sample API, the gateway in front of it, one key
	$(GO) run ./cmd/warder demo

build: ## one static binary, dist/warder
	CGO_ENABLED=0 $(GO) build -trimpath -tags grpcnotrace -o dist/warder ./cmd/warder

image: ## the container image for amd64 and arm64, dist/warder-oci.tar, without an engine of containers
	@mkdir -p dist
	cd interop && GOFLAGS= $(GO) run ./image -o ../dist/warder-oci.tar

clean: ## remove what was built
	rm -rf dist coverage.out
