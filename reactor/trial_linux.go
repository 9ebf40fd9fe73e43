package reactor

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/zeroring/zeroring/ring"
	"golang.org/x/sys/unix"
)

// A trial puts a driver through everything it will be asked for, on sockets of
// its own: what a sandbox forbids or a kernel lacks shows only when it is used.
type trial struct {
	d     *uringDriver
	limit time.Time
	done  []completion // completions nobody awaited yet
	fds   []FD
	own   *ring.Buf // to receive into
}

func newTrial(d *uringDriver) *trial {
	return &trial{d: d, limit: d.now().Add(trialLimit), own: ring.NewBuf(minSlots)}
}

// tryUring reports whether a driver works that uses features.
func tryUring(features uringFeatures) error {
	d, err := openUring(features, minSlots)
	if err != nil {
		return err
	}
	t := newTrial(d)
	return errors.Join(t.run(), t.end())
}

// end takes back what is in flight, which is something if the trial failed, and
// gives everything back.
func (t *trial) end() error {
	for t.d.deaf == 0 && t.d.table.live() > 0 && t.d.now().Before(t.limit) {
		t.d.table.each(t.d.cancel)
		t.wait()
	}
	for _, c := range t.done {
		if c.op.Kind == OpAccept && c.result >= 0 { // came too late
			t.fds = append(t.fds, FD(c.result))
		}
	}
	for _, fd := range t.fds {
		unix.Close(int(fd))
	}
	if t.d.table.live() == 0 { // else the kernel may yet write into it
		t.own.Release()
	}
	return t.d.close()
}

func (t *trial) run() error {
	a, b, err := t.connect()
	if err != nil {
		return err
	}
	if err := t.exchange(a, b); err != nil {
		return fmt.Errorf("a round trip: %w", err)
	}
	if err := t.cancel(a); err != nil {
		return fmt.Errorf("cancelling: %w", err)
	}
	for range 2 {
		t.d.wake()
		if t.wait(); !t.d.woken {
			return errors.New("waking did not work")
		}
	}
	return nil
}

// wait waits for anything to happen.
func (t *trial) wait() { t.done = t.d.wait(t.d.now(), t.limit, t.done) }

// await returns op's next result.
func (t *trial) await(op *Op) (int32, error) {
	for {
		for i, c := range t.done {
			if c.op == op {
				t.done = append(t.done[:i], t.done[i+1:]...)
				return c.result, ErrnoError(c.result)
			}
		}
		switch {
		case !t.d.now().Before(t.limit):
			return 0, errSilent
		case t.d.deaf != 0:
			return 0, fmt.Errorf("polling an eventfd: %w", ErrnoError(t.d.deaf))
		}
		t.wait()
	}
}

// connect makes two pairs of connected sockets through the driver and returns
// one of them.
func (t *trial) connect() (a, b FD, err error) {
	listener, err := t.socket()
	if err != nil {
		return NoFD, NoFD, err
	}
	if err := unix.Bind(int(listener), &unix.SockaddrUnix{}); err != nil { // any abstract name that is free
		return NoFD, NoFD, fmt.Errorf("bind: %w", err)
	}
	if err := unix.Listen(int(listener), 2); err != nil {
		return NoFD, NoFD, fmt.Errorf("listen: %w", err)
	}
	name, err := unix.Getsockname(int(listener))
	if err != nil {
		return NoFD, NoFD, fmt.Errorf("getsockname: %w", err)
	}
	at := Addr{Network: Unix, Path: name.(*unix.SockaddrUnix).Name}
	accept := &Op{Kind: OpAccept, FD: listener}
	t.d.submit(accept)
	for range 2 {
		if a, err = t.socket(); err != nil {
			return NoFD, NoFD, err
		}
		dial := &Op{Kind: OpConnect, FD: a, Addr: at}
		t.d.submit(dial)
		if _, err := t.await(dial); err != nil {
			return NoFD, NoFD, fmt.Errorf("connect: %w", err)
		}
		result, err := t.await(accept)
		if err != nil {
			return NoFD, NoFD, fmt.Errorf("accept: %w", err)
		}
		b = FD(result)
		t.fds = append(t.fds, b)
	}
	t.d.cancel(accept)
	if _, err := t.await(accept); !errors.Is(err, unix.ECANCELED) {
		return NoFD, NoFD, fmt.Errorf("accept: cancelled, got %v", err)
	}
	return a, b, nil
}

func (t *trial) socket() (FD, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return NoFD, fmt.Errorf("socket: %w", err)
	}
	t.fds = append(t.fds, FD(fd))
	return FD(fd), nil
}

// exchange sends from a to b in the ways there are to send and to receive.
func (t *trial) exchange(a, b FD) error {
	for _, gather := range [][][]byte{{[]byte("one")}, {[]byte("t"), []byte("wo")}} {
		for _, buf := range []*ring.Buf{nil, t.own} {
			recv := &Op{Kind: OpRecv, FD: b, Buf: buf}
			send := &Op{Kind: OpSend, FD: a, Bufs: gather}
			t.d.submit(recv)
			t.d.submit(send)
			if _, err := t.await(send); err != nil {
				return fmt.Errorf("send: %w", err)
			}
			n, err := t.await(recv)
			if err != nil {
				return fmt.Errorf("receive: %w", err)
			}
			got, want := string(recv.Buf.Data[:n]), string(bytes.Join(gather, nil))
			if buf == nil {
				recv.Buf.Release()
			}
			if got != want {
				return fmt.Errorf("receive: got %q, want %q", got, want)
			}
		}
	}
	return nil
}

// cancel cancels a receive for which there is nothing.
func (t *trial) cancel(fd FD) error {
	recv := &Op{Kind: OpRecv, FD: fd}
	t.d.submit(recv)
	t.d.cancel(recv)
	if _, err := t.await(recv); !errors.Is(err, unix.ECANCELED) {
		return fmt.Errorf("got %v", err)
	}
	return nil
}
