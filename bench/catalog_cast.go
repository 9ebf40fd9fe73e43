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

	// A ramp goes from one rate to another in steps.
	rampFrom, rampTo = 20_000, 2_000_000 // messages a second
	rampStep         = 200 * time.Millisecond
)

func multicast() (all []Workload) {
	all = append(all, castThroughput()...)
	all = append(all, castLoss()...)
	all = append(all, castRamps()...)
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
		switch {
		case receivers > 3 || receivers == 2:
			w.Pairs = fewPairs
		case size != castCapital || t != EPGM:
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
	add := func(loss float64, receivers, pairs int, plot string, x float64) {
		all = append(all, Workload{
			Name:    fmt.Sprintf("multicast/loss/%s/%d", strconv.FormatFloat(loss, 'g', -1, 64), receivers),
			Pattern: Multicast, Transport: EPGM, Size: castSize, Peers: receivers, Rate: castRate, Plot: plot, X: x,
			Warmup: castWindow, Duration: 1200 * time.Millisecond, Pairs: pairs,
			Cast: Cast{Test: CastLatency, Switch: true, Loss: loss, Drain: 4 * time.Second},
		})
	}
	for _, loss := range []float64{0, 0.1, 1, 2, 5} {
		add(loss, 3, fewPairs, "multicast/loss", loss)
	}
	for _, receivers := range []int{1, 2, 4, 8, 16} {
		add(1, receivers, fewPairs, "multicast/loss/1", float64(receivers))
	}
	return all
}

// castRamps find what receivers can take. With the defaults it is one row.
func castRamps() (all []Workload) {
	var phases []Phase
	for rate := rampFrom; rate < rampTo; rate += rate / 3 {
		phases = append(phases, Phase{rate, rampStep})
	}
	for _, receivers := range []int{1, 2, 3, 8, 16} {
		all = append(all, Workload{
			Name: fmt.Sprintf("multicast/max/%d", receivers), Pattern: Multicast, Transport: EPGM, Size: castCapital,
			Peers: receivers, Plot: "multicast/max", X: float64(receivers), Warmup: rampStep, Duration: rampStep, Pairs: fewPairs,
			Cast: Cast{Test: CastRamp, Drain: 2 * time.Second, Phases: phases},
		})
	}
	defaults := all[2]
	defaults.Name, defaults.Plot, defaults.X, defaults.Cast.Defaults = "multicast/max/defaults/3", "", 0, true
	return append(all, defaults)
}

// castOverload has receivers that can take half of what comes for two seconds:
// since they are slow, or because their link is.
func castOverload() []Workload {
	const capacity = 20_000 // messages a second
	w := Workload{
		Pattern: Multicast, Transport: EPGM, Size: 1 << 10, Peers: 1, Pairs: fewPairs,
		Warmup: 500 * time.Millisecond, Duration: 4 * time.Second,
		Cast: Cast{Test: CastOverload, Switch: true, Drain: 4 * time.Second, Defaults: true, Phases: []Phase{
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
		Warmup: castWindow, Duration: 1200 * time.Millisecond, Pairs: curvePairs, Cast: Cast{Test: CastLatency},
	})
	for _, limit := range []struct {
		name string
		bits int64
	}{{"100M", 100_000_000}, {"1G", 1_000_000_000}} {
		all = append(all, Workload{
			Name: "multicast/pace/" + limit.name, Pattern: Multicast, Transport: EPGM, Size: 1 << 10, Peers: 1, Pairs: curvePairs,
			Warmup: castWindow, Duration: 1200 * time.Millisecond, Cast: Cast{Test: CastPace, Limit: limit.bits, Defaults: true}, // queues that are short end soon
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
