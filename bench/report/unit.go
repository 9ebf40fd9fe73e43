package report

import (
	"math"
	"strconv"

	"github.com/zeroring/zeroring/bench"
)

// noBreak is a space that lines do not break at, between a number and its unit.
const noBreak = "\u00a0"

var (
	decimal = []string{"", "k", "M", "G", "T"}
	binary  = []string{"B", "KiB", "MiB", "GiB", "TiB"}
	seconds = []string{"ns", "µs", "ms", "s"}
)

// human writes a figure in a unit whose number is short.
func human(u bench.Unit, v float64) string {
	switch u {
	case bench.PerSecond:
		number, prefix := scale(v, 1000, decimal)
		if prefix != "" {
			number += noBreak
		}
		return number + prefix + "/s"
	case bench.Nanosec:
		number, unit := scale(v, 1000, seconds)
		return number + noBreak + unit
	case bench.Octets:
		number, unit := scale(v, 1024, binary)
		return number + noBreak + unit
	default:
		return digits(v)
	}
}

// scale divides v by step until it is below it, and returns it with the prefix
// that stands for that.
func scale(v, step float64, prefixes []string) (number, prefix string) {
	i := 0
	// What would be rounded up to step counts as step.
	for v >= step-0.5 && i+1 < len(prefixes) {
		v /= step
		i++
	}
	return digits(v), prefixes[i]
}

// digits writes three significant digits, without an exponent.
func digits(v float64) string {
	switch a := math.Abs(v); {
	case a == 0:
		return "0"
	case a < 0.0005:
		return "<0.001"
	case a < 0.9995:
		return strconv.FormatFloat(v, 'f', 3, 64)
	case a < 9.995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case a < 99.95:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
}

// short writes a number of an axis, such as 10k.
func short(v, step float64, prefixes []string) string {
	i := 0
	for v >= step && i+1 < len(prefixes) {
		v /= step
		i++
	}
	return strconv.FormatFloat(v, 'g', 4, 64) + prefixes[i]
}

// times writes a ratio.
func times(v float64) string { return digits(v) + "×" }

// between writes a range of ratios.
func between(low, high float64) string { return digits(low) + "–" + digits(high) }
