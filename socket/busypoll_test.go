package socket

import (
	"context"
	"runtime"
	"testing"
)

func TestPollersLeaveAProcessor(t *testing.T) {
	for processors := 1; processors < 100; processors++ {
		callers, reactors := pollers(processors)
		if callers < 0 || reactors < 0 || callers+reactors != processors-1 {
			t.Errorf("of %d processors %d and %d poll", processors, callers, reactors)
		}
		if processors < manyProcessors && reactors > 0 {
			t.Errorf("%d reactors poll, on %d processors", reactors, processors)
		}
	}
}

// TestBusyPoll has more callers than may poll wait for messages: all get theirs,
// and their contexts and Close end their calls.
func TestBusyPoll(t *testing.T) {
	e, err := NewEngine(&EngineOptions{BusyPoll: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	count := runtime.GOMAXPROCS(0) + 1
	asked, ended := make(chan error), make(chan error)
	var echoes []*Pair
	for range count {
		near, far := busyPair(t, e)
		echoes = append(echoes, far)
		go func() { ended <- echoAll(far) }()
		go func() {
			asked <- askSome(near)
			_, err := near.Recv(ctx)
			ended <- err
		}()
	}
	for range count {
		if err := <-asked; err != nil {
			t.Error(err)
		}
	}
	cancel()
	for range count {
		if err := <-ended; err != context.Canceled {
			t.Errorf("%v, want that the context is cancelled", err)
		}
	}
	for _, s := range echoes {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != ErrClosed {
			t.Errorf("%v, want that it is closed", err)
		}
	}
	if n := e.polling.Load(); n != 0 {
		t.Errorf("%d still poll", n)
	}
}

// busyPair returns two sockets of e that are connected.
func busyPair(t *testing.T, e *Engine) (near, far *Pair) {
	t.Helper()
	var ends [2]*Pair
	for i := range ends {
		var err error
		if ends[i], err = NewPair(&Options{Engine: e}); err != nil {
			t.Fatal(err)
		}
	}
	at, err := ends[0].Bind("tcp://127.0.0.1:*")
	if err != nil {
		t.Fatal(err)
	}
	if err := ends[1].Connect(at); err != nil {
		t.Fatal(err)
	}
	return ends[1], ends[0]
}

func echoAll(s *Pair) error {
	for {
		m, err := s.Recv(context.Background())
		if err != nil {
			return err
		}
		if err := s.Send(context.Background(), m); err != nil {
			return err
		}
	}
}

func askSome(s *Pair) error {
	for range 200 {
		if err := s.SendBytes(context.Background(), []byte("question")); err != nil {
			return err
		}
		m, err := s.Recv(context.Background())
		if err != nil {
			return err
		}
		m.Release()
	}
	return nil
}
