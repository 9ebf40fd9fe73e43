package bench

import (
	"fmt"
	"regexp"
	"time"
)

// This file has the standard workloads. Names of the classic ones begin as
// libzmq calls its programs: thr and lat.

// Of each plot, the sizes on its axis.
var (
	throughputSizes = map[Transport][]int{
		TCP:    {8, 16, 64, 256, 1 << 10, 8 << 10, 64 << 10, 1 << 20},
		IPC:    {8, 64, 1 << 10, 64 << 10, 1 << 20},
		Inproc: {8, 64, 1 << 10, 64 << 10, 1 << 20},
	}
	subscribers = []int{1, 16, 64, 512, 2000}
	connections = []int{1, 10, 100, 1000, 10_000}
	manySockets = []int{1, 10, 100, 1000}
	manyTopics  = []int{1, 100, 10_000, 100_000}
)

const (
	smallMessage = 64
	// manyWarmup is longer, for workloads that have much to set going.
	manyWarmup = 200 * time.Millisecond
	// connectTime is about what each connection takes that is made meanwhile, and
	// crowd is how many subscribers make everything slow: what is queued for them,
	// here and in the kernel, is gigabytes.
	connectTime   = 200 * time.Microsecond
	crowd         = 500
	crowdWarmup   = 400 * time.Millisecond
	crowdDuration = 800 * time.Millisecond
	// curvePairs are enough where many points make a curve.
	curvePairs = 3
	// settle is how long connections rest before their memory is measured: long
	// enough for a library to give back what it needed to make them.
	settle = 3 * time.Second
)

// Standard returns the standard workloads.
func Standard() (all []Workload) {
	all = append(all, throughput()...)
	all = append(all, latency()...)
	all = append(all, fanOut()...)
	all = append(all, others()...)
	return append(all, multicast()...)
}

func throughput() (all []Workload) {
	for _, t := range []Transport{TCP, IPC, Inproc} {
		for _, size := range throughputSizes[t] {
			all = append(all, Workload{
				Name: fmt.Sprintf("thr/%s/%d", t, size), Pattern: PushPull, Transport: t, Size: size,
				Plot: "thr/" + string(t), X: float64(size), Calls: size == smallMessage,
			})
		}
	}
	return all
}

func latency() (all []Workload) {
	for _, t := range []Transport{TCP, IPC, Inproc} {
		all = append(all, Workload{Name: "lat/reqrep/" + string(t), Pattern: ReqRep, Transport: t, Size: smallMessage, Calls: true})
	}
	for _, gap := range []time.Duration{100 * time.Microsecond, time.Millisecond} {
		all = append(all, Workload{
			Name: fmt.Sprintf("lat/reqrep/tcp/gap-%s", short(gap)), Pattern: ReqRep, Transport: TCP, Size: smallMessage,
			Gap: gap, Duration: gapDuration(gap),
		})
	}
	all = append(all, Workload{Name: "lat/dealerrouter/tcp", Pattern: DealerRouter, Transport: TCP, Size: smallMessage})
	for _, gap := range []time.Duration{100 * time.Microsecond, time.Millisecond} {
		all = append(all, Workload{
			Name: fmt.Sprintf("lat/dealerrouter/tcp/gap-%s", short(gap)), Pattern: DealerRouter, Transport: TCP,
			Size: smallMessage, Gap: gap, Duration: gapDuration(gap),
		})
	}
	for _, rate := range []int{1000, 10_000, 50_000} {
		all = append(all, Workload{
			Name: fmt.Sprintf("lat/dealerrouter/tcp/rate-%d", rate), Pattern: DealerRouter, Transport: TCP,
			Size: smallMessage, Rate: rate, Duration: time.Second,
		})
	}
	return append(all, Workload{
		Name: "lat/reqrep/tcp/rate-1000", Pattern: ReqRep, Transport: TCP, Size: smallMessage,
		Rate: 1000, Duration: time.Second,
	})
}

func short(d time.Duration) string {
	if d < time.Millisecond {
		return fmt.Sprintf("%dus", d.Microseconds())
	}
	return fmt.Sprintf("%dms", d.Milliseconds())
}

// gapDuration makes sure of enough round trips for a 99th percentile.
func gapDuration(gap time.Duration) time.Duration {
	return max(defaultDuration, 1000*gap)
}

func fanOut() (all []Workload) {
	for _, size := range []int{smallMessage, 1 << 10} {
		for _, n := range subscribers {
			w := Workload{
				Name: fmt.Sprintf("fanout/%d/%d", size, n), Pattern: PubSub, Transport: TCP, Size: size, Peers: n,
				Warmup: manyWarmup, Plot: fmt.Sprintf("fanout/%d", size), X: float64(n), Calls: n == 64,
			}
			if n > crowd {
				w.Warmup, w.Duration = crowdWarmup, crowdDuration
			}
			all = append(all, w)
		}
	}
	return all
}

func others() (all []Workload) {
	all = []Workload{
		{Name: "fanin/1000", Pattern: DealerRouter, Transport: TCP, Size: smallMessage, Peers: 1000, Window: 10, Warmup: manyWarmup, Calls: true},
		{Name: "proxy/64", Pattern: Proxy, Transport: TCP, Size: smallMessage},
		{Name: "proxy/1024", Pattern: Proxy, Transport: TCP, Size: 1 << 10},
		{Name: "storm/2000", Pattern: Connect, Transport: TCP, Size: smallMessage, Peers: 2000, Calls: true},
		{Name: "memory/10000", Pattern: Connect, Transport: TCP, Size: smallMessage, Conns: 10_000, Settle: settle, Pairs: curvePairs},
		{
			Name: "parallel/2", Pattern: PushPull, Transport: TCP, Size: smallMessage, Peers: 2, Threads: 2, Reactors: 2,
		},
		{
			Name: "parallel/4", Pattern: PushPull, Transport: TCP, Size: smallMessage, Peers: 4, Threads: 4, Reactors: 2,
		},
	}
	for _, n := range connections {
		all = append(all, Workload{
			Name: fmt.Sprintf("growth/connections/%d", n), Pattern: PushPull, Transport: TCP, Size: smallMessage, Conns: n,
			Warmup: manyWarmup + time.Duration(n)*connectTime, Plot: "growth/connections", X: float64(n), Pairs: curvePairs,
		})
	}
	for _, n := range manyTopics {
		all = append(all, Workload{
			Name: fmt.Sprintf("growth/subscriptions/%d", n), Pattern: PubSub, Transport: TCP, Size: smallMessage, Topics: n,
			Warmup: manyWarmup, Plot: "growth/subscriptions", X: float64(n), Pairs: curvePairs,
		})
	}
	for _, n := range manySockets {
		all = append(all, Workload{
			Name: fmt.Sprintf("growth/sockets/%d", n), Pattern: PushPull, Transport: Inproc, Size: smallMessage, Peers: n,
			Warmup: manyWarmup, Plot: "growth/sockets", X: float64(n), Pairs: curvePairs,
		})
	}
	return all
}

// Only returns the workloads whose names match a regular expression.
func Only(all []Workload, pattern string) ([]Workload, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	var some []Workload
	for _, w := range all {
		if re.MatchString(w.Name) {
			some = append(some, w)
		}
	}
	if len(some) == 0 {
		return nil, fmt.Errorf("no workload's name matches %q", pattern)
	}
	return some, nil
}

// Tiny returns w made so small that a test may run it: it still has every
// socket, connection and role of its kind, though fewer.
func (w Workload) Tiny() Workload {
	w = w.Normal()
	w.Peers, w.Conns, w.Topics = min(w.Peers, 8), min(w.Conns, 8), min(w.Topics, 50)
	w.Warmup, w.Duration, w.Settle = 5*time.Millisecond, 20*time.Millisecond, min(w.Settle, time.Millisecond)
	w.Rate = min(w.Rate, 1000)
	if w.Pattern == Multicast {
		w.Cast = w.Cast.tiny(w)
	}
	return w
}
