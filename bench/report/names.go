package report

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/zeroring/zeroring/bench"
)

// display is a system's name as people say it.
func display(system string) string {
	backend, ok := strings.CutPrefix(system, "zeroring-")
	switch {
	case system == "raw":
		return "raw sockets"
	case system == "raw-gso":
		return "raw sockets, GSO and GRO"
	case system == "to-libzmq":
		return "zeroring to libzmq"
	case system == "from-libzmq":
		return "libzmq to zeroring"
	case !ok:
		return system
	}
	return "zeroring " + strings.NewReplacer("uring", "io_uring", "nooffload", "without GSO, GRO").Replace(backend)
}

// ours are the systems that the verdict is about, of those that there are
// results of: this library on its backends or, without it, all but the baseline.
func ours(r *bench.Report) (names []string) {
	ran := make(map[string]bool)
	for i := range r.Results {
		ran[r.Results[i].System] = true
	}
	var others []string
	for _, s := range r.Systems {
		switch {
		case s.Name == r.Baseline || !ran[s.Name]:
		case strings.HasPrefix(s.Name, "zeroring"):
			names = append(names, s.Name)
		default:
			others = append(others, s.Name)
		}
	}
	if len(names) == 0 {
		return others
	}
	return names
}

// contenders are those of our systems that the verdict counts: a backend that
// polls without rest wins by what it costs, and one that does without offload is
// for comparison. Both are only shown.
func contenders(ours []string) (names []string) {
	for _, s := range ours {
		if !strings.HasSuffix(s, "-busypoll") && !strings.HasSuffix(s, "-nooffload") {
			names = append(names, s)
		}
	}
	if len(names) == 0 {
		return ours
	}
	return names
}

// rowIndex finds rows by workload and system.
type rowIndex map[[2]string]*bench.Row

func indexRows(rows []bench.Row) rowIndex {
	index := make(rowIndex)
	for i := range rows {
		index[[2]string{rows[i].Workload.Name, rows[i].System}] = &rows[i]
	}
	return index
}

// row is nil if there is none.
func (x rowIndex) row(workload, system string) *bench.Row { return x[[2]string{workload, system}] }

// figure is one system's figure in one workload, if it has it.
func (x rowIndex) figure(workload, system, metric string) (f bench.Figure, ok bool) {
	if row := x.row(workload, system); row != nil {
		return row.Figure(metric)
	}
	return f, false
}

// rateName is what a workload's rate counts.
func rateName(w bench.Workload) string {
	switch w.Pattern {
	case bench.PubSub:
		return "deliveries"
	case bench.ReqRep, bench.DealerRouter:
		return "round trips"
	case bench.Connect:
		return "connections"
	default:
		return "messages"
	}
}

// metricName is short, as the head of a column.
func metricName(w bench.Workload, m bench.Metric) string {
	if name := castNames[m.Name]; name != "" {
		return name
	}
	switch m.Name {
	case bench.MetricRate:
		return rateName(w) + "/s"
	case bench.MetricMean, bench.MetricSlowest:
		if w.OneWay() {
			return m.Name
		}
		return m.Name + " RTT"
	case bench.MetricP50, bench.MetricP90, bench.MetricP99, bench.MetricP999:
		return m.Name
	case bench.MetricPerConn:
		return "memory per connection"
	case bench.MetricCPU:
		return "CPU per message"
	case bench.MetricSendingCPU:
		return "sender CPU per delivery"
	case bench.MetricSyscalls:
		return "syscalls per message"
	case bench.MetricAllocs:
		return "allocs per message"
	default:
		return "RSS, all processes"
	}
}

// describe says in words what a workload does.
func describe(w bench.Workload) string {
	w = w.Normal()
	if w.Pattern == bench.Multicast {
		return describeCast(w)
	}
	many := func(n int, one, more string) string {
		if n == 1 {
			return "one " + one
		}
		return fmt.Sprintf("%d %s", n, more)
	}
	var what string
	switch w.Pattern {
	case bench.PushPull:
		what = many(w.Peers, "PUSH to one PULL", "pairs of PUSH and PULL")
	case bench.PubSub:
		what = "PUB to " + many(w.Peers, "SUB", "SUBs")
	case bench.ReqRep:
		what = "REQ and REP"
	case bench.DealerRouter:
		what = many(w.Peers, "DEALER and a ROUTER", "DEALERs and a ROUTER")
	case bench.Proxy:
		what = "PUSH through a proxy to PULL"
	case bench.Connect:
		what = many(w.Peers*w.Conns, "connection", "connections") + ", made and kept"
	default:
		what = string(w.Pattern)
	}
	parts := []string{what, string(w.Transport), size(w.Size) + " messages"}
	note := func(when bool, format string, n any) {
		if when {
			parts = append(parts, fmt.Sprintf(format, n))
		}
	}
	note(w.Conns > 1 && w.Pattern != bench.Connect, "%d connections a socket", w.Conns)
	note(w.Threads > 1, "%d sending threads", w.Threads)
	note(w.Reactors > 0, "%d I/O threads", w.Reactors)
	note(w.Window > 1, "%d in flight", w.Window)
	note(w.Topics > 0, "%d topics a SUB", w.Topics)
	note(w.Gap > 0, "%v between requests", w.Gap)
	note(w.Rate > 0, "open loop at %d requests/s", w.Rate)
	note(w.Timed() && w.Rate == 0, "closed loop%s", "")
	return strings.Join(parts, ", ")
}

// size writes a number of octets that was chosen, rather than measured.
func size(n int) string {
	number := short(float64(n), 1024, binary)
	unit := strings.TrimLeft(number, "0123456789.")
	return strings.TrimSuffix(number, unit) + noBreak + unit
}

// place says where a report was made.
func place(e bench.Env) string {
	var parts []string
	for _, s := range []string{e.CPU, fmt.Sprintf("%d cores", e.Cores), e.OS, e.Kernel, e.Go} {
		if s != "" && s != "0 cores" {
			parts = append(parts, s)
		}
	}
	if e.Virtual {
		parts = append(parts, "virtual machine")
	}
	return strings.Join(parts, ", ")
}

// A group is of workloads that differ in one thing, or that are alike.
type group struct {
	name      string
	workloads []bench.Workload
}

// groupBy groups workloads by a name, in the order of the first of each.
func groupBy(workloads []bench.Workload, name func(bench.Workload) string) (groups []group) {
	at := make(map[string]int)
	for _, w := range workloads {
		n := name(w)
		i, ok := at[n]
		if !ok {
			i = len(groups)
			at[n] = i
			groups = append(groups, group{name: n})
		}
		groups[i].workloads = append(groups[i].workloads, w)
	}
	return groups
}

// patterns says which patterns the workloads of a group are of.
func patterns(g group) string {
	var names []string
	for _, w := range g.workloads {
		name := string(w.Pattern)
		switch {
		case w.Timed():
			name = "round trips one by one"
		case w.Pattern == bench.PushPull:
			name = "PUSH to PULL"
		case w.Pattern == bench.PubSub:
			name = "PUB to SUB"
		case w.Pattern == bench.DealerRouter:
			name = "DEALER and ROUTER"
		case w.Pattern == bench.Proxy:
			name = "through a proxy"
		case w.Pattern == bench.Connect:
			name = "connecting"
		case w.Pattern == bench.Multicast:
			name = "PUB to a group"
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// plotName is the plot that a workload is in or, without one, what its name
// has before the last slash.
func plotName(w bench.Workload) string {
	if w.Plot != "" {
		return w.Plot
	}
	if dir := path.Dir(w.Name); dir != "." && dir != "/" {
		return dir
	}
	return w.Name
}

// family is what a workload's name has before the first slash or, of multicast,
// whose tests have few metrics in common, before the second.
func family(w bench.Workload) string {
	first, rest, _ := strings.Cut(w.Name, "/")
	if w.Pattern == bench.Multicast {
		second, _, _ := strings.Cut(rest, "/")
		return first + "/" + second
	}
	return first
}
