package lab

import "os"

// TB is what Start needs of a testing.TB.
type TB interface {
	Helper()
	Cleanup(func())
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
}

// Start makes a laboratory for a test, closes it when the test ends, and prints
// the seed. If this machine lacks something the test is skipped and says what; it
// fails instead where CI=true, whose machine is ours.
func Start(t TB, c Config) *Lab {
	t.Helper()
	if err := Missing(c.Fabric); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no laboratory here: %v", err)
		}
		t.Skipf("no laboratory here: %v", err)
	}
	l, err := New(c)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(l.Close)
	t.Logf("%d hosts on a %v, seed %d", c.Hosts, c.Fabric, c.Seed)
	return l
}
