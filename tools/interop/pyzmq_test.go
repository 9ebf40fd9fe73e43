package interop

import "testing"

// TestPyzmq runs the rows of the matrix against pyzmq, with fewer messages:
// Python is slow, and what is under it is libzmq again.
func TestPyzmq(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		python := startPython(t)
		for _, r := range rows("tcp", "ipc") {
			t.Run(r.name(), func(t *testing.T) {
				python.t = t
				l := r.connect(t, us, python)
				for _, msg := range corpus() {
					l.exchange(msg)
				}
				l.close()
				r.opts.unlimited = true
				l = r.connect(t, us, python)
				l.bulk(shape{300, 24, 5, 3})
				l.close()
			})
		}
	})
}
