# Edgeway. `make help` lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

export CGO_ENABLED := 0
export GOFLAGS := -buildvcs=false -trimpath
GO_LDFLAGS := -s -w
KUBE_VERSION := v1.36.3
KUBE_LDFLAGS := $(GO_LDFLAGS) -X k8s.io/component-base/version.gitVersion=$(KUBE_VERSION) \
	-X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36
KUBE_PROGRAMS := etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl metrics-server

# Debian packages that the sandbox and the tests need.
DEBIAN := containerd runc containernetworking-plugins nftables iptables ipset conntrack iproute2 ethtool procps busybox-static
# What the tests of the browser, of metrics and of the installer need besides.
DEBIAN_BROWSER := chromium fonts-noto-cjk curl wget openssl prometheus

# Directory with real cloudcore and edgecore programs; empty: the stand-ins.
KUBEEDGE ?=
# KEEP=1 leaves a site that failed to come up in place.
KEEP ?=
# SPARES=3 adds three edge hosts that wait to be joined.
SPARES ?=
# CLUSTERS=2 adds a second cluster, in which KubeEdge is not enabled yet.
CLUSTERS ?=

comma := ,

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

.PHONY: up
up: check-machine deps build ## Bring up a whole edge site on this machine
	@bin/sandbox up $(if $(KUBEEDGE),--kubeedge $(abspath $(KUBEEDGE))) $(if $(KEEP),--keep) $(if $(SPARES),--spares $(SPARES)) $(if $(CLUSTERS),--clusters $(CLUSTERS))

.PHONY: down
down: ## Remove the site and everything it made
	@if [ -x bin/sandbox ]; then bin/sandbox down; else echo "the sandbox was never built here"; fi

.PHONY: host
host: ## Run a command on a host: make host HOST=jetson-xavier CMD='ip addr'
	@bin/sandbox exec "$(HOST)" -- sh -c "$$CMD"
export CMD

.PHONY: check-machine
check-machine: ## Say what this machine lacks for the sandbox
	@sandbox/check-machine.sh

.PHONY: deps
deps: ## Install the Debian packages that the sandbox needs
	@sandbox/install-debian.sh $(DEBIAN)

.PHONY: deps-test
deps-test: deps ## Install what the tests need besides
	@sandbox/install-debian.sh $(DEBIAN_BROWSER)

.PHONY: build
build: web build-product build-sandbox ## Build every program into bin/

# The UI is embedded in bin/edgeway. It is built again when one of its files is newer.
WEB_SOURCES := $(shell find web -path web/node_modules -prune -o -path web/e2e -prune -o -type f -print)

.PHONY: web
web: internal/webui/dist/index.html ## Build the web UI

web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	@sandbox/progress.sh "installing the web UI's packages" npm --prefix web ci --no-audit --no-fund
	@touch $@

internal/webui/dist/index.html: web/node_modules/.package-lock.json $(WEB_SOURCES)
	@sandbox/progress.sh "building the web UI" npm --prefix web run build
	@touch $@

.PHONY: build-product
build-product: web
	@sandbox/progress.sh "building edgeway, edge-watcher, iptables-operator, stream-gate, edgectl" \
		go build -ldflags "$(GO_LDFLAGS)" -o bin/ ./cmd/...

.PHONY: build-sandbox
build-sandbox:
	@mkdir -p bin/kube bin/standin
	@cd sandbox && ./progress.sh "building the sandbox and the stand-ins" bash -c '\
		go build -ldflags "$(GO_LDFLAGS)" -o ../bin/ ./cmd/sandbox ./pause ./burner ./servicelb && \
		go build -ldflags "$(GO_LDFLAGS)" -o ../bin/standin/ ./standin/cloudcore ./standin/edgecore ./standin/edgesim'
	@cd sandbox && ./progress.sh "building Kubernetes $(KUBE_VERSION) from source (about 12 minutes the first time)" \
		go build -ldflags "$(KUBE_LDFLAGS)" -o ../bin/kube/kubernetes ./kubernetes
	@for p in $(KUBE_PROGRAMS); do ln -sf kubernetes bin/kube/$$p; done

# Tag of the images, and what the programs say of themselves.
VERSION ?= v0.1.0
IMAGE_PROGRAMS := bin/images/programs

.PHONY: image-programs
image-programs: web
	@for arch in amd64 arm64 arm; do \
		programs="./cmd/edgectl ./cmd/edgeway-probe"; \
		if [ $$arch != arm ]; then programs="$$programs ./cmd/edgeway ./cmd/edge-watcher ./cmd/iptables-operator ./cmd/stream-gate"; fi; \
		mkdir -p $(IMAGE_PROGRAMS)/linux-$$arch; \
		GOOS=linux GOARCH=$$arch GOARM=7 sandbox/progress.sh "building the images' programs for $$arch" \
			go build -ldflags "$(GO_LDFLAGS) -X main.version=$(VERSION)" -o $(IMAGE_PROGRAMS)/linux-$$arch/ $$programs; \
	done

.PHONY: images
images: image-programs ## Make the container images for amd64 and arm64 in bin/images; VERSION=v0.1.0
	@go run ./build/images -programs $(IMAGE_PROGRAMS) -out bin/images -version "$(VERSION)"

.PHONY: registry-named
registry-named:
	@test -n "$(REGISTRY)" || { echo "REGISTRY is empty: make push REGISTRY=HOST[:PORT][/PATH]"; exit 1; }

.PHONY: push
push: registry-named image-programs ## Publish the images: make push REGISTRY=HOST[:PORT][/PATH]
	@go run ./build/images -programs $(IMAGE_PROGRAMS) -version "$(VERSION)" -push "$(REGISTRY)"

.PHONY: test
test: check-machine deps-test build test-unit test-e2e ## Run every test: unit, netns, end to end (as root)

.PHONY: test-unit
test-unit: web build-sandbox ## Unit tests and tests on the real kernel in network namespaces
	@test "$$(id -u)" -eq 0 || { echo "make test needs root: its netns tests make network namespaces"; exit 1; }
	@echo "checking formatting"; out=$$(gofmt -l api build charts cmd internal sandbox test); if [ -n "$$out" ]; then echo "gofmt these files:"; echo "$$out"; exit 1; fi
	go vet ./...
	go vet -tags e2e ./test/...
	go test $$(go list ./... | grep -v /test/netns)
	go test -count=1 -parallel 8 ./test/netns
	npm --prefix web test
	cd sandbox && pkgs=$$(go list ./... | grep -v /sandbox/kubernetes$$) && go vet $$pkgs && go test $$pkgs

# Needs port 10350 of the loopback, which EdgeCore has built in.
.PHONY: contract
contract: build-sandbox ## Hold KubeEdge's programs to the list of behaviors: make contract KUBEEDGE=/dir; empty: the stand-ins
	EDGEWAY_CONTRACT_PROGRAMS=$(if $(KUBEEDGE),$(abspath $(KUBEEDGE))) go test -count=1 -v -timeout 20m -run '^Test(CloudCore|EdgeCore)$$' ./test/contract

# A site that was not up before the tests is taken down after them.
.PHONY: test-e2e
test-e2e: check-machine deps-test build ## End-to-end tests on the running site; brings one up if there is none
	@had=; status=0; if [ -f .sandbox/site.json ]; then had=1; fi; \
	{ bin/sandbox up $(if $(KUBEEDGE),--kubeedge $(abspath $(KUBEEDGE))) && \
	$(MAKE) --no-print-directory e2e && \
	go test -tags e2e -count=1 -timeout 20m -v ./test/lifecycle; } || status=$$?; \
	if [ -z "$$had" ]; then bin/sandbox down; fi; exit $$status

.PHONY: e2e
e2e: deps-test ## End-to-end tests against the site that is up; with KUBEEDGE=/dir those of the real keadm, too
	go test -tags e2e$(if $(KUBEEDGE),$(comma)kubeedge) -count=1 -timeout 30m -v ./test/e2e
	npm --prefix web run e2e

# Runs on the site that is up, or brings one up and takes it down again.
# FUZZTIME=10m is how long each test runs, FUZZ chooses them by a regular expression.
FUZZTIME ?= 10m

.PHONY: fuzz
fuzz: ## Run every fuzz test for FUZZTIME (10m)
	@FUZZTIME=$(FUZZTIME) FUZZ='$(FUZZ)' test/fuzz.sh

.PHONY: soak
soak: soak-site soak-enable soak-enrollments ## Connections under a thousand changes, ten joins, enabling killed after every write, 10,000 bad enrollments (about 40 minutes)

.PHONY: soak-enable
soak-enable: deps-test build
	EDGEWAY_EVERY_WRITE=1 go test -count=1 -timeout 60m -v -run 'Killed' ./internal/runtime

.PHONY: soak-enrollments
soak-enrollments: deps-test build-sandbox
	EDGEWAY_BAD_ENROLLMENTS=10000 EDGEWAY_ENROLLMENTS=2000 go test -count=1 -timeout 60m -v -run 'Enrollments' ./test/control

.PHONY: soak-site
soak-site: check-machine deps-test build
	@had=; status=0; if [ -f .sandbox/site.json ]; then had=1; fi; \
	{ bin/sandbox up && \
	go test -tags e2e -count=1 -timeout 10m -v ./test/soak && \
	EDGEWAY_JOINS=10 go test -tags e2e -count=1 -timeout 10m -v -run '^TestJoinAndLeave$$' ./test/e2e; } || status=$$?; \
	if [ -z "$$had" ]; then bin/sandbox down; fi; exit $$status

.PHONY: bench
bench: deps build ## Measure what the documents promise (idle machine, as root, half an hour); ONLY=name,name for some
	go run ./test/bench $(if $(ONLY),-only $(ONLY))
