package socket_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/zeroring/zeroring/socket"
)

func identity(id string) change {
	return func(o *socket.Options) { o.Identity = []byte(id) }
}

// TestIdentities: a ROUTER knows a peer by the routing id that it came with, or
// else by five octets that start with zero, and writes to just that peer.
func TestIdentities(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		router := b.open(t, socket.TypeRouter)
		endpoint := b.bind(t, router)
		long := strings.Repeat("i", 255)
		peers := map[string]*socket.Socket{}
		for _, id := range []string{"A", "B", "\xff\x00", long} {
			peers[id] = b.open(t, socket.TypeDealer, identity(id))
		}
		nameless := []*socket.Socket{b.open(t, socket.TypeDealer), b.open(t, socket.TypeReq)}
		for id, s := range peers {
			connectTo(t, s, endpoint)
			send(t, s, "I am", id)
		}
		for range peers {
			if got := recv(t, router); len(got) != 3 || got[0] != got[2] {
				t.Fatalf("received %s", brief(got))
			}
		}
		for id, s := range peers {
			send(t, router, id, "you are", id)
			want(t, s, "you are", id)
		}
		made := map[string]bool{}
		for _, s := range nameless {
			connectTo(t, s, endpoint)
			send(t, s, "who am I?")
			got := recv(t, router)
			id := got[0]
			if len(id) != 5 || id[0] != 0 || made[id] {
				t.Fatalf("a made up routing id: %q", id)
			}
			made[id] = true
			got[len(got)-1] = "you are a number"
			send(t, router, got...)
			want(t, s, "you are a number")
		}
	})
}

// TestIdentityOptions: what is no routing id is refused when the socket is made.
func TestIdentityOptions(t *testing.T) {
	for _, id := range []string{"\x00zero", strings.Repeat("i", 256)} {
		_, err := socket.NewDealer(&socket.Options{Identity: []byte(id)})
		var option *socket.OptionError
		if !errors.As(err, &option) || option.Option != "Identity" {
			t.Errorf("identity of %d octets that starts with %d: %v", len(id), id[0], err)
		}
	}
}

// TestRouterMandatory: without it, what nobody takes is dropped and counted;
// with it the sender is told that there is no such peer, or waits for room.
func TestRouterMandatory(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		for _, mandatory := range []bool{false, true} {
			router := b.open(t, socket.TypeRouter, marks(3, 0), func(o *socket.Options) {
				o.RouterMandatory = mandatory
				o.SendBuf, o.RecvBuf = 8<<10, 8<<10
			})
			dealer := b.open(t, socket.TypeDealer, identity("d"), marks(0, 3))
			err := router.SendParts(patient(t), []byte("d"), []byte("nobody"))
			if mandatory {
				wantError(t, "before the peer came", err, socket.ErrNoRoute)
				wantError(t, "and by TrySend", router.TrySendParts([]byte("d"), []byte("nobody")), socket.ErrNoRoute)
			} else if err != nil {
				t.Fatal(err)
			}
			b.join(t, router, dealer)
			body := strings.Repeat("x", 10_000)
			taken := 0
			for ; taken < 1000; taken++ {
				if err = router.TrySendParts([]byte("d"), []byte(fmt.Sprint(taken)), []byte(body)); err != nil {
					break
				}
			}
			st := router.Stats().Peers[0]
			if mandatory {
				wantError(t, "a full peer", err, socket.ErrWouldBlock)
				done := make(chan error, 1)
				go func() { done <- router.SendParts(patient(t), []byte("d"), []byte("waits")) }()
				for i := range taken {
					want(t, dealer, fmt.Sprint(i), body)
				}
				want(t, dealer, "waits")
				if err := soon(t, "Send returns", done); err != nil {
					t.Fatal(err)
				}
			} else if st.Dropped == 0 || st.Dropped+st.Sent != 1000 {
				t.Fatalf("of 1000 messages %d sent and %d dropped", st.Sent, st.Dropped)
			}
			closeNow(t, dealer)
			until(t, "the peer is gone", func() bool { return len(router.Stats().Peers) == 0 })
			err = router.TrySendParts([]byte("d"), []byte("nobody"))
			if mandatory {
				wantError(t, "after the peer left", err, socket.ErrNoRoute)
			} else if err != nil {
				t.Fatal(err)
			}
			// A routing id and nothing to route is dropped, whoever it names.
			if err := router.TrySendParts([]byte("d")); err != nil {
				t.Fatal(err)
			}
			closeNow(t, router)
		}
	})
}

// TestRouterKeepsID: a ROUTER that connects knows its peer by the same made up
// routing id after a reconnection.
func TestRouterKeepsID(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		endpoint := b.endpoint(t)
		router := b.open(t, socket.TypeRouter, func(o *socket.Options) { o.RouterMandatory = true })
		connectTo(t, router, endpoint)
		id := ""
		for range 3 {
			dealer := b.open(t, socket.TypeDealer)
			bindTo(t, dealer, endpoint)
			send(t, dealer, "hello")
			got := recv(t, router)
			if id != "" && got[0] != id {
				t.Fatalf("routing id became %q from %q", got[0], id)
			}
			id = got[0]
			send(t, router, id, "hello yourself")
			want(t, dealer, "hello yourself")
			closeNow(t, dealer)
			untilDown(t, router)
		}
	})
}

// TestConnectAs: a ROUTER that names the peer it connects to sends to it by that
// name before it is there, and again when it is back, whatever the peer calls
// itself.
func TestConnectAs(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		for _, immediate := range []bool{false, true} {
			endpoint := b.endpoint(t)
			router := b.open(t, socket.TypeRouter, func(o *socket.Options) {
				o.RouterMandatory, o.Immediate = true, immediate
			})
			if err := router.ConnectAs(endpoint, []byte("there")); err != nil {
				t.Fatal(err)
			}
			early := !immediate || b.transport == "inproc" // Immediate is for connections
			if early {
				send(t, router, "there", "early")
				if err := router.ConnectAs(endpoint, []byte("there")); !errors.Is(err, socket.ErrIdentityTaken) {
					t.Errorf("the same name for a second peer: error %v", err)
				}
			}
			for round := range 3 {
				dealer := b.open(t, socket.TypeDealer, identity("myself"))
				bindTo(t, dealer, endpoint)
				waitPeers(t, router, 1)
				if early && round == 0 {
					want(t, dealer, "early")
				}
				send(t, router, "there", "hello")
				want(t, dealer, "hello")
				send(t, dealer, "hello yourself")
				want(t, router, "there", "hello yourself")
				if err := router.TrySendParts([]byte("myself"), nil); err != socket.ErrNoRoute {
					t.Errorf("sent to the peer's own name: error %v", err)
				}
				if b.transport == "inproc" {
					break // its connections are not made again
				}
				closeNow(t, dealer)
				untilDown(t, router)
			}
		}
	})
}

// TestConnectAsErrors: what cannot be a name, and who has no use for one.
func TestConnectAsErrors(t *testing.T) {
	b := newBed(t, "tcp", backends()[0])
	router := b.open(t, socket.TypeRouter)
	for _, id := range []string{"", "\x00made up", strings.Repeat("i", 256)} {
		var bad *socket.EndpointError
		if err := router.ConnectAs("tcp://127.0.0.1:9", []byte(id)); !errors.As(err, &bad) {
			t.Errorf("%.10q: error %v", id, err)
		}
	}
	dealer := b.open(t, socket.TypeDealer)
	if err := dealer.ConnectAs("tcp://127.0.0.1:9", []byte("A")); !errors.Is(err, socket.ErrNotSupported) {
		t.Errorf("a DEALER: error %v", err)
	}
	if err := router.ConnectAs("tcp://127.0.0.1", []byte("A")); err == nil {
		t.Error("connected to no port")
	}
	closeNow(t, router)
	if err := router.ConnectAs("tcp://127.0.0.1:9", []byte("A")); !errors.Is(err, socket.ErrClosed) {
		t.Errorf("a closed ROUTER: error %v", err)
	}
	typed, err := socket.NewRouter(&socket.Options{Engine: b.engine})
	if err != nil {
		t.Fatal(err)
	}
	defer typed.Close()
	if err := typed.ConnectAs("tcp://127.0.0.1:9", []byte("A")); err != nil {
		t.Error(err)
	}
}

// TestHandover: a second peer of the same routing id is ignored, or takes the
// place of the first, whose connection is ended.
func TestHandover(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		for _, handover := range []bool{false, true} {
			router := b.open(t, socket.TypeRouter, func(o *socket.Options) { o.RouterHandover = handover })
			endpoint := b.bind(t, router)
			// Neither connects again, or they would take each other's place for ever.
			once := func(o *socket.Options) { o.ReconnectInterval = socket.Off }
			first := b.open(t, socket.TypeDealer, identity("same"), once)
			connectTo(t, first, endpoint)
			send(t, first, "first")
			want(t, router, "same", "first")
			second := b.open(t, socket.TypeDealer, identity("same"), once)
			connectTo(t, second, endpoint)
			waitPeers(t, second, 1)
			if handover {
				until(t, "the first is turned out", func() bool { return len(first.Stats().Peers) == 0 })
				send(t, second, "second")
				want(t, router, "same", "second")
				send(t, router, "same", "reply")
				want(t, second, "reply")
			} else {
				waitPeers(t, router, 2)
				send(t, second, "unheard")
				send(t, first, "first again")
				want(t, router, "same", "first again")
				send(t, router, "same", "reply")
				want(t, first, "reply")
				_, err := second.TryRecv()
				wantError(t, "the second receives nothing", err, socket.ErrWouldBlock)
			}
			closeNow(t, first)
			closeNow(t, second)
			closeNow(t, router)
		}
	})
}

// TestRouterToRouter: two ROUTERs need names for each other, or a probe.
func TestRouterToRouter(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		left := b.open(t, socket.TypeRouter, func(o *socket.Options) { o.ProbeRouter = true })
		right := b.open(t, socket.TypeRouter, func(o *socket.Options) { o.ProbeRouter = true })
		b.join(t, left, right)
		probeOfRight, probeOfLeft := recv(t, left), recv(t, right)
		if len(probeOfRight) != 2 || probeOfRight[1] != "" || len(probeOfLeft) != 2 || probeOfLeft[1] != "" {
			t.Fatalf("probes: %q and %q", probeOfRight, probeOfLeft)
		}
		send(t, left, probeOfRight[0], "hello")
		want(t, right, probeOfLeft[0], "hello")
		send(t, right, probeOfLeft[0], "hello")
		want(t, left, probeOfRight[0], "hello")
	})
}

// TestPairIsExclusive: a second peer is turned away, and may come once the first
// has left.
func TestPairIsExclusive(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		server := b.open(t, socket.TypePair)
		endpoint := b.bind(t, server)
		first := b.open(t, socket.TypePair)
		connectTo(t, first, endpoint)
		waitPeers(t, server, 1)
		second := b.open(t, socket.TypePair)
		connectTo(t, second, endpoint)
		send(t, first, "from first")
		want(t, server, "from first")
		send(t, server, "to first")
		want(t, first, "to first")
		closeNow(t, first)
		if b.transport == "inproc" { // where nobody connects again by himself
			until(t, "the second is turned away", func() bool { return len(second.Stats().Peers) == 0 })
			connectTo(t, second, endpoint)
		}
		until(t, "the second is served", func() bool {
			if err := server.TrySendBytes([]byte("to second")); err != nil {
				return false
			}
			m, err := second.TryRecv()
			if err != nil {
				return false
			}
			m.Release()
			return true
		})
	})
}

// TestReqStates: a REQ sends and receives in turn, and says so when it is not
// asked to.
func TestReqStates(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		req, rep := talk{from: socket.TypeReq, to: socket.TypeRep}.ends(t, b, false)
		ctx := patient(t)
		_, err := req.Recv(ctx)
		wantError(t, "REQ receives first", err, socket.ErrState)
		wantError(t, "REP sends first", rep.SendBytes(ctx, []byte("x")), socket.ErrState)
		for range 3 {
			send(t, req, "question")
			wantError(t, "REQ sends twice", req.SendBytes(ctx, []byte("x")), socket.ErrState)
			want(t, rep, "question")
			_, err = rep.Recv(ctx)
			wantError(t, "REP receives twice", err, socket.ErrState)
			send(t, rep, "answer")
			wantError(t, "REP sends twice", rep.SendBytes(ctx, []byte("x")), socket.ErrState)
			want(t, req, "answer")
			_, err = req.Recv(ctx)
			wantError(t, "REQ receives twice", err, socket.ErrState)
		}
	})
}

// TestReqRelaxed: a REQ may give a request up, and then takes the reply to the
// last one only.
func TestReqRelaxed(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		relaxed := func(o *socket.Options) { o.ReqRelaxed, o.ReqCorrelate = true, true }
		req := b.open(t, socket.TypeReq, relaxed)
		router := b.open(t, socket.TypeRouter)
		b.join(t, router, req)
		send(t, req, "first")
		first := recv(t, router)
		send(t, req, "second")
		second := recv(t, router)
		first[len(first)-1], second[len(second)-1] = "to the first", "to the second"
		send(t, router, first...)
		send(t, router, second...)
		want(t, req, "to the second")
	})
}

// TestReqDiscardsStaleReplies: what came before a request was made is no reply
// to it, with or without numbers.
func TestReqDiscardsStaleReplies(t *testing.T) {
	everywhere(t, []string{"inproc"}, func(t *testing.T, b *bed) { // where what was sent is there
		req := b.open(t, socket.TypeReq, func(o *socket.Options) { o.ReqRelaxed = true })
		router := b.open(t, socket.TypeRouter)
		b.join(t, router, req)
		send(t, req, "first")
		got := recv(t, router)
		got[len(got)-1] = "stale"
		send(t, router, got...)
		send(t, req, "second")
		got = recv(t, router)
		got[len(got)-1] = "fresh"
		send(t, router, got...)
		want(t, req, "fresh")
	})
}

// TestManyRequests: many goroutines with a REQ each, and one REP.
func TestManyRequests(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		const clients, each = 10, 200
		rep := b.open(t, socket.TypeRep)
		endpoint := b.bind(t, rep)
		var wg sync.WaitGroup
		for i := range clients {
			req := b.open(t, socket.TypeReq)
			connectTo(t, req, endpoint)
			wg.Go(func() {
				ctx := patient(t)
				for n := range each {
					question := fmt.Sprint(i, " ", n)
					if err := req.SendBytes(ctx, []byte(question)); err != nil {
						t.Error(err)
						return
					}
					m, err := req.Recv(ctx)
					if err != nil {
						t.Error(err)
						return
					}
					if got := unpack(m); got[0] != "re: "+question {
						t.Errorf("asked %q and was told %q", question, got)
						return
					}
				}
			})
		}
		for range clients * each {
			send(t, rep, "re: "+recv(t, rep)[0])
		}
		wg.Wait()
	})
}

// TestHandoverAcrossTransports: who takes a routing id over need not come the
// way that the holder came.
func TestHandoverAcrossTransports(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		named := func(o *socket.Options) { o.Identity = []byte("A") }
		router := b.open(t, socket.TypeRouter, func(o *socket.Options) { o.RouterHandover = true })
		holder, heir := b.open(t, socket.TypeDealer, named), b.open(t, socket.TypeDealer, named)
		connectTo(t, holder, bindTo(t, router, "inproc://handover"))
		waitPeers(t, router, 1)
		connectTo(t, heir, b.bind(t, router))
		waitPeers(t, heir, 1)
		until(t, "the holder has made way", func() bool { return len(holder.Stats().Peers) == 0 })
		send(t, router, "A", "for the heir")
		want(t, heir, "for the heir")
	})
}

// TestIgnoredPeerIsTold: whoever watches a ROUTER sees which peer it ignores, and
// why, each time that comes.
func TestIgnoredPeerIsTold(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		router := b.open(t, socket.TypeRouter)
		w := watch(t, router)
		endpoint := b.bind(t, router)
		first := b.open(t, socket.TypeDealer, identity("A"))
		connectTo(t, first, endpoint)
		waitPeers(t, router, 1)
		for range 3 {
			second := b.open(t, socket.TypeDealer, identity("A"))
			connectTo(t, second, endpoint)
			ev := w.untilKind(t, socket.EventIgnored)
			if ev.Err != socket.ErrIdentityTaken || ev.Endpoint != endpoint || (ev.Remote != "") != (b.transport == "tcp") {
				t.Errorf("%+v", ev)
			}
			closeNow(t, second)
		}
		send(t, first, "heard")
		want(t, router, "A", "heard")
	})
}
