package perf

import (
	"context"
	"fmt"
	"time"

	"github.com/zeroring/zeroring/socket"
)

const thrEndpoint = "inproc://thr_test"

// localThr receives, and says how fast.
func localThr(ctx context.Context, r *run) error {
	pull, err := socket.NewPull(r.options())
	if err != nil {
		return err
	}
	defer pull.Close()
	at, err := pull.Bind(r.endpoint)
	if err != nil {
		return err
	}
	r.bound(at)
	elapsed, err := r.drain(ctx, pull)
	if err != nil {
		return err
	}
	throughput := float64(r.count) / elapsed * 1e6
	r.printMessages()
	r.printThroughput(throughput, throughput*float64(r.size)*8/1e6)
	return nil
}

// drain receives all messages and returns the microseconds since the first.
func (r *run) drain(ctx context.Context, pull *socket.Pull) (float64, error) {
	if err := r.check(pull.Recv(ctx)); err != nil {
		return 0, err
	}
	start := time.Now()
	for range r.count - 1 {
		if err := r.check(pull.Recv(ctx)); err != nil {
			return 0, err
		}
	}
	return since(start), nil
}

func (r *run) printMessages() {
	fmt.Fprintf(r.out, "message size: %d [B]\n", r.size)
	fmt.Fprintf(r.out, "message count: %d\n", r.count)
}

func (r *run) printThroughput(messages, megabits float64) {
	fmt.Fprintf(r.out, "mean throughput: %d [msg/s]\n", int64(messages))
	fmt.Fprintf(r.out, "mean throughput: %.3f [Mb/s]\n", megabits)
}

// remoteThr sends. Closing the socket waits until all is sent.
func remoteThr(ctx context.Context, r *run) error {
	push, err := socket.NewPush(r.options())
	if err != nil {
		return err
	}
	err = push.Connect(r.endpoint)
	if err == nil {
		err = r.flood(ctx, push)
	}
	return closed(push, err)
}

func (r *run) flood(ctx context.Context, push *socket.Push) error {
	body := make([]byte, r.size)
	for range r.count {
		if err := push.SendBytes(ctx, body); err != nil {
			return err
		}
	}
	return nil
}

// inprocThr is both sides in one process.
func inprocThr(ctx context.Context, r *run) error {
	pull, err := socket.NewPull(r.options())
	if err != nil {
		return err
	}
	defer pull.Close()
	if _, err := pull.Bind(thrEndpoint); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	sender := *r
	sender.endpoint = thrEndpoint
	sent := r.beside(ctx, cancel, func(ctx context.Context) error { return remoteThr(ctx, &sender) })
	r.printMessages()
	elapsed, err := r.drain(ctx, pull)
	if err := sent(err); err != nil {
		return err
	}
	// libzmq rounds before it multiplies, here and not in local_thr.
	throughput := float64(int64(float64(r.count) / elapsed * 1e6))
	r.printThroughput(throughput, throughput*float64(r.size)*8/1e6)
	return nil
}

// beside runs the other side of an inproc program. If that fails, it cancels
// the context so that this side ends too. The function it returns waits for the
// other side and says what went wrong first, given how this side ended.
func (r *run) beside(ctx context.Context, cancel context.CancelCauseFunc, other func(context.Context) error) func(error) error {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := other(ctx); err != nil {
			cancel(err)
		}
	}()
	return func(err error) error {
		if err != nil {
			cancel(err)
		}
		<-ended
		return context.Cause(ctx)
	}
}
