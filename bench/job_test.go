package bench_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/zeroring/zeroring/bench"
)

func TestJobArgs(t *testing.T) {
	j := bench.Job{
		Role: bench.RoleSend, Pattern: bench.PubSub, Transport: bench.IPC, Bind: "ipc:///x/*",
		Connect: []string{"a", "b"}, Size: 64, Sockets: 2, Ordered: true, Warmup: 5, BusyPoll: true,
	}
	got, err := bench.ParseJob(j.Args())
	if err != nil || !reflect.DeepEqual(got, j) {
		t.Errorf("%v became %+v, %v", j.Args(), got, err)
	}
	for args, want := range map[string]string{
		"colour=red": `no key "colour"`,
		"size=big":   `argument "size=big"`,
		"":           `no key ""`,
	} {
		if _, err := bench.ParseJob([]string{args}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", args, err)
		}
	}
}

func TestWorkloadCheck(t *testing.T) {
	good := bench.Workload{Name: "w", Pattern: bench.PushPull, Transport: bench.TCP, Size: 64}
	if err := good.Normal().Check(); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(*bench.Workload){
		"a name has":        func(w *bench.Workload) { w.Name = "a b" },
		"no pattern":        func(w *bench.Workload) { w.Pattern = "x" },
		"no transport":      func(w *bench.Workload) { w.Transport = "x" },
		"size 7 is not":     func(w *bench.Workload) { w.Size = 7 },
		"size 9 is that":    func(w *bench.Workload) { w.Size = 9 },
		"only round trips":  func(w *bench.Workload) { w.Rate = 1 },
		"not negative":      func(w *bench.Workload) { w.Gap = -1 },
		"exclude each":      func(w *bench.Workload) { w.Pattern, w.Gap, w.Rate = bench.ReqRep, 1, 1 },
		"is for processes":  func(w *bench.Workload) { w.Pattern, w.Transport = bench.Proxy, bench.Inproc },
		"size 16 is not":    func(w *bench.Workload) { w.Pattern, w.Size = bench.ReqRep, 16 },
		"topics, more than": func(w *bench.Workload) { w.Pattern, w.Topics = bench.PubSub, 2_000_000 },
	} {
		w := good.Normal()
		spoil(&w)
		if err := w.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q was expected, not %v", want, err)
		}
	}
	for _, w := range bench.Standard() {
		if err := w.Normal().Check(); err != nil {
			t.Error(err)
		}
		if err := w.Tiny().Check(); err != nil {
			t.Error(err)
		}
	}
}
