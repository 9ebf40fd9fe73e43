package interop

import "testing"

// bulkCount is how many messages "in order" rows send; in short mode, which is
// for the race detector, a tenth. A REQ waits for each reply, so its rows have
// a share of that; see TestManyRequests.
const (
	bulkCount = 100_000
	askShare  = 50
)

// corpus is what every pair of types exchanges: each size at which the frame
// header changes and each place an empty frame can be in.
func corpus() [][]part {
	var all [][]part
	for _, size := range []int{0, 1, 255, 256, 65535, 65536} {
		all = append(all, []part{gen(size, uint64(size), 1)})
	}
	long := make([]part, 64)
	for i := range long {
		long[i] = gen(i*7%300, uint64(i), 2)
	}
	return append(all,
		lits("a", "b"),
		lits("", "body"),
		lits("body", ""),
		lits("", "", ""),
		lits("a", "", "b"),
		[]part{gen(255, 1, 3), gen(256, 2, 3), gen(65536, 3, 3), lit("")},
		long,
		[]part{gen(10<<20, 1, 4)},
		[]part{lit("head"), gen(10<<20, 2, 4), lit("tail")},
	)
}

// rows are both roles of every pairing over both transports.
func rows(transports ...string) []row {
	var all []row
	for _, transport := range transports {
		for _, p := range pairings() {
			for _, binds := range []bool{true, false} {
				all = append(all, row{pairing: p, nearBinds: binds, transport: transport})
			}
		}
	}
	return all
}

// bulkShape is how many small messages r sends in order.
func bulkShape(r row) shape {
	count := bulkCount
	if testing.Short() {
		count /= 10
	}
	if r.near == "REQ" || r.far == "REQ" {
		count /= askShare
	}
	return shape{count, 24, 5, 3}
}

// runRow does with one row all that the matrix asks for.
func runRow(t *testing.T, r row, near, far side) {
	l := r.connect(t, near, far)
	for _, msg := range corpus() {
		l.exchange(msg)
	}
	l.close()

	// PUB and ROUTER drop what finds no room, and here nothing may be missing.
	r.opts.unlimited = true
	l = r.connect(t, near, far)
	l.bulk(bulkShape(r))
	l.close()
}

// TestMatrix is what this suite is for.
func TestMatrix(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		for _, r := range rows("tcp", "ipc") {
			t.Run(r.name(), func(t *testing.T) {
				runRow(t, r, us, startC(t))
			})
		}
	})
}

// TestManyRequests sends as many messages in lock-step as other rows do in
// bulk: one there and one back in each round.
func TestManyRequests(t *testing.T) {
	count := bulkCount / 2
	if testing.Short() {
		count /= 10
	}
	eachBackend(t, func(t *testing.T, us *zeroring) {
		for _, p := range []pairing{{"REQ", "REP"}, {"REP", "REQ"}} {
			r := row{pairing: p, nearBinds: true, transport: "ipc"}
			t.Run(r.name(), func(t *testing.T) {
				r.connect(t, us, startC(t)).bulk(shape{count, 24, 6, 3})
			})
		}
	})
}

// TestHarness runs rows of the matrix with libzmq on both ends. What fails
// here is a fault of the suite.
func TestHarness(t *testing.T) {
	for _, r := range rows("tcp") {
		if !r.nearBinds {
			continue // the far end's role is the same code
		}
		t.Run(r.name(), func(t *testing.T) {
			near, far := startC(t), startC(t)
			l := r.connect(t, near, far)
			for _, msg := range corpus() {
				l.exchange(msg)
			}
			l.bulk(shape{500, 24, 5, 3})
		})
	}
}

// TestHarnessDetects checks that a wrong message does not pass for a right one.
func TestHarnessDetects(t *testing.T) {
	for name, wrong := range map[string][]part{
		"size":   {gen(65536, 1, 1)},
		"octets": {gen(65535, 2, 1)},
		"frames": {gen(65535, 1, 1), lit("")},
	} {
		if differ([]got{gotOf(gen(65535, 1, 1).octets)}, wrong) == "" {
			t.Errorf("a message of other %s passes for equal", name)
		}
	}
}
