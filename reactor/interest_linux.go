package reactor

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// This file changes what epoll's interest list has of a descriptor.

// ignore has the kernel no longer report events of fd.
func (d *epollDriver) ignore(fd FD, s *fdState, events uint32) {
	if s.interest&events == 0 {
		return
	}
	want := s.interest &^ events
	if want == 0 {
		// A listener. 0 means "not in the list" to us, so take it out.
		d.control(unix.EPOLL_CTL_DEL, fd, 0, 0)
	} else if d.control(unix.EPOLL_CTL_MOD, fd, want, s.era) != 0 {
		return
	}
	s.interest = want
}

// awaitInput has s.in, an OpReadable, complete when there is something to read.
// An edge that came already may or may not have been read out since, by means
// that the driver does not see.
func (d *epollDriver) awaitInput(s *fdState, op *Op) {
	if op.Drained {
		s.readable = s.ended // an edge of this turn is still to be reported
	}
	if s.readable {
		d.renew(s, op, unix.EPOLLIN)
	} else {
		d.watch(s, op, unix.EPOLLIN)
	}
}

// renew is watch for an op that was not tried: the kernel looks anew, and
// reports what it finds even if it did so before.
func (d *epollDriver) renew(s *fdState, op *Op, events uint32) {
	s.interest &^= events // never all of it: EPOLLET stays, as OpAccepts leave nothing behind
	d.watch(s, op, events)
}

func (d *epollDriver) control(command int, fd FD, events, era uint32) syscall.Errno {
	e := unix.EpollEvent{Events: events, Fd: int32(fd), Pad: int32(era)}
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(d.epoll), uintptr(command), uintptr(fd),
		uintptr(unsafe.Pointer(&e)), 0, 0)
	return errno
}
