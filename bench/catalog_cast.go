package bench

import (
	"fmt"
	"strconv"
	"time"
)

// This file has the standard workloads of multicast. Each is of a few seconds at
// most, as there are many.

const (
	castSize    = 256 // octets of messages whose latency is measured
	castRate    = 20_000
	castWindow  = 400 * time.Millisecond
	castCapital = 1 << 10 // octets where throughput is compared by receivers
)

func multicast() (all []Workload) {
	all = append(all, castThroughput()...)
	all = append(all, castLoss()...)
	all = append(all, castOverload()...)
	return append(all, castOthers()...)
}

func castThroughput() (all []Workload) {
	add := func(t Transport, size, receivers int) {
		w := Workload{
			Name: fmt.Sprintf("multicast/thr/%s/%d/%d", t, size, receivers), Pattern: Multicast, Transport: t,
			Size: size, Peers: receivers, Warmup: manyWarmup, Duration: castWindow, Cast: Cast{Test: CastThroughput},
		}
		if t == EPGM && size == castCapital {
			w.Plot, w.X = "multicast/thr/epgm/1024", float64(receivers)
		}
		if receivers > 3 || receivers == 2 {
			w.Pairs = curvePairs
		}
		all = append(all, w)
	}
	for _, size := range []int{64, 256} {
		add(EPGM, size, 1)
		add(EPGM, size, 3)
	}
	for _, receivers := range []int{1, 2, 3, 8, 16} {
		add(EPGM, castCapital, receivers)
	}
	add(PGM, castCapital, 1)
	add(PGM, castCapital, 3)
	return all
}

func castLoss() (all []Workload) {
	add := func(loss float64, receivers int, plot string, x float64) {
		all = append(all, Workload{
			Name:    fmt.Sprintf("multicast/loss/%s/%d", strconv.FormatFloat(loss, 'g', -1, 64), receivers),
			Pattern: Multicast, Transport: EPGM, Size: castSize, Peers: receivers, Rate: castRate, Plot: plot, X: x,
			Warmup: castWindow, Duration: 1500 * time.Millisecond, Pairs: curvePairs,
			Cast: Cast{Test: CastLatency, Switch: true, Loss: loss, Drain: 4 * time.Second},
		})
	}
	for _, loss := range []float64{0, 0.1, 1, 2, 5} {
		add(loss, 3, "multicast/loss", loss)
	}
	for _, receivers := range []int{1, 2, 4, 8, 16} {
		add(1, receivers, "multicast/loss/1", float64(receivers))
	}
	return all
}

// castOverload has receivers that can take half of what comes for two seconds:
// since they are slow, or because their link is.
func castOverload() []Workload {
	const capacity = 20_000 // messages a second
	w := Workload{
		Pattern: Multicast, Transport: EPGM, Size: 1 << 10, Peers: 1, Pairs: fewPairs,
		Warmup: 500 * time.Millisecond, Duration: 4 * time.Second,
		Cast: Cast{Test: CastOverload, Switch: true, Drain: 2 * time.Second, Defaults: true, Phases: []Phase{
			{capacity / 2, 500 * time.Millisecond}, {2 * capacity, 2 * time.Second}, {capacity / 2, time.Second}, {capacity / 2, time.Second},
		}},
	}
	slow, narrow := w, w
	slow.Name, slow.Cast.Take = "multicast/overload/receiver", capacity
	narrow.Name, narrow.Cast.Link = "multicast/overload/link", capacity*8*(1<<10+castOverhead)
	return []Workload{slow, narrow}
}

func castOthers() (all []Workload) {
	all = append(all, Workload{
		Name: "multicast/lat/1000", Pattern: Multicast, Transport: EPGM, Size: castSize, Peers: 3, Rate: 1000,
		Warmup: castWindow, Duration: 1500 * time.Millisecond, Cast: Cast{Test: CastLatency},
	})
	highest := Workload{
		Name: "multicast/max/3", Pattern: Multicast, Transport: EPGM, Size: 1 << 10, Peers: 3, Pairs: fewPairs,
		Warmup: castWindow, Duration: 2 * time.Second,
		Cast: Cast{Test: CastRamp, Drain: 2 * time.Second, Defaults: true},
	}
	for rate := 20_000; rate < 600_000; rate += rate / 4 {
		highest.Cast.Phases = append(highest.Cast.Phases, Phase{rate, castWindow})
	}
	alone := highest
	alone.Name, alone.Peers, alone.Cast.Defaults = "multicast/max/1", 1, false
	all = append(all, highest, alone)
	for _, limit := range []struct {
		name string
		bits int64
	}{{"100M", 100_000_000}, {"1G", 1_000_000_000}} {
		all = append(all, Workload{
			Name: "multicast/pace/" + limit.name, Pattern: Multicast, Transport: EPGM, Size: 1 << 10, Peers: 1, Pairs: curvePairs,
			Warmup: castWindow, Duration: 1500 * time.Millisecond, Cast: Cast{Test: CastPace, Limit: limit.bits},
		})
	}
	join := Workload{
		Name: "multicast/join", Pattern: Multicast, Transport: EPGM, Size: castSize, Peers: 1, Rate: 1000, Pairs: curvePairs,
		Warmup: castWindow, Duration: time.Second, Cast: Cast{Test: CastJoin, Late: time.Second},
	}
	past := join
	past.Name, past.Rate, past.Cast.History, past.Cast.Limit = "multicast/join/past", 10_000, 8000, 1_000_000_000
	return append(all, join, past)
}
