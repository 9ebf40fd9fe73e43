package report

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/zeroring/zeroring/bench"
)

// HGRM writes a file for each workload and system whose latencies were timed,
// into dir, which it makes: <workload>.<system>.hgrm, with _ for / and for
// whatever else names do not have. The latencies are those of all runs that
// did not fail.
func HGRM(dir string, r *bench.Report) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	written := make(map[string]bool)
	for _, row := range bench.Compare(r) {
		if row.Latencies == nil {
			continue
		}
		name := fileName(row.Workload.Name) + "." + fileName(row.System) + ".hgrm"
		if written[name] {
			return fmt.Errorf("two workloads would be in one file, %s", name)
		}
		written[name] = true
		if err := writeHGRM(filepath.Join(dir, name), row.Latencies); err != nil {
			return err
		}
	}
	return nil
}

func writeHGRM(path string, l *bench.Latencies) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	err = l.WriteHGRM(f)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// fileName keeps what cannot lead out of a directory.
func fileName(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '.':
			return r
		default:
			return '_'
		}
	}, s)
}
