package socket

import (
	"context"
	"sync"
	"time"
)

// Proxy forwards whole messages between two sockets, in both directions as far
// as their types go, until ctx is done or one of them is closed. It returns nil
// then, and otherwise the error of the call that failed.
//
//	ROUTER front, DEALER back   requests to many workers, and replies
//	XSUB front, XPUB back       messages forward, subscriptions backward
//	PULL front, PUSH back       a pipeline's streamer
//
// A copy of each message goes to capture, unless that is nil: a PUSH, PUB, PAIR
// or DEALER. A message waits for room at its target before the next is received,
// so high-water marks hold from end to end. A capture that is full loses
// messages rather than slow the proxy down.
//
// A message that waits for room when the proxy is to end is given the target's
// Linger to find some, but a second at most. Then it is lost.
func Proxy(ctx context.Context, front, back, capture *Socket) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var both sync.WaitGroup
	errs := make([]error, 2)
	for i, way := range [][2]*Socket{{front, back}, {back, front}} {
		from, to := way[0], way[1]
		if !from.typ.receives() || !to.typ.sends() || i == 1 && front == back {
			continue
		}
		both.Go(func() {
			defer cancel()
			errs[i] = forward(ctx, from, to, capture)
		})
	}
	both.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// forward is one direction of a Proxy.
func forward(ctx context.Context, from, to, capture *Socket) error {
	for {
		m, err := from.Recv(ctx)
		if err == nil {
			if capture != nil {
				_ = capture.TrySendParts(m.parts()...)
			}
			if err = sendOn(ctx, to, m); err == nil {
				continue
			}
			m.Release()
		}
		if ctx.Err() != nil || err == ErrClosed {
			return nil
		}
		return err
	}
}

// lastWait is the most time that a proxy which is to end spends on the message
// that it holds. Tests change it.
var lastWait = time.Second

// sendOn sends m, which has been received and must not get lost because ctx ends.
func sendOn(ctx context.Context, to *Socket, m *Message) error {
	err := to.Send(ctx, m)
	if err == nil || err != ctx.Err() {
		return err
	}
	to.mu.Lock()
	patience := to.opts.Linger
	to.mu.Unlock()
	if patience < 0 || patience > lastWait {
		patience = lastWait
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	return to.Send(last, m)
}
