package socket_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"sync"
	"time"

	"github.com/zeroring/zeroring/socket"
)

// check ends an example that went wrong.
func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// One socket binds, the other connects to what that resolved to. Either may come
// first, and either may be the one that sends.
func Example() {
	ctx := context.Background()

	pull, err := socket.NewPull(nil)
	check(err)
	defer pull.Close()
	endpoint, err := pull.Bind("tcp://127.0.0.1:*") // any free port
	check(err)

	push, err := socket.NewPush(nil)
	check(err)
	defer push.Close()
	check(push.Connect(endpoint))
	check(push.SendBytes(ctx, []byte("hello")))

	m, err := pull.Recv(ctx)
	check(err)
	fmt.Printf("%s\n", m.Frame(0))
	m.Release()
	// Output: hello
}

// A Push hands out work: each message to one of its peers, in turn. It waits
// while there is none, or all are busy.
func ExamplePush() {
	ctx := context.Background()
	push, err := socket.NewPush(&socket.Options{SendHWM: 100})
	check(err)
	defer push.Close()
	endpoint, err := push.Bind("inproc://example-push")
	check(err)

	var workers []*socket.Pull
	for range 2 {
		pull, err := socket.NewPull(nil)
		check(err)
		defer pull.Close()
		check(pull.Connect(endpoint))
		workers = append(workers, pull)
	}
	for _, job := range []string{"sweep", "mop", "dust", "polish"} {
		check(push.SendBytes(ctx, []byte(job)))
	}
	for i, pull := range workers {
		for range 2 {
			m, err := pull.Recv(ctx)
			check(err)
			fmt.Printf("worker %d: %s\n", i, m.Frame(0))
			m.Release()
		}
	}
	// Output:
	// worker 0: sweep
	// worker 0: dust
	// worker 1: mop
	// worker 1: polish
}

// A Pull collects: it takes a message from each of its peers in turn. The loop
// ends when the socket is closed or ctx is done.
func ExamplePull() {
	ctx := context.Background()
	pull, err := socket.NewPull(nil)
	check(err)
	defer pull.Close()
	endpoint, err := pull.Bind("ipc://*") // a file of its own, in a directory of its own
	check(err)

	for _, name := range []string{"anna", "bert"} {
		push, err := socket.NewPush(nil)
		check(err)
		check(push.Connect(endpoint))
		check(push.SendBytes(ctx, []byte("result of "+name)))
		check(push.Close()) // returns once that is sent
		m, err := pull.Recv(ctx)
		check(err)
		fmt.Printf("%s\n", m.Frame(0))
		m.Release()
	}
	// Output:
	// result of anna
	// result of bert
}

// A Pub sends to all who subscribed to what a message starts with. It never
// waits: it drops what a slow subscriber has no room for, and counts that.
func ExamplePub() {
	ctx := context.Background()
	pub, err := socket.NewPub(nil)
	check(err)
	defer pub.Close()
	endpoint, err := pub.Bind("tcp://127.0.0.1:*")
	check(err)

	sub, err := socket.NewSub(nil)
	check(err)
	defer sub.Close()
	check(sub.Subscribe([]byte("news.")))
	check(sub.Connect(endpoint))

	check(pub.WaitPeers(ctx, 1)) // until it has subscribed, or it would miss the first
	check(pub.SendParts(ctx, []byte("sports.chess"), []byte("nobody asked")))
	check(pub.SendParts(ctx, []byte("news.world"), []byte("it turns")))

	m, err := sub.Recv(ctx)
	check(err)
	fmt.Printf("%s: %s\n", m.Frame(0), m.Frame(1))
	m.Release()
	fmt.Println("dropped:", pub.Stats().Peers[0].Dropped)
	// Output:
	// news.world: it turns
	// dropped: 0
}

// A Sub may subscribe and unsubscribe at any time, to any number of topics of
// any number of publishers.
func ExampleSub() {
	ctx := context.Background()
	sub, err := socket.NewSub(nil)
	check(err)
	defer sub.Close()
	check(sub.Subscribe([]byte("A")))
	check(sub.Subscribe([]byte("B")))
	check(sub.Unsubscribe([]byte("A")))

	for _, name := range []string{"first", "second"} {
		pub, err := socket.NewPub(nil)
		check(err)
		defer pub.Close()
		endpoint, err := pub.Bind("inproc://example-sub-" + name)
		check(err)
		check(sub.Connect(endpoint))
		check(pub.WaitPeers(ctx, 1))
		for _, topic := range []string{"A", "B", "C"} {
			check(pub.SendBytes(ctx, []byte(topic+" of the "+name)))
		}
	}
	for range 2 {
		m, err := sub.Recv(ctx)
		check(err)
		fmt.Printf("%s\n", m.Frame(0))
		m.Release()
	}
	// Output:
	// B of the first
	// B of the second
}

// An XPub is told who wants what. Here it sends the last value of a topic to
// whoever subscribes to it.
func ExampleXPub() {
	ctx := context.Background()
	last := map[string]string{"price": "price 42"}

	xpub, err := socket.NewXPub(nil)
	check(err)
	defer xpub.Close()
	endpoint, err := xpub.Bind("inproc://example-xpub")
	check(err)

	sub, err := socket.NewSub(nil)
	check(err)
	defer sub.Close()
	check(sub.Connect(endpoint))
	check(sub.Subscribe([]byte("price")))

	m, err := xpub.Recv(ctx) // an octet 1 and the topic, or 0 and the topic
	check(err)
	wants, topic := m.Frame(0)[0] == 1, string(m.Frame(0)[1:])
	m.Release()
	fmt.Println("subscribed:", wants, topic)
	check(xpub.SendBytes(ctx, []byte(last[topic])))

	m, err = sub.Recv(ctx)
	check(err)
	fmt.Printf("%s\n", m.Frame(0))
	m.Release()
	// Output:
	// subscribed: true price
	// price 42
}

// An XSub is a Sub that can talk back: what starts with neither 0 nor 1 goes to
// its publishers.
func ExampleXSub() {
	ctx := context.Background()
	xpub, err := socket.NewXPub(nil)
	check(err)
	defer xpub.Close()
	endpoint, err := xpub.Bind("inproc://example-xsub")
	check(err)

	xsub, err := socket.NewXSub(nil)
	check(err)
	defer xsub.Close()
	check(xsub.Connect(endpoint))
	check(xsub.SendBytes(ctx, []byte("\x01weather"))) // the same as Subscribe
	check(xsub.SendBytes(ctx, []byte("louder, please")))

	for range 2 {
		m, err := xpub.Recv(ctx)
		check(err)
		fmt.Printf("%q\n", m.Frame(0))
		m.Release()
	}
	// Output:
	// "\x01weather"
	// "louder, please"
}

// A Req asks and a Rep answers, in turns. Should the peer vanish before it
// answers, Recv returns ErrPeerLost and the Req may ask again.
func ExampleReq() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	rep, err := socket.NewRep(nil)
	check(err)
	defer rep.Close()
	endpoint, err := rep.Bind("tcp://127.0.0.1:*")
	check(err)
	go func() {
		for m, err := range rep.Messages(ctx) {
			check(err)
			check(rep.SendParts(ctx, []byte("you said"), m.Frame(0)))
		}
	}()

	req, err := socket.NewReq(nil)
	check(err)
	defer req.Close()
	check(req.Connect(endpoint))
	check(req.SendBytes(ctx, []byte("ping")))
	m, err := req.Recv(ctx)
	switch {
	case errors.Is(err, socket.ErrPeerLost):
		log.Print("nobody will answer this one") // but somebody may the next
	default:
		check(err)
		fmt.Printf("%s %s\n", m.Frame(0), m.Frame(1))
		m.Release()
	}
	// Output: you said ping
}

// A Rep answers each request before it takes the next.
func ExampleRep() {
	ctx := context.Background()
	rep, err := socket.NewRep(nil)
	check(err)
	defer rep.Close()
	endpoint, err := rep.Bind("inproc://example-rep")
	check(err)

	var clients sync.WaitGroup
	for range 3 {
		clients.Go(func() {
			req, err := socket.NewReq(nil)
			check(err)
			defer req.Close()
			check(req.Connect(endpoint))
			check(req.SendBytes(ctx, []byte("21")))
			m, err := req.Recv(ctx)
			check(err)
			fmt.Printf("%s\n", m.Frame(0))
			m.Release()
		})
	}
	for range 3 {
		m, err := rep.Recv(ctx)
		check(err)
		var n int
		_, err = fmt.Sscan(string(m.Frame(0)), &n)
		check(err)
		m.Release()
		check(rep.SendBytes(ctx, fmt.Append(nil, 2*n)))
	}
	clients.Wait()
	// Output:
	// 42
	// 42
	// 42
}

// A Dealer may have many requests under way. Towards a Rep it writes the empty
// frame itself with which a Req parts the envelope from the body.
func ExampleDealer() {
	ctx := context.Background()
	rep, err := socket.NewRep(nil)
	check(err)
	defer rep.Close()
	endpoint, err := rep.Bind("inproc://example-dealer")
	check(err)

	dealer, err := socket.NewDealer(nil)
	check(err)
	defer dealer.Close()
	check(dealer.Connect(endpoint))
	for i := range 3 { // without waiting for answers
		check(dealer.SendParts(ctx, nil, fmt.Appendf(nil, "question %d", i)))
	}
	for range 3 {
		m, err := rep.Recv(ctx)
		check(err)
		check(rep.Send(ctx, m)) // whose memory is the socket's from here on
	}
	for range 3 {
		m, err := dealer.Recv(ctx)
		check(err)
		fmt.Printf("%d frames, the last is %s\n", m.Len(), m.Frame(m.Len()-1))
		m.Release()
	}
	// Output:
	// 2 frames, the last is question 0
	// 2 frames, the last is question 1
	// 2 frames, the last is question 2
}

// A Router knows its peers by their routing ids: the first frame of what it
// receives, and of what it sends. It may answer in any order, or speak first.
func ExampleRouter() {
	ctx := context.Background()
	router, err := socket.NewRouter(&socket.Options{RouterMandatory: true})
	check(err)
	defer router.Close()
	endpoint, err := router.Bind("tcp://127.0.0.1:*")
	check(err)

	dealer, err := socket.NewDealer(&socket.Options{Identity: []byte("worker-7")})
	check(err)
	defer dealer.Close()
	check(dealer.Connect(endpoint))
	check(dealer.SendBytes(ctx, []byte("ready")))

	m, err := router.Recv(ctx)
	check(err)
	fmt.Printf("%s is %s\n", m.Frame(0), m.Frame(1))
	check(router.SendParts(ctx, m.Frame(0), []byte("dig here")))
	m.Release()
	m, err = dealer.Recv(ctx)
	check(err)
	fmt.Printf("%s\n", m.Frame(0))
	m.Release()

	err = router.SendParts(ctx, []byte("worker-8"), []byte("dig there"))
	fmt.Println(errors.Is(err, socket.ErrNoRoute))
	// Output:
	// worker-7 is ready
	// dig here
	// true
}

// Two Pairs are a pipe between two goroutines, or two processes.
func ExamplePair() {
	ctx := context.Background()
	parent, err := socket.NewPair(nil)
	check(err)
	defer parent.Close()
	_, err = parent.Bind("inproc://example-pair")
	check(err)

	go func() {
		child, err := socket.NewPair(nil)
		check(err)
		defer child.Close()
		check(child.Connect("inproc://example-pair"))
		m, err := child.Recv(ctx)
		check(err)
		check(child.SendParts(ctx, []byte("done:"), m.Frame(0)))
		m.Release()
	}()

	check(parent.SendBytes(ctx, []byte("tidy up")))
	m, err := parent.Recv(ctx)
	check(err)
	fmt.Printf("%s %s\n", m.Frame(0), m.Frame(1))
	m.Release()
	// Output: done: tidy up
}

// An engine of one's own has as many reactors as one likes, where one likes
// them, and names of inproc that are seen by its sockets only. Closing it closes
// them.
func ExampleNewEngine() {
	engine, err := socket.NewEngine(&socket.EngineOptions{
		Reactors: 1,
		Backend:  "epoll", // which is the default, too
		Logger:   slog.New(slog.DiscardHandler),
	})
	check(err)
	fmt.Println(engine.Backend().Name)

	pair, err := socket.NewPair(&socket.Options{Engine: engine})
	check(err)
	check(engine.Close())
	_, err = pair.Recv(context.Background())
	fmt.Println(err)
	// Output:
	// epoll
	// socket: closed
}

// WaitPeers is for those who must not start alone: here until both workers are
// there, or else the first would get all.
func ExampleSocket_WaitPeers() {
	ctx := context.Background()
	push, err := socket.NewPush(nil)
	check(err)
	defer push.Close()
	endpoint, err := push.Bind("tcp://127.0.0.1:*")
	check(err)

	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	fmt.Println(push.WaitPeers(short, 2))
	cancel()

	for range 2 {
		pull, err := socket.NewPull(nil)
		check(err)
		defer pull.Close()
		check(pull.Connect(endpoint))
	}
	fmt.Println(push.WaitPeers(ctx, 2))
	// Output:
	// socket: 0 of 2 peers are there: context deadline exceeded
	// <nil>
}

// Messages yields what is received. Each message is released after its turn:
// Clone what is to be kept.
func ExampleSocket_Messages() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	pull, err := socket.NewPull(nil)
	check(err)
	defer pull.Close()
	endpoint, err := pull.Bind("inproc://example-messages")
	check(err)
	push, err := socket.NewPush(nil)
	check(err)
	defer push.Close()
	check(push.Connect(endpoint))
	for _, word := range []string{"keep", "this", "stop"} {
		check(push.SendBytes(ctx, []byte(word)))
	}

	var kept []*socket.Message
	for m, err := range pull.Messages(ctx) {
		check(err)
		if string(m.Frame(0)) == "stop" {
			break
		}
		kept = append(kept, m.Clone())
	}
	for _, m := range kept {
		fmt.Printf("%s\n", m.Frame(0))
		m.Release()
	}
	// Output:
	// keep
	// this
}

// RecvBatch and SendBatch are for many small messages: one lock and one wake-up
// for all of them.
func ExampleSocket_RecvBatch() {
	ctx := context.Background()
	pull, err := socket.NewPull(nil)
	check(err)
	defer pull.Close()
	endpoint, err := pull.Bind("inproc://example-batch")
	check(err)
	push, err := socket.NewPush(nil)
	check(err)
	defer push.Close()
	check(push.Connect(endpoint))

	sent, err := push.SendBatch(ctx, [][]byte{[]byte("a"), []byte("b"), []byte("c")})
	check(err)
	fmt.Println("sent", sent)

	msgs := make([]*socket.Message, 64)
	n, err := pull.RecvBatch(ctx, msgs) // waits for the first only
	check(err)
	for _, m := range msgs[:n] {
		fmt.Printf("%s\n", m.Frame(0))
		m.Release()
	}
	// Output:
	// sent 3
	// a
	// b
	// c
}

// Events tells what becomes of a socket's connections. Watching costs little,
// and a watcher who is slow stalls nothing.
func ExampleSocket_Events() {
	ctx := context.Background()
	pull, err := socket.NewPull(nil)
	check(err)
	events := pull.Events(ctx) // from here on, though read later
	endpoint, err := pull.Bind("tcp://127.0.0.1:*")
	check(err)

	push, err := socket.NewPush(nil)
	check(err)
	check(push.Connect(endpoint))
	check(pull.WaitPeers(ctx, 1))
	check(push.Close())

	for ev := range events { // until the socket is closed
		fmt.Println(ev.Kind)
		if ev.Kind == socket.EventDisconnected {
			check(pull.Close())
		}
	}
	// Output:
	// listening
	// accepted
	// ready
	// disconnected
	// closed
}

// A Proxy of a Router and a Dealer hands requests of many clients to many
// workers, and each reply back to where its request came from.
func ExampleProxy() {
	ctx, cancel := context.WithCancel(context.Background())
	front, err := socket.NewRouter(nil)
	check(err)
	defer front.Close()
	clients, err := front.Bind("tcp://127.0.0.1:*")
	check(err)
	back, err := socket.NewDealer(nil)
	check(err)
	defer back.Close()
	workers, err := back.Bind("inproc://example-proxy")
	check(err)
	done := make(chan error)
	go func() { done <- socket.Proxy(ctx, front.Untyped(), back.Untyped(), nil) }()

	rep, err := socket.NewRep(nil)
	check(err)
	defer rep.Close()
	check(rep.Connect(workers))
	req, err := socket.NewReq(nil)
	check(err)
	defer req.Close()
	check(req.Connect(clients))

	check(req.SendBytes(ctx, []byte("question")))
	m, err := rep.Recv(ctx)
	check(err)
	fmt.Printf("%s\n", m.Frame(0))
	m.Release()
	check(rep.SendBytes(ctx, []byte("answer")))
	m, err = req.Recv(ctx)
	check(err)
	fmt.Printf("%s\n", m.Frame(0))
	m.Release()

	cancel()
	fmt.Println(<-done)
	// Output:
	// question
	// answer
	// <nil>
}
