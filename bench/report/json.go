package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/zeroring/zeroring/bench"
)

// JSON writes a report so that [Read] reads it.
func JSON(w io.Writer, r *bench.Report) error {
	b, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// Read reads a report, and says all that is wrong with it if anything is.
func Read(r io.Reader) (*bench.Report, error) {
	report := new(bench.Report)
	d := json.NewDecoder(r)
	if err := d.Decode(report); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("report: something follows it")
	}
	if err := check(report); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return report, nil
}

// check returns what is wrong with a report.
func check(r *bench.Report) error {
	var wrong []error
	workloads := make(map[string]bench.Workload)
	for _, w := range r.Workloads {
		if _, ok := workloads[w.Name]; ok {
			wrong = append(wrong, fmt.Errorf("workload %q is there twice", w.Name))
		}
		workloads[w.Name] = w
		wrong = append(wrong, w.Normal().Check())
	}
	systems := make(map[string]bool)
	for _, s := range r.Systems {
		if s.Name == "" || systems[s.Name] {
			wrong = append(wrong, fmt.Errorf("system %q has no name, or another's", s.Name))
		}
		systems[s.Name] = true
	}
	if r.Baseline != "" && !systems[r.Baseline] {
		wrong = append(wrong, fmt.Errorf("the baseline %q is not among the systems", r.Baseline))
	}
	type key struct {
		workload, system string
		pair             int
	}
	seen := make(map[key]bool)
	for i := range r.Results {
		res := &r.Results[i]
		k := key{res.Workload, res.System, res.Pair}
		w, ok := workloads[res.Workload]
		switch {
		case !ok:
			wrong = append(wrong, fmt.Errorf("result %d is of workload %q, which is not listed", i, res.Workload))
		case !systems[res.System]:
			wrong = append(wrong, fmt.Errorf("result %d is of system %q, which is not listed", i, res.System))
		case seen[k]:
			wrong = append(wrong, fmt.Errorf("result %d is another of %s by %s in pair %d", i, k.workload, k.system, k.pair))
		default:
			wrong = append(wrong, checkResult(w, res))
		}
		seen[k] = true
	}
	return errors.Join(wrong...)
}

// checkResult returns what is wrong with a result: it must have what its
// workload is about, unless it failed.
func checkResult(w bench.Workload, r *bench.Result) error {
	negative := r.Pair < 0 || r.Messages < 0 || r.Window < 0 || r.Connected < 0 || r.ConnMemory < 0
	for _, p := range r.Processes {
		negative = negative || p.Messages < 0 || p.CPU < 0 || p.RSS < 0 || p.GCPause < 0
	}
	if negative {
		return fmt.Errorf("%s by %s in pair %d has a number below zero", r.Workload, r.System, r.Pair)
	}
	if r.Fail != "" {
		return nil
	}
	// The first metric is what the workload is about.
	if m := bench.Metrics(w)[0]; !has(m, w, r) {
		return fmt.Errorf("%s by %s in pair %d did not fail, and has no %s", r.Workload, r.System, r.Pair, m.Name)
	}
	return nil
}

func has(m bench.Metric, w bench.Workload, r *bench.Result) bool {
	_, ok := m.Of(w, r)
	return ok
}
