package term

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Group writes a number with its thousands apart.
func Group(n int64) string {
	if n < 0 {
		return "-" + Group(-n)
	}
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Octets writes a number of octets with a unit.
func Octets(n float64) string {
	for _, unit := range []string{"B", "kB", "MB"} {
		if n < 1000 {
			return fmt.Sprintf("%.3g %s", n, unit)
		}
		n /= 1000
	}
	return fmt.Sprintf("%.2f GB", n)
}

// Short writes a duration with three digits and the unit that suits it.
func Short(ns int64) string {
	switch d := time.Duration(ns); {
	case d < time.Microsecond:
		return fmt.Sprintf("%d ns", d)
	case d < time.Millisecond:
		return digits(float64(d)/1e3) + " µs"
	case d < time.Second:
		return digits(float64(d)/1e6) + " ms"
	default:
		return digits(float64(d)/1e9) + " s"
	}
}

func digits(v float64) string {
	switch {
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.0f", v)
	}
}

// Width is how many columns s takes: one for each character.
func Width(s string) int { return utf8.RuneCountInString(s) }

// Fit cuts or pads s to exactly n columns.
func Fit(s string, n int) string {
	if w := Width(s); w <= n {
		return s + strings.Repeat(" ", n-w)
	}
	r := []rune(s)
	return string(r[:n-1]) + "…"
}

// Right pads s on the left to n columns.
func Right(s string, n int) string {
	return strings.Repeat(" ", max(n-Width(s), 0)) + s
}

// Bar draws how much of something is done.
func Bar(done float64, n int) string {
	full := int(min(max(done, 0), 1) * float64(n))
	return strings.Repeat("█", full) + strings.Repeat("░", n-full)
}

// Spark draws values, the last n of them, as a line of columns.
func Spark(values []float64, n int) string {
	const columns = "▁▂▃▄▅▆▇█"
	steps := []rune(columns)
	values = values[max(len(values)-n, 0):]
	top := 0.0
	for _, v := range values {
		top = max(top, v)
	}
	line := make([]rune, len(values))
	for i, v := range values {
		line[i] = steps[0]
		if top > 0 {
			line[i] = steps[int(v/top*float64(len(steps)-1)+0.5)]
		}
	}
	return string(line)
}
