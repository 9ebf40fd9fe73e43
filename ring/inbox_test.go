package ring

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

func inboxValues[T any](b *Inbox[T]) (values []T) {
	for n := b.Take(); n != nil; {
		next := n.Unlink()
		values = append(values, n.Value)
		n = next
	}
	return values
}

func TestInboxOrder(t *testing.T) {
	var b Inbox[int]
	if !b.Empty() || b.Take() != nil {
		t.Error("the zero Inbox is not empty")
	}
	nodes := make([]Node[int], 5)
	for i := range nodes {
		nodes[i].Value = i
		if !b.Push(&nodes[i]) {
			t.Errorf("Push of node %d says it was queued", i)
		}
	}
	if b.Empty() {
		t.Error("Empty with five nodes")
	}
	if got, want := inboxValues(&b), []int{0, 1, 2, 3, 4}; !slices.Equal(got, want) {
		t.Errorf("came out as %v, want %v", got, want)
	}
	if !b.Empty() || b.Take() != nil {
		t.Error("not empty after Take")
	}
}

func TestInboxOnce(t *testing.T) {
	var b Inbox[int]
	var n, other Node[int]
	n.Value, other.Value = 1, 2
	if !b.Push(&n) || b.Push(&n) || !b.Push(&other) || b.Push(&n) {
		t.Error("a second Push of a queued node queues it")
	}
	list := b.Take()
	if b.Push(&n) {
		t.Error("a node is pushed that was taken and not unlinked")
	}
	rest := list.Unlink()
	if !b.Push(&n) {
		t.Error("a node cannot be pushed after Unlink")
	}
	if rest != &other || rest.Unlink() != nil {
		t.Error("a Push between Take and the end of the list changed the list")
	}
	if got, want := inboxValues(&b), []int{1}; !slices.Equal(got, want) {
		t.Errorf("came out as %v, want %v", got, want)
	}
}

// TestInboxStress lets producers publish work under few nodes and counts that
// the consumer did all of it, and that what each producer pushed came in order.
func TestInboxStress(t *testing.T) {
	const producers = 4
	rounds := 100_000
	if testing.Short() {
		rounds = 10_000
	}
	var b Inbox[*atomic.Int64]
	var bell Bell
	wake := make(chan struct{}) // unbuffered: a wake-up too many would hang
	nodes := make([]Node[*atomic.Int64], 3)
	for i := range nodes {
		nodes[i].Value = new(atomic.Int64)
	}
	var pushing sync.WaitGroup
	for p := range producers {
		pushing.Go(func() {
			for i := range rounds {
				n := &nodes[(i+p)%len(nodes)]
				n.Value.Add(1)
				if b.Push(n) && bell.Ring() {
					wake <- struct{}{}
				}
			}
		})
	}
	want, did := int64(producers*rounds), int64(0)
	for did < want {
		for n := b.Take(); n != nil; {
			next := n.Unlink()
			did += n.Value.Swap(0)
			n = next
		}
		if did == want {
			break
		}
		bell.Arm()
		if b.Empty() || !bell.Ring() {
			<-wake // a lost wake-up hangs here
		}
	}
	pushing.Wait()
	if did != want {
		t.Errorf("did %d units of work, want %d", did, want)
	}
}

// TestInboxOneWinner has two producers push the same node at the same moment,
// and then some of their own: the node must be queued once, and all come out.
func TestInboxOneWinner(t *testing.T) {
	rounds := int64(50_000)
	if testing.Short() {
		rounds = 10_000
	}
	var b Inbox[int]
	var both Node[int]
	var own [2][4]Node[int]
	var winners atomic.Int64
	lockstep(t, rounds, func() {}, func(me int) {
		if b.Push(&both) {
			winners.Add(1)
		}
		for i := range own[me] {
			b.Push(&own[me][i])
		}
	}, func() string {
		won, out := winners.Swap(0), len(inboxValues(&b))
		if won != 1 || out != 1+2*len(own[0]) {
			return fmt.Sprintf("%d producers queued the one node, and %d came out", won, out)
		}
		return ""
	})
}

// TestInboxCount pushes few nodes as fast as it goes, while the consumer takes
// as fast as it goes: what was queued must come out.
func TestInboxCount(t *testing.T) {
	rounds := 1_000_000
	if testing.Short() {
		rounds = 200_000
	}
	var b Inbox[int]
	nodes := make([]Node[int], 16)
	var queued atomic.Int64
	var producers sync.WaitGroup
	for p := range 2 {
		producers.Go(func() {
			mine := int64(0)
			for i := range rounds {
				if b.Push(&nodes[(i*(p+1))%len(nodes)]) {
					mine++
				}
			}
			queued.Add(mine)
		})
	}
	over := make(chan struct{})
	go func() { producers.Wait(); close(over) }()
	taken := int64(0)
	take := func() {
		for n := b.Take(); n != nil; taken++ {
			n = n.Unlink()
		}
	}
	for ended := false; !ended; take() {
		select {
		case <-over:
			ended = true
		default:
		}
	}
	take()
	if taken != queued.Load() {
		t.Errorf("%d nodes were queued, %d came out", queued.Load(), taken)
	}
}

// TestInboxOwnership pushes nodes that carry plain memory, each from one
// producer: under -race the queue must order the writes and the reads.
func TestInboxOwnership(t *testing.T) {
	const producers, perProducer = 3, 64
	rounds := 2_000
	if testing.Short() {
		rounds = 200
	}
	type item struct{ producer, sequence int }
	var b Inbox[item]
	var returned [producers]chan *Node[item]
	var pushing sync.WaitGroup
	for p := range producers {
		returned[p] = make(chan *Node[item], perProducer)
		for range perProducer {
			returned[p] <- new(Node[item])
		}
		pushing.Go(func() {
			for i := range rounds {
				n := <-returned[p]
				n.Value = item{p, i}
				if !b.Push(n) {
					t.Errorf("producer %d: node %d is queued", p, i)
				}
			}
		})
	}
	var next [producers]int
	for got := 0; got < producers*rounds; {
		n := b.Take()
		if n == nil {
			yield()
		}
		for n != nil {
			rest := n.Unlink()
			if v := n.Value; v.sequence != next[v.producer] {
				t.Fatalf("producer %d: %d came when %d was due", v.producer, v.sequence, next[v.producer])
			}
			next[n.Value.producer]++
			got++
			returned[n.Value.producer] <- n
			n = rest
		}
	}
	pushing.Wait()
}

func FuzzInbox(f *testing.F) {
	f.Add([]byte{0, 1, 1, 2, 8, 0, 9, 3, 8, 9, 9})
	f.Fuzz(func(t *testing.T, ops []byte) {
		var b Inbox[int]
		nodes := make([]Node[int], 8)
		for i := range nodes {
			nodes[i].Value = i
		}
		var queued, taken []int // the model
		var list *Node[int]
		for at, op := range ops {
			switch op %= 10; op {
			case 8: // take, once the last list was walked
				if list != nil {
					continue
				}
				list, taken, queued = b.Take(), queued, nil
			case 9: // unlink
				if list == nil {
					continue
				}
				n := list
				list = n.Unlink()
				if n.Value != taken[0] {
					t.Fatalf("op %d: %d came out, want %d", at, n.Value, taken[0])
				}
				taken = taken[1:]
			default:
				i := int(op)
				want := !slices.Contains(queued, i) && !slices.Contains(taken, i)
				if got := b.Push(&nodes[i]); got != want {
					t.Fatalf("op %d: Push = %v, want %v", at, got, want)
				}
				if want {
					queued = append(queued, i)
				}
			}
			if (list == nil) != (len(taken) == 0) || b.Empty() != (len(queued) == 0) {
				t.Fatalf("op %d: list %v, Empty %v; want %v then %v", at, list, b.Empty(), taken, queued)
			}
		}
	})
}

func TestInboxDoesNotAllocate(t *testing.T) {
	var b Inbox[int]
	nodes := make([]Node[int], 4)
	doesNotAllocate(t, "push, take and unlink", func() {
		for i := range nodes {
			b.Push(&nodes[i])
		}
		for n := b.Take(); n != nil; {
			n = n.Unlink()
		}
	})
}
