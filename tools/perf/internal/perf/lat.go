package perf

import (
	"context"
	"fmt"
	"time"

	"github.com/zeroring/zeroring/socket"
)

const latEndpoint = "inproc://lat_test"

// localLat sends back what it gets.
func localLat(ctx context.Context, r *run) error {
	rep, err := socket.NewRep(r.options())
	if err != nil {
		return err
	}
	at, err := rep.Bind(r.endpoint)
	if err == nil {
		r.bound(at)
		err = r.echo(ctx, rep)
	}
	return closed(rep, err) // only now is the last reply sent
}

func (r *run) echo(ctx context.Context, rep *socket.Rep) error {
	for range r.count {
		m, err := rep.Recv(ctx)
		if err != nil {
			return err
		}
		if m.Len() != 1 || len(m.Frame(0)) != r.size {
			m.Release()
			return errSize
		}
		if err := rep.Send(ctx, m); err != nil {
			m.Release()
			return err
		}
	}
	return nil
}

// remoteLat sends and waits for its message to come back, and says how long
// one way took.
func remoteLat(ctx context.Context, r *run) error {
	req, err := socket.NewReq(r.options())
	if err != nil {
		return err
	}
	var elapsed float64
	if err = req.Connect(r.endpoint); err == nil {
		elapsed, err = r.pingPong(ctx, req)
	}
	if err = closed(req, err); err != nil {
		return err
	}
	r.printRoundTrips()
	r.printLatency(elapsed)
	return nil
}

// pingPong returns the microseconds that all round trips took.
func (r *run) pingPong(ctx context.Context, req *socket.Req) (float64, error) {
	body := make([]byte, r.size)
	start := time.Now()
	for range r.count {
		if err := req.SendBytes(ctx, body); err != nil {
			return 0, err
		}
		if err := r.check(req.Recv(ctx)); err != nil {
			return 0, err
		}
	}
	return since(start), nil
}

func (r *run) printRoundTrips() {
	fmt.Fprintf(r.out, "message size: %d [B]\n", r.size)
	fmt.Fprintf(r.out, "roundtrip count: %d\n", r.count)
}

func (r *run) printLatency(elapsed float64) {
	fmt.Fprintf(r.out, "average latency: %.3f [us]\n", elapsed/float64(2*r.count))
}

// inprocLat is both sides in one process. As with libzmq, it is the REQ that
// binds.
func inprocLat(ctx context.Context, r *run) error {
	req, err := socket.NewReq(r.options())
	if err != nil {
		return err
	}
	defer req.Close()
	if _, err := req.Bind(latEndpoint); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	echoed := r.beside(ctx, cancel, func(ctx context.Context) error {
		rep, err := socket.NewRep(r.options())
		if err != nil {
			return err
		}
		if err = rep.Connect(latEndpoint); err == nil {
			err = r.echo(ctx, rep)
		}
		return closed(rep, err)
	})
	r.printRoundTrips()
	elapsed, err := r.pingPong(ctx, req)
	if err := echoed(err); err != nil {
		return err
	}
	r.printLatency(elapsed)
	return nil
}
