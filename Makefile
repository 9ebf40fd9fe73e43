# Everything a person or a machine does with this repository.
#
#   make run      fan a generated market-data feed out to many subscribers, by tcp and by multicast
#   make run-multicast  the same over a network that loses packets, with keys to say how many
#   make test     what the peers need, static checks, every test on every backend
#   make check    static checks only: vet, gofmt, staticcheck, builds elsewhere
#   make race     every test under the race detector, on every backend
#   make fuzz     each fuzz target for FUZZTIME
#   make sim      whole sockets on the simulated network, SEEDS of them
#   make bench    compare with libzmq and others, and write a report (ONLY=regexp for some)
#   make soak     saturation with peers that come and go, for SOAK on each backend
#   make pgm-grid every cell of multicast's interop and loss matrices, by GRIDSEEDS of them, and simulated trees (CELLS=regexp for some)
#   make micro    micro-benchmarks, to compare two commits with
#   make perf     libzmq's perf programs, ours, into bin/
#   make deps     a real libzmq and OpenPGM to test against, and iproute2, from Debian's packages

GO       ?= go
FUZZTIME ?= 10s
SEEDS    ?= 2000
BENCH    ?= .
ONLY     ?=
PAIRS    ?= 5
OUT      ?= bin/bench
SOAK     ?= 10m
GRIDSEEDS ?= 1
CELLS    ?= .
RACEFLAGS ?=
TESTFLAGS ?=

# The library is pure Go and stays so: every target but race, whose detector is
# C, builds without cgo.
export CGO_ENABLED = 0

PERF = local_thr remote_thr local_lat remote_lat inproc_thr inproc_lat

.PHONY: run run-multicast test check race fuzz sim bench soak micro perf deps

run:
	@$(GO) build -o bin/zeroring ./tools/zeroring
	bin/zeroring feed
	bin/zeroring feed --transport epgm --duration 4s

run-multicast:
	@$(GO) build -o bin/zeroring ./tools/zeroring
	bin/zeroring multicast

test: deps check
	@$(GO) build -o bin/testcount ./tools/testcount
	bin/testcount -nested=bench/peers -backends $(TESTFLAGS) -count=1 ./...

check:
	$(GO) vet ./...
	cd bench/peers && CGO_ENABLED=1 $(GO) vet ./...
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt would change: $$unformatted"; exit 1; }
	$(GO) tool staticcheck ./...
	$(GO) build ./...
	GOOS=darwin $(GO) build ./...
	GOOS=windows $(GO) build ./...

race:
	@$(GO) build -o bin/testcount ./tools/testcount
	CGO_ENABLED=1 bin/testcount -backends -race $(RACEFLAGS) -count=1 ./...

# Go fuzzes one target at a time.
fuzz:
	@set -e; grep -rl --include='*_test.go' '^func Fuzz' . | while read -r file; do \
		sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' "$$file" | while read -r target; do \
			echo "$$(dirname "$$file") $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "./$$(dirname "$$file")" </dev/null; \
		done; \
	done

sim:
	$(GO) run ./tools/zsim -seeds $(SEEDS)

# What it compares with is installed as for the tests, so that nothing is
# absent that could be there.
bench: deps
	@$(GO) build -o bin/zperf ./tools/zperf
	bin/zperf run --only '$(ONLY)' --pairs $(PAIRS) --out $(OUT)

soak:
	@$(GO) build -o bin/zperf ./tools/zperf
	ZERORING_BACKEND=epoll bin/zperf soak --for $(SOAK)
	ZERORING_BACKEND=uring bin/zperf soak --for $(SOAK)

# It needs root. A seed takes half an hour, and the trees, which are a cell, some minutes.
pgm-grid: deps
	@if echo tree | grep -Eq '$(CELLS)'; then $(GO) test -count=1 -v -timeout 0 -run '^TestSimTree$$' ./pgm -pgm.tree; fi
	@$(GO) test -c -o bin/pgm-grid ./tools/interop/multicast
	cd tools/interop/multicast && $(CURDIR)/bin/pgm-grid -test.run '^TestGrid$$' -test.timeout 0 -grid -seeds $(GRIDSEEDS) -cells '$(CELLS)'

micro:
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem ./...

perf: $(PERF:%=bin/%)

.PHONY: $(PERF:%=bin/%)
$(PERF:%=bin/%): bin/%:
	$(GO) build -o $@ ./tools/perf/$*

deps:
	@tools/deps.sh
