package reactor

import (
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A parking is where a reactor's goroutine sleeps until the descriptor that
// tells of all others, an epoll instance or a ring, is readable.
//
// A goroutine that sleeps in a system call keeps what Go calls a P, the right to
// run, until the runtime's monitor takes that away: after 20 µs if it is alert,
// and after up to 10 ms if it is not. Goroutines that could run wait meanwhile. So
// a reactor sleeps by the runtime's own poller, like those who use package net:
// it gives its P away at once, and runs on the thread that is told of the event.
//
// The zero parking cannot be slept by: its owner then sleeps in a system call.
type parking struct {
	fd   int
	file *os.File // a descriptor of its own for the same file
	conn syscall.RawConn
	look func(uintptr) bool

	asleep atomic.Bool // which open and close leave alone
}

// open makes p sleep by fd until look returns true. On an error p stays zero.
func (p *parking) open(fd int, look func() bool) error {
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	// It is what os.NewFile goes by; neither kind of file heeds it.
	err = unix.SetNonblock(own, true)
	file := os.NewFile(uintptr(own), "reactor")
	if err == nil {
		err = file.SetReadDeadline(time.Time{}) // fails if the poller does not take it
	}
	conn, e := file.SyscallConn()
	if err == nil {
		err = e
	}
	if err != nil {
		_ = file.Close()
		return err
	}
	p.fd, p.file, p.conn, p.look = own, file, conn, func(uintptr) bool { return look() }
	return nil
}

// works reports whether p can be slept by.
func (p *parking) works() bool { return p.file != nil }

// sleep calls look, and again whenever the descriptor became readable, until it
// returns true or rouse was called.
func (p *parking) sleep() {
	p.asleep.Store(true)
	err := p.conn.Read(p.look)
	p.asleep.Store(false)
	if err != nil { // roused
		_ = p.file.SetReadDeadline(time.Time{})
		p.look(0)
	}
}

// rouse wakes who sleeps although the descriptor is readable. The poller is asked
// only by a thread that has nothing else to do, or every 10 ms: where goroutines
// that look on keep all Ps busy, they have to ask. Any goroutine. Once p is closed it does nothing.
func (p *parking) rouse() {
	if !p.asleep.Load() {
		return
	}
	ask := unix.PollFd{Fd: int32(p.fd), Events: unix.POLLIN}
	var atOnce unix.Timespec // which the kernel may write to
	n, _, _ := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&ask)), 1, uintptr(unsafe.Pointer(&atOnce)), 0, 0, 0)
	if int(n) == 1 {
		_ = p.file.SetReadDeadline(longAgo)
	}
}

var longAgo = time.Unix(1, 0)

func (p *parking) close() error {
	if p.file == nil {
		return nil
	}
	return p.file.Close()
}

// A timerFD is a kernelTimeout for who waits for descriptors: one of its own,
// which becomes readable.
type timerFD struct {
	kernelTimeout
	fd int
}

func (t *timerFD) open() (err error) {
	if err = t.start(); err != nil {
		return err
	}
	t.fd, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	return err
}

// arm makes sure that fd becomes readable by until, which zero leaves open.
func (t *timerFD) arm(until time.Time) {
	if until.IsZero() || t.armed && !until.Before(t.deadline) {
		return
	}
	t.set(until)
	// A time of zero would disarm it; one that is over makes it readable at once.
	spec := unix.ItimerSpec{Value: unix.Timespec{Sec: t.at.sec, Nsec: max(t.at.nsec, 1)}}
	err := unix.TimerfdSettime(t.fd, unix.TFD_TIMER_ABSTIME, &spec, nil)
	assert(err == nil)
}
