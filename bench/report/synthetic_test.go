package report

import (
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/zeroring/zeroring/bench"
)

// pairs is how many alternating runs a synthetic report has.
const pairs = 5

// synthetic is a report of all kinds of workloads, with failures and absent
// systems, whose numbers are made up but always the same.
func synthetic() *bench.Report {
	return madeUp([]bench.SystemAbout{
		{Name: "zeroring-uring", Version: "0.1.0", Backend: "io_uring: kernel 6.8", Settings: []string{"HWM 1000", "1 reactor"}},
		{Name: "zeroring-epoll", Version: "0.1.0", Backend: "epoll: forced", Settings: []string{"HWM 1000"}},
		{Name: "libzmq", Version: "4.3.5", Settings: []string{"ZMQ_IO_THREADS 1", "ZMQ_SNDHWM 1000", "ZMQ_RCVHWM 1000", "ZMQ_IMMEDIATE 1"}},
		{Name: "go-zeromq", Version: "v0.17.0", Settings: []string{"none that matter"}},
		{Name: "nng", Version: "1.8.0"},
		{Name: "pebbe-zmq4", Absent: "cgo: no C compiler was found"},
	}, syntheticWorkloads())
}

// standardSystems are those of a real run.
var standardSystems = []bench.SystemAbout{
	{Name: "zeroring-uring"}, {Name: "zeroring-epoll"}, {Name: "zeroring-busypoll"}, {Name: "libzmq"}, {Name: "raw"},
	{Name: "pebbe"}, {Name: "gozeromq"}, {Name: "mangos"}, {Name: "nats", Absent: "no network"},
	{Name: "from-libzmq"}, {Name: "raw-gso"}, {Name: "to-libzmq"},
}

// does says whether a system does a workload at all.
func does(w bench.Workload, system string) bool {
	if w.Pattern == bench.Multicast {
		mixed := strings.HasSuffix(system, "-libzmq")
		return !slices.Contains([]string{"go-zeromq", "nng", "pebbe", "gozeromq", "mangos"}, system) &&
			(!mixed || w.Name == "multicast/loss/1/3") && (system != "zeroring-busypoll" || w.Name == "multicast/lat/1000")
	}
	switch system {
	case "from-libzmq", "raw-gso", "to-libzmq":
		return false
	case "nng", "raw":
		return w.Pattern == bench.PushPull
	case "zeroring-busypoll":
		return w.Timed()
	case "pebbe", "gozeromq", "mangos":
		return w.Size == 64 && w.X < 1000 && w.Gap == 0
	default:
		return true
	}
}

func madeUp(systems []bench.SystemAbout, workloads []bench.Workload) *bench.Report {
	r := &bench.Report{
		Env: bench.Env{
			OS: "linux/amd64", Kernel: "6.8.0-41-generic", CPU: "Example Processor 9000 @ 3.10GHz", Cores: 8, Governor: "performance",
			Virtual: true, Go: "go1.26.0", GOMAXPROCS: 8, Commit: "0123456789ab+", Load: "0.21 0.30 0.18",
			Backend: "io_uring: kernel 6.8 has all that is needed",
		},
		Command: "go run ./tools/zeroring bench --pairs 5 --out report/", Baseline: "libzmq",
		Start: time.Date(2026, 3, 4, 15, 30, 0, 0, time.UTC), Took: 17*time.Minute + 12*time.Second,
		Systems: systems, Workloads: workloads,
	}
	dice := rand.New(rand.NewPCG(1, 2))
	for _, w := range r.Workloads {
		w = w.Normal()
		for pair := range pairs {
			for _, s := range r.Systems {
				if s.Absent == "" && does(w, s.Name) {
					r.Results = append(r.Results, syntheticResult(dice, w, s.Name, pair))
				}
			}
		}
	}
	return r
}

func syntheticWorkloads() (all []bench.Workload) {
	add := func(w bench.Workload) { all = append(all, w) }
	for _, t := range []bench.Transport{bench.TCP, bench.IPC, bench.Inproc} {
		for _, size := range []int{8, 64, 512, 1024, 8192, 65536, 1 << 20} {
			add(bench.Workload{
				Name: fmt.Sprintf("thr/%s/%d", t, size), Pattern: bench.PushPull, Transport: t, Size: size,
				Plot: "thr/" + string(t), X: float64(size),
			})
		}
	}
	for _, t := range []bench.Transport{bench.TCP, bench.IPC, bench.Inproc} {
		for _, size := range []int{64, 1024} {
			add(bench.Workload{
				Name: fmt.Sprintf("lat/%s/%d", t, size), Pattern: bench.ReqRep, Transport: t, Size: size,
				Plot: "lat/" + string(t), X: float64(size),
			})
		}
	}
	add(bench.Workload{Name: "lat/open/10000", Pattern: bench.ReqRep, Transport: bench.TCP, Size: 64, Rate: 10000})
	add(bench.Workload{Name: "lat/idle/1ms", Pattern: bench.DealerRouter, Transport: bench.TCP, Size: 64, Gap: time.Millisecond})
	add(bench.Workload{Name: "dealer/tcp/64", Pattern: bench.DealerRouter, Transport: bench.TCP, Size: 64, Window: 16, Peers: 8})
	for _, n := range []int{1, 10, 100, 1000} {
		add(bench.Workload{
			Name: fmt.Sprintf("pub/tcp/%d", n), Pattern: bench.PubSub, Transport: bench.TCP, Size: 64, Peers: n,
			Plot: "pub/tcp", X: float64(n),
		})
	}
	for _, n := range []int{1, 100, 10_000, 1_000_000} {
		add(bench.Workload{
			Name: fmt.Sprintf("topics/tcp/%d", n), Pattern: bench.PubSub, Transport: bench.TCP, Size: 64, Topics: n,
			Plot: "topics/tcp", X: float64(n),
		})
	}
	for _, n := range []int{1, 2, 4, 8} {
		add(bench.Workload{
			Name: fmt.Sprintf("sockets/tcp/%d", n), Pattern: bench.PushPull, Transport: bench.TCP, Size: 64, Peers: n,
			Plot: "sockets/tcp", X: float64(n),
		})
	}
	add(bench.Workload{Name: "proxy/tcp/64", Pattern: bench.Proxy, Transport: bench.TCP, Size: 64})
	for _, n := range []int{100, 1000, 10_000} {
		add(bench.Workload{
			Name: fmt.Sprintf("connect/tcp/%d", n), Pattern: bench.Connect, Transport: bench.TCP, Size: 64, Conns: n,
			Plot: "connect/tcp", X: float64(n),
		})
	}
	some := regexp.MustCompile("multicast/(thr/epgm/1024/(1|3)|loss/[015]/3|max/.|overload/link|lat/1000|pace/1G|join)$")
	for _, w := range bench.Standard() {
		if some.MatchString(w.Name) {
			add(w)
		}
	}
	return all
}

// speed is how good each system is, in some unit.
var speed = map[string]float64{
	"zeroring-uring": 1.9, "zeroring-epoll": 1.5, "zeroring-busypoll": 6, "libzmq": 1, "go-zeromq": 0.12, "nng": 0.45,
	"raw": 3, "raw-gso": 9, "from-libzmq": 1.2, "to-libzmq": 1.3, "pebbe": 0.7, "gozeromq": 0.3, "mangos": 0.5,
}

func syntheticResult(dice *rand.Rand, w bench.Workload, system string, pair int) bench.Result {
	fast := speed[system] * (1 + 0.08*dice.NormFloat64()/2)
	if w.Transport == bench.Inproc {
		fast = 1 - (fast-1)/12 + 0.04*dice.NormFloat64() // much alike, and mostly behind
	}
	if w.Size > 100_000 && system == "zeroring-epoll" {
		fast *= 0.5
	}
	r := bench.Result{
		Workload: w.Name, System: system, Pair: pair, Start: time.Date(2026, 3, 4, 15, 30, pair, 0, time.UTC),
		Window: 400 * time.Millisecond, Processes: make(map[bench.Role]bench.Process), Syscalls: 0.04 / fast,
	}
	if system == "go-zeromq" {
		r.Syscalls = -1
	}
	switch {
	case system == "go-zeromq" && w.Name == "pub/tcp/1000":
		r.Fail = "12 messages were lost"
	case system == "zeroring-epoll" && w.Name == "thr/tcp/8192" && pair == 3:
		r.Fail = "a message came twice: stream 0, number 1234"
	case system == "zeroring-epoll" && w.Name == "connect/tcp/10000":
		r.Fail = "timed out after 10s"
	}
	perSecond := fast * 4e9 / (700 + float64(w.Size))
	if w.Pattern == bench.PubSub {
		perSecond *= 1 - 0.05*math.Log10(float64(w.Peers*(w.Topics+1)))
	}
	switch {
	case w.Pattern == bench.Multicast:
		syntheticCast(dice, w, &r, fast)
	case w.Timed():
		syntheticLatencies(dice, w, &r, fast)
	case w.Pattern == bench.Connect:
		r.Messages = int64(w.Conns * w.Peers)
		r.Connected = time.Duration(float64(r.Messages) * 60e3 / fast)
		r.ConnMemory = 21000 / fast
	default:
		r.Messages = int64(perSecond * r.Window.Seconds())
	}
	first, second := bench.RoleSend, bench.RoleRecv
	if w.Timed() || w.Pattern == bench.DealerRouter {
		first, second = bench.RoleAsk, bench.RoleEcho
	}
	for _, role := range []bench.Role{first, second} {
		n := r.Messages
		if role == bench.RoleSend {
			n /= int64(w.Peers)
		}
		p := bench.Process{Messages: n, Window: r.Window, Total: 3 * n, CPU: r.Window * 9 / 10, Allocs: -1, RSS: int64(9e6 * (1 + dice.Float64()/9))}
		if system != "libzmq" && system != "nng" {
			p.Allocs = int64(float64(n) * 0.0001)
		}
		r.Processes[role] = p
	}
	return r
}

// syntheticCast has each figure that a workload of multicast may have.
func syntheticCast(dice *rand.Rand, w bench.Workload, r *bench.Result, fast float64) {
	r.Messages = int64(fast * 1e5)
	r.Figures = make(map[string]float64)
	for _, m := range bench.Metrics(w) {
		r.Figures[m.Name] = 1e6 * fast
		if m.Lower {
			r.Figures[m.Name] = 1e6 / fast
		}
		if m.Unit == bench.Times {
			r.Figures[m.Name] /= 1e6
		}
	}
	r.Figures[bench.MetricLost] = 0
	if w.OneWay() {
		syntheticLatencies(dice, w, r, fast/(1+w.Cast.Loss))
	}
}

func syntheticLatencies(dice *rand.Rand, w bench.Workload, r *bench.Result, fast float64) {
	r.Latencies = bench.NewLatencies()
	base := (18e3 + float64(w.Size)) / fast
	for range 8000 {
		ns := base * math.Exp(0.15*dice.NormFloat64())
		if dice.IntN(200) == 0 {
			ns *= 1 + 12*dice.ExpFloat64()
		}
		r.Latencies.Add(int64(ns), 1)
	}
	r.Messages = r.Latencies.TotalCount()
}
