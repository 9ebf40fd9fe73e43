package main

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
)

func TestNoInterface(t *testing.T) {
	var out, errs strings.Builder
	if run(t.Context(), []string{"--live", "nowhere0"}, nil, &out, &errs) || errs.String() != "zdump: --live nowhere0: no such network interface\n" {
		t.Errorf("printed %s and %s", &out, &errs)
	}
}

// sender sends a packet on loopback, again each time that it is asked.
func sender(t *testing.T) func() {
	to, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { to.Close() })
	conn, err := net.DialUDP("udp4", nil, to.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return func() {
		if _, err := conn.Write(spm()); err != nil {
			t.Error(err)
		}
	}
}

// TestLive sees one packet of ours pass loopback, or says why not.
func TestLive(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	send := sender(t)
	var errs strings.Builder
	out := &until{want: " SPM seq 1 ", done: cancel}
	var sending sync.WaitGroup
	sending.Go(func() {
		for ctx.Err() == nil {
			send()
		}
	})
	run(ctx, []string{"--live", "lo"}, nil, out, &errs)
	cancel()
	sending.Wait()
	if strings.Contains(errs.String(), "CAP_NET_RAW") {
		t.Skip(&errs)
	}
	if !strings.Contains(out.String(), "010203040506:4242 > 7500 SPM seq 1 trail 2 lead 3 nla 10.0.0.7 [checksum ok]\n") {
		t.Errorf("printed %s and %s", out, &errs)
	}
}

// until is a writer that calls done once it has seen what it wants.
type until struct {
	strings.Builder
	want string
	done func()
}

func (u *until) Write(b []byte) (int, error) {
	if strings.Contains(string(b), u.want) {
		u.done()
	}
	return u.Builder.Write(b)
}
