package socket

import (
	"context"
	"io"
	"log/slog"
	"testing"
)

// quiet is a logger for tests and benchmarks.
var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// BenchmarkInprocPath is what a message costs in instructions alone: one
// goroutine sends half a high-water mark of messages and then receives them,
// so nothing ever waits.
func BenchmarkInprocPath(b *testing.B) {
	e, err := NewEngine(&EngineOptions{Logger: quiet})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	pull, err := NewPull(&Options{Engine: e})
	if err != nil {
		b.Fatal(err)
	}
	push, err := NewPush(&Options{Engine: e})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := pull.Bind("inproc://path"); err != nil {
		b.Fatal(err)
	}
	if err := push.Connect("inproc://path"); err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	body := make([]byte, 64)
	b.ReportAllocs()
	const batch = 500
	for i := 0; i < b.N; i += batch {
		for range batch {
			if err := push.SendBytes(ctx, body); err != nil {
				b.Fatal(err)
			}
		}
		for range batch {
			m, err := pull.Recv(ctx)
			if err != nil {
				b.Fatal(err)
			}
			m.Release()
		}
	}
}
