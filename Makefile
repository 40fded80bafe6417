# make run and make test are all that a newcomer needs.
GO       ?= go
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -X main.version=$(VERSION)
LINT     := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.13.1
WEB_SRC  := $(shell find web -type f -not -path '*/node_modules/*' -not -path '*/dist/*' -not -path '*/test-results/*' -not -path 'web/e2e/*')
FUZZTIME ?= 60s

.PHONY: run build web test check lint unit race e2e fuzz bench tools clean

## run: build what is needed and start the server (ARGS="--http.listen ...")
run: build
	./bin/freshet serve $(ARGS)

## build: the one binary, bin/freshet
build: web
	$(GO) build -ldflags '$(LDFLAGS)' -o bin/freshet ./cmd/freshet

## web: the pages that the binary embeds
web: web/dist/index.html

web/node_modules/.package-lock.json: web/package-lock.json
	cd web && npm ci --no-audit --no-fund

web/dist/index.html: web/node_modules/.package-lock.json $(WEB_SRC)
	cd web && npm run --silent build

## test: install what the tests need and run them all
test: tools build
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "run gofmt on these"; exit 1; }
	$(GO) vet ./...
	cd web && npm run --silent check && npm test --silent
	$(GO) test -race -timeout 10m ./...
	$(GO) test -run '^Test(BadNetworks|REMBLeads.*)$$' ./sfu/fanout # plays in real time: too slow under -race
	$(GO) test -run '^Test(HLSRules|OtherPlayers)$$' ./cmd/freshet # so do these
	$(MAKE) --no-print-directory e2e

## tools: the programs that tests drive (Debian packages)
tools:
	bash .ci/tools

## e2e: real browsers and encoders against the built binary
e2e: build web/e2e/node_modules/.package-lock.json
	cd web/e2e && npm test --silent

web/e2e/node_modules/.package-lock.json: web/e2e/package-lock.json
	cd web/e2e && npm ci --no-audit --no-fund

## check: the quick loop
check: lint unit

lint: web
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "run gofmt on these"; exit 1; }
	$(GO) vet ./...
	$(GO) run $(LINT) run ./...
	cd web && npm run --silent check

unit: web
	$(GO) test -short ./...
	cd web && npm test --silent

## fuzz: every fuzz target for FUZZTIME each
fuzz:
	FUZZTIME=$(FUZZTIME) bash .ci/fuzz

## bench: figures of the packet path; they print, they assert nothing
bench:
	$(GO) test -run '^$$' -bench . -benchmem ./sfu/...

clean:
	rm -rf bin web/dist/assets web/dist/*.html
