package term

import "testing"

func TestFormats(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Group(0), "0"}, {Group(999), "999"}, {Group(1000), "1,000"}, {Group(1234567), "1,234,567"}, {Group(-12345), "-12,345"},
		{Octets(0), "0 B"}, {Octets(999), "999 B"}, {Octets(1500), "1.5 kB"}, {Octets(5.39e6), "5.39 MB"}, {Octets(2.5e9), "2.50 GB"},
		{Short(999), "999 ns"}, {Short(1500), "1.50 µs"}, {Short(31_400), "31.4 µs"}, {Short(582_000), "582 µs"},
		{Short(1_160_000), "1.16 ms"}, {Short(212 * 1e6), "212 ms"}, {Short(9.06e9), "9.06 s"},
		{Fit("abc", 5), "abc  "}, {Fit("abcdef", 4), "abc…"}, {Fit("µµ", 3), "µµ "},
		{Right("µs", 4), "  µs"}, {Right("abc", 2), "abc"},
		{Bar(0, 4), "░░░░"}, {Bar(0.5, 4), "██░░"}, {Bar(7, 4), "████"}, {Bar(-1, 4), "░░░░"},
		{Spark(nil, 4), ""}, {Spark([]float64{0, 0}, 4), "▁▁"}, {Spark([]float64{9, 0, 4, 7}, 3), "▁▅█"},
	} {
		if c.got != c.want {
			t.Errorf("%q, not %q", c.got, c.want)
		}
	}
}
