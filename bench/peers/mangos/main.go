// Command mangos does the benchmark's jobs with go.nanomsg.org/mangos/v3, which
// has nanomsg's protocols rather than ZeroMQ's.
package main

import (
	"fmt"
	"math"
	"time"

	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/protocol/pub"
	"go.nanomsg.org/mangos/v3/protocol/pull"
	"go.nanomsg.org/mangos/v3/protocol/push"
	"go.nanomsg.org/mangos/v3/protocol/rep"
	"go.nanomsg.org/mangos/v3/protocol/req"
	"go.nanomsg.org/mangos/v3/protocol/sub"
	"go.nanomsg.org/mangos/v3/protocol/xpull"
	"go.nanomsg.org/mangos/v3/protocol/xpush"

	"github.com/zeroring/zeroring/bench"
	"github.com/zeroring/zeroring/bench/peers/internal/peer"
)

func main() { bench.Main(driver{}) }

type driver struct{}

var sockets = map[bench.Kind]func() (mangos.Socket, error){
	bench.Pusher: push.NewSocket, bench.Puller: pull.NewSocket,
	bench.Publisher: pub.NewSocket, bench.Subscriber: sub.NewSocket,
	bench.Requester: req.NewSocket, bench.Replier: rep.NewSocket,
}

// raw are the sockets that mangos.Device forwards between.
var raw = map[bench.Kind]func() (mangos.Socket, error){
	bench.Pusher: xpush.NewSocket, bench.Puller: xpull.NewSocket,
}

func (driver) About(j bench.Job) bench.About {
	settings := []string{
		"NewMessage, SendMsg, RecvMsg and Free, which reuse messages",
		fmt.Sprintf("WRITEQ-LEN and READQ-LEN %d, MAX-RCV-SIZE 0", j.HWM),
	}
	switch j.Pattern {
	case bench.PubSub:
		settings = append(settings, "PUB waits for room in the queue of its slowest connection, and SUB reads when it has room: its transports count")
	case bench.ReqRep:
		settings = append(settings, "RETRY-TIME 0, which saves a timer for each request")
	case bench.Proxy:
		settings = append(settings, "mangos.Device between raw sockets")
	}
	return bench.About{
		Version: peer.Version("go.nanomsg.org/mangos/v3"), Backend: peer.Netpoller, Settings: settings,
	}
}

func (driver) Open(k bench.Kind, j bench.Job) (bench.Link, error) {
	open, ok := sockets[k]
	if !ok {
		return nil, peer.NotSupported("DEALER and ROUTER: nanomsg has no such protocols")
	}
	if j.Role == bench.RoleProxy {
		open = raw[k]
	}
	s, err := open()
	if err != nil {
		return nil, err
	}
	l := &link{kind: k, socket: s, topics: max(1, j.Topics), hwm: max(1, j.HWM)}
	l.changed.L = &l.mu
	l.gates.Store(new([]*gate))
	switch k {
	case bench.Pusher:
		l.gate = newGate(math.MaxInt) // only to see that it is empty
	case bench.Subscriber:
		l.gate = newGate(l.hwm)
	}
	links.Store(s, l)
	s.SetPipeEventHook(l.hook)
	for name, value := range options(k, l.hwm) {
		if err := s.SetOption(name, value); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return l, nil
}

func options(k bench.Kind, hwm int) map[string]any {
	o := map[string]any{mangos.OptionMaxRecvSize: 0}
	switch k {
	case bench.Pusher, bench.Publisher, bench.Replier:
		o[mangos.OptionWriteQLen] = hwm
	case bench.Puller, bench.Subscriber:
		o[mangos.OptionReadQLen] = hwm
	case bench.Requester:
		o[mangos.OptionRetryTime] = time.Duration(0)
	}
	return o
}

// Proxy is mangos.Device, which forwards until a socket is closed.
func (driver) Proxy(front, back bench.Link, stop <-chan struct{}) error {
	if err := mangos.Device(front.(*link).socket, back.(*link).socket); err != nil {
		return err
	}
	<-stop
	return front.Close()
}
