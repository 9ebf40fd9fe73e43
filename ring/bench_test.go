package ring

import (
	"runtime"
	"sync"
	"testing"
)

// The benchmarks put beside each queue what one would use otherwise: a ring
// under a mutex, and a channel. They carry 64-octet messages, copied in and
// looked at on the way out, from one goroutine to another ("across") and within
// one ("alone"), where nothing waits for another processor.

type benchItem [64]byte

const benchLimit = 1024

// A mutexRing is the bounded queue that the textbooks have.
type mutexRing struct {
	mu          sync.Mutex
	filled      sync.Cond
	drained     sync.Cond
	items       [benchLimit]benchItem
	head, count int
}

func newMutexRing() *mutexRing {
	q := new(mutexRing)
	q.filled.L, q.drained.L = &q.mu, &q.mu
	return q
}

func (q *mutexRing) push(item *benchItem) {
	q.mu.Lock()
	for q.count == len(q.items) {
		q.drained.Wait()
	}
	q.items[(q.head+q.count)%len(q.items)] = *item
	q.count++
	q.mu.Unlock()
	q.filled.Signal()
}

func (q *mutexRing) pop() (item benchItem) {
	q.mu.Lock()
	for q.count == 0 {
		q.filled.Wait()
	}
	item = q.items[q.head]
	q.head = (q.head + 1) % len(q.items)
	q.count--
	q.mu.Unlock()
	q.drained.Signal()
	return item
}

// A sleeper is one side of a queue that sleeps until the other rings.
type sleeper struct {
	bell Bell
	wake chan struct{}
}

func (w *sleeper) ring() {
	if w.bell.Ring() {
		w.wake <- struct{}{}
	}
}

// sleep returns once there is something to do, which ready sees.
func (w *sleeper) sleep(ready func() bool) {
	w.bell.Arm()
	if !ready() || !w.bell.Ring() {
		<-w.wake
	}
}

// A benchStream is a Stream with a high-water mark whose sides sleep, as a pipe
// of a socket does.
type benchStream struct {
	s          Stream
	data, room sleeper
}

func newBenchStream() *benchStream {
	q := new(benchStream)
	q.data.wake, q.room.wake = make(chan struct{}), make(chan struct{})
	return q
}

func (q *benchStream) push(item *benchItem) {
	for q.s.Full(benchLimit) {
		q.room.sleep(func() bool { return !q.s.Full(benchLimit) })
	}
	q.s.Commit(copy(q.s.Reserve(len(item)), item[:]))
	q.data.ring()
}

// peek returns octets, at least one message.
func (q *benchStream) peek() []byte {
	for {
		if octets, _ := q.s.Peek(); len(octets) > 0 {
			return octets
		}
		q.credit()
		q.data.sleep(func() bool { octets, _ := q.s.Peek(); return len(octets) > 0 })
	}
}

func (q *benchStream) credit() {
	if q.s.Credit() {
		q.room.ring()
	}
}

// popAll takes all it sees.
func (q *benchStream) popAll() int {
	for octets := q.peek(); len(octets) > 0; octets = octets[len(benchItem{}):] {
		benchSum += octets[0]
	}
	n := q.s.AdvanceAll()
	if q.s.Uncredited() >= benchLimit/2 {
		q.credit()
	}
	return n
}

// pop takes one message.
func (q *benchStream) pop() int {
	benchSum += q.peek()[0]
	q.s.Advance(len(benchItem{}), 1)
	if q.s.Uncredited() >= benchLimit/2 {
		q.credit()
	}
	return 1
}

// across runs produce n times on a goroutine of its own and consume, which
// returns how many it took, until it took n.
func across(b *testing.B, produce func(i int), consume func() int) {
	b.SetBytes(int64(len(benchItem{})))
	b.ReportAllocs()
	n := b.N
	var producer sync.WaitGroup
	producer.Go(func() {
		for i := range n {
			produce(i)
		}
	})
	for got := 0; got < n; {
		got += consume()
	}
	producer.Wait()
}

// alone runs produce and consume in turns of a hundred.
func alone(b *testing.B, produce func(i int), consume func() int) {
	b.SetBytes(int64(len(benchItem{})))
	b.ReportAllocs()
	for done := 0; done < b.N; {
		run := min(100, b.N-done)
		for i := range run {
			produce(i)
		}
		for got := 0; got < run; {
			got += consume()
		}
		done += run
	}
}

var benchSum byte // so that looking at a message cannot be optimised away

func BenchmarkStream(b *testing.B) {
	var item benchItem
	for _, way := range []struct {
		name string
		run  func(*testing.B, func(int), func() int)
	}{{"alone", alone}, {"across", across}} {
		b.Run(way.name+"/stream", func(b *testing.B) {
			q := newBenchStream()
			defer q.s.Discard()
			way.run(b, func(int) { q.push(&item) }, q.popAll)
		})
		b.Run(way.name+"/stream by message", func(b *testing.B) {
			q := newBenchStream()
			defer q.s.Discard()
			way.run(b, func(int) { q.push(&item) }, q.pop)
		})
		b.Run(way.name+"/mutex", func(b *testing.B) {
			q := newMutexRing()
			way.run(b, func(int) { q.push(&item) }, func() int {
				got := q.pop()
				benchSum += got[0]
				return 1
			})
		})
		b.Run(way.name+"/channel", func(b *testing.B) {
			q := make(chan benchItem, benchLimit)
			way.run(b, func(int) { q <- item }, func() int {
				got := <-q
				benchSum += got[0]
				return 1
			})
		})
	}
}

// BenchmarkGather is what a writer pays: gathering and shipping, per message.
func BenchmarkGather(b *testing.B) {
	var item benchItem
	var s Stream
	defer s.Discard()
	bufs := make([][]byte, 0, 16)
	alone(b, func(int) { s.Commit(copy(s.Reserve(len(item)), item[:])) }, func() int {
		octets := 0
		for _, buf := range s.Gather(bufs, cap(bufs)) {
			octets += len(buf)
		}
		s.Shipped(octets)
		s.Credit()
		return octets / len(item)
	})
}

// A mutexInbox is an Inbox under a mutex, on a slice.
type mutexInbox struct {
	mu    sync.Mutex
	nodes []*mutexNode
	spare []*mutexNode
}

type mutexNode struct{ queued bool }

func (b *mutexInbox) push(n *mutexNode) {
	b.mu.Lock()
	if !n.queued {
		n.queued = true
		b.nodes = append(b.nodes, n)
	}
	b.mu.Unlock()
}

func (b *mutexInbox) take() (took int) {
	b.mu.Lock()
	b.nodes, b.spare = b.spare[:0], b.nodes
	for _, n := range b.spare {
		n.queued = false
	}
	b.mu.Unlock()
	return len(b.spare)
}

// BenchmarkInbox pushes eight nodes in turn and takes them. Across, most pushes
// find the node queued, as with a reactor that is busy.
func BenchmarkInbox(b *testing.B) {
	const nodes = 8
	b.Run("alone/inbox", func(b *testing.B) {
		b.ReportAllocs()
		var in Inbox[int]
		var ns [nodes]Node[int]
		for i := range b.N {
			in.Push(&ns[i%nodes])
			if i%nodes == nodes-1 {
				for n := in.Take(); n != nil; {
					n = n.Unlink()
				}
			}
		}
	})
	b.Run("alone/mutex", func(b *testing.B) {
		b.ReportAllocs()
		var in mutexInbox
		var ns [nodes]mutexNode
		for i := range b.N {
			in.push(&ns[i%nodes])
			if i%nodes == nodes-1 {
				in.take()
			}
		}
	})
	b.Run("alone/channel", func(b *testing.B) {
		b.ReportAllocs()
		in := make(chan *mutexNode, nodes)
		var ns [nodes]mutexNode
		for i := range b.N {
			in <- &ns[i%nodes]
			if i%nodes == nodes-1 {
				for range nodes {
					<-in
				}
			}
		}
	})
	consumer := func(take func()) (stop func()) {
		end, ended := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			for {
				select {
				case <-end:
					return
				default:
					take()
					runtime.Gosched()
				}
			}
		}()
		return func() { close(end); <-ended }
	}
	b.Run("across/inbox", func(b *testing.B) {
		b.ReportAllocs()
		var in Inbox[int]
		var ns [nodes]Node[int]
		defer consumer(func() {
			for n := in.Take(); n != nil; {
				n = n.Unlink()
			}
		})()
		for i := range b.N {
			in.Push(&ns[i%nodes])
		}
	})
	b.Run("across/mutex", func(b *testing.B) {
		b.ReportAllocs()
		var in mutexInbox
		var ns [nodes]mutexNode
		defer consumer(func() { in.take() })()
		for i := range b.N {
			in.push(&ns[i%nodes])
		}
	})
	b.Run("across/channel", func(b *testing.B) {
		b.ReportAllocs()
		in := make(chan *mutexNode, nodes)
		var ns [nodes]mutexNode
		defer consumer(func() {
			for {
				select {
				case <-in:
				default:
					return
				}
			}
		})()
		for i := range b.N {
			in <- &ns[i%nodes]
		}
	})
}

// BenchmarkBell is what a producer pays to find out that nobody sleeps.
func BenchmarkBell(b *testing.B) {
	b.Run("bell", func(b *testing.B) {
		var bell Bell
		for b.Loop() {
			if bell.Ring() {
				b.Fatal("rings")
			}
		}
	})
	b.Run("cond", func(b *testing.B) {
		var mu sync.Mutex
		bell := sync.NewCond(&mu)
		for b.Loop() {
			mu.Lock()
			mu.Unlock() //lint:ignore SA2001 the waiter's check must be ordered, which is what it costs
			bell.Signal()
		}
	})
	b.Run("channel", func(b *testing.B) {
		bell := make(chan struct{}, 1)
		bell <- struct{}{} // full: the consumer was told already
		for b.Loop() {
			select {
			case bell <- struct{}{}:
			default:
			}
		}
	})
}

// BenchmarkBuf is a buffer from the pool and back, beside making one.
func BenchmarkBuf(b *testing.B) {
	b.Run("buf", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			NewBuf(4096).Release()
		}
	})
	b.Run("make", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			benchMade = make([]byte, 4096)
		}
	})
}

var benchMade []byte
