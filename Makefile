# Targets for people. `make help` lists them.
GOLANGCI_VERSION := v2.15.0
COSIGN2_VERSION  := v2.6.5
COSIGN3_VERSION  := v3.1.1
BIN              := $(CURDIR)/.bin
FUZZTIME         ?= 60s
E2E_TIMEOUT      ?= 25m
LDFLAGS          := -s -w -buildid=

.PHONY: help build install test check vet fmt lint e2e e2e-stacks e2e-engines e2e-tools deps demo bench fuzz nightly generate generate-bpf generate-check test-record clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

build: ## build .build/lathe
	@mkdir -p .build
	CGO_ENABLED=0 go build -trimpath -ldflags "$(LDFLAGS)" -o .build/lathe ./cmd/lathe

install: ## install lathe into GOBIN
	CGO_ENABLED=0 go install -trimpath -ldflags "$(LDFLAGS)" ./cmd/lathe

test: ## run the fast tests: no root, no network, no containers
	go test -short ./...
	cd netpolicy/oracle && go test -mod=mod ./...

check: fmt vet lint test ## what must be green before a push

vet: ## go vet, the build tags of the tests and another system included
	go vet ./...
	go vet -tags e2e ./e2e/...
	GOOS=darwin go vet ./cmd/... ./record/...

fmt: ## fail when a file is not formatted
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "not formatted: $$out"; exit 1; }

$(BIN)/golangci-lint-$(GOLANGCI_VERSION):
	GOBIN=$(BIN) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv $(BIN)/golangci-lint $@

lint: $(BIN)/golangci-lint-$(GOLANGCI_VERSION) ## run the linters, pinned by version
	$< run ./...

deps: ## install what the end-to-end tests need from Debian or Ubuntu
	scripts/deps.sh e2e

$(BIN)/cosign-$(COSIGN2_VERSION):
	GOBIN=$(BIN) go install github.com/sigstore/cosign/v2/cmd/cosign@$(COSIGN2_VERSION)
	mv $(BIN)/cosign $@

$(BIN)/cosign-$(COSIGN3_VERSION):
	GOBIN=$(BIN) go install github.com/sigstore/cosign/v3/cmd/cosign@$(COSIGN3_VERSION)
	mv $(BIN)/cosign $@

e2e-tools: $(BIN)/cosign-$(COSIGN2_VERSION) $(BIN)/cosign-$(COSIGN3_VERSION) ## build the cosigns that the end-to-end tests compare with

e2e: build deps e2e-tools ## real images, runtimes and cosigns; needs root
	@rm -f .build/skipped
	LATHE_BIN=$(CURDIR)/.build/lathe LATHE_SKIPPED=$(CURDIR)/.build/skipped \
	LATHE_COSIGN=$(BIN)/cosign-$(COSIGN2_VERSION):$(BIN)/cosign-$(COSIGN3_VERSION) \
	go test -tags e2e -count=1 -timeout $(E2E_TIMEOUT) ./e2e/... ./sign/...
	@! test -e .build/skipped || cat .build/skipped >&2

e2e-stacks: build deps ## PostgreSQL, PHP, OpenJDK and Node.js at every level; needs root and twenty minutes
	LATHE_BIN=$(CURDIR)/.build/lathe LATHE_STACKS=all \
	go test -tags e2e -count=1 -timeout 60m -run "TestStacks|TestStartupOnly|TestExampleDocuments" -v ./e2e

e2e-engines: build ## record running containers under docker, podman and containerd, whose daemons are started for it; needs root
	scripts/deps.sh engines
	LATHE_BIN=$(CURDIR)/.build/lathe LATHE_NEED_ENGINES=1 \
	go test -tags e2e -count=1 -timeout 15m -run TestAttach -v ./e2e

demo: build ## the main job on a real nginx image: build, harden, sign, verify, run
	@scripts/deps.sh demo
	@scripts/demo.sh

bench: ## measure against a floor and a naive pipeline; writes docs/benchmarks.md
	scripts/deps.sh e2e || echo "bench: without these what recording costs is not measured" >&2
	go run ./bench/cmd/bench -md docs/benchmarks.md

fuzz: ## run every fuzz target for FUZZTIME each
	@scripts/fuzz.sh $(FUZZTIME)

nightly: ## what takes too long for every push: all rounds of the tests, race detector, fuzzing, benchmarks
	go test -race -timeout 60m ./...
	$(MAKE) generate-check test-record
	$(MAKE) fuzz FUZZTIME=60s
	$(MAKE) e2e
	$(MAKE) e2e-stacks
	$(MAKE) e2e-engines
	$(MAKE) bench

generate: ## rewrite golden files and generated documents
	go test ./report ./netpolicy ./cmd/lathe -update

generate-bpf: ## compile the recorder's eBPF programs anew, with Debian 12's clang
	scripts/deps.sh bpf
	$(MAKE) -B -C record/trace/bpf
	cd record/trace && go run ../../internal/syscallnames

generate-check: generate-bpf ## fail when the committed eBPF programs are not what their sources give
	git diff --exit-code --stat -- record/trace/objects record/trace/names.go

test-record: ## record containers; says what it skips, needs root and BTF
	scripts/deps.sh e2e
	scripts/test-record.sh

clean: ## remove what was built
	rm -rf .build .bin
