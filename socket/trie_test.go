package socket

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

// check asserts the invariants that trie states.
func (t *trie) check() error {
	entries := 0
	for n := &t.root; n != nil; n = n.successor() {
		if n.parent != nil && n.refs == 0 && len(n.pipes) == 0 && len(n.children) < 2 {
			return fmt.Errorf("%q is a node for nothing", n.topic)
		}
		if len(n.next) != len(n.children) || len(n.at) != len(n.pipes) {
			return fmt.Errorf("%q: slices of unequal length", n.topic)
		}
		for i, c := range n.children {
			if c.parent != n || len(c.topic) <= len(n.topic) || !strings.HasPrefix(c.topic, n.topic) || c.topic[len(n.topic)] != n.next[i] {
				return fmt.Errorf("%q is no child of %q", c.topic, n.topic)
			}
			if bytes.Count(n.next, n.next[i:i+1]) != 1 {
				return fmt.Errorf("%q has two children for %q", n.topic, n.next[i])
			}
		}
		for i, p := range n.pipes {
			if t.held[p][n.at[i]] != n {
				return fmt.Errorf("%q is not where pipe %d holds it", n.topic, p.number)
			}
			if i > 0 && n.pipes[i-1].number >= p.number {
				return fmt.Errorf("%q has its pipes out of order", n.topic)
			}
		}
		entries += len(n.pipes)
	}
	for p, nodes := range t.held {
		if entries -= len(nodes); len(nodes) == 0 {
			return fmt.Errorf("pipe %d is kept for nothing", p.number)
		}
	}
	if entries != 0 {
		return fmt.Errorf("%d subscriptions are not held by their pipe", entries)
	}
	return nil
}

// nodes counts all nodes but the root.
func (t *trie) nodes() int {
	n := -1
	for at := &t.root; at != nil; at = at.successor() {
		n++
	}
	return n
}

func (t *trie) empty() bool {
	return len(t.root.children) == 0 && len(t.root.next) == 0 && len(t.root.pipes) == 0 && len(t.held) == 0
}

// A trieModel is what a trie is for: a set of pipes and a count per topic.
type trieModel struct {
	pipes map[string]map[*pipe]bool
	refs  map[string]int
}

// matchSets returns how often each pipe's topics are a prefix of topic.
func (m *trieModel) matchSets(topic string) map[*pipe]int {
	hits := make(map[*pipe]int)
	for t, set := range m.pipes {
		if strings.HasPrefix(topic, t) {
			for p := range set {
				hits[p]++
			}
		}
	}
	return hits
}

func numberedPipes(n int) []*pipe {
	pipes := make([]*pipe, n)
	for i := range pipes {
		pipes[i] = newPipe(new(Socket), new(lane), new(lane))
		pipes[i].number = uint64(i + 1)
	}
	return pipes
}

// FuzzTrie does what the octets say, two for each step, with a trie and with
// maps, and compares. The topics are few, so that they meet.
func FuzzTrie(f *testing.F) {
	f.Add([]byte("\x00\x00"))
	f.Add([]byte("\x00\x01\x01\x05\x02\x01\x03\x09\x04\x01\x05\x05\x06\x00"))
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		steps := make([]byte, 400)
		for i := range steps {
			steps[i] = byte(rng.Uint32())
		}
		f.Add(steps)
	}
	f.Fuzz(func(t *testing.T, steps []byte) {
		r := trieRun{
			t: t, trie: newTrie(), pipes: numberedPipes(4),
			model: trieModel{make(map[string]map[*pipe]bool), make(map[string]int)},
		}
		for ; len(steps) >= 2; steps = steps[2:] {
			r.step(int(steps[0]), topicOf(steps[1]))
			if err := r.trie.check(); err != nil {
				t.Fatal(err)
			}
		}
		r.finish()
	})
}

// topicOf makes a topic of up to five letters a and b of an octet, or one with
// a long stretch.
func topicOf(b byte) string {
	var s strings.Builder
	for range b >> 5 % 6 {
		s.WriteByte("ab"[b&1])
		b >>= 1
	}
	if b == 7 {
		s.WriteString(strings.Repeat("c", 40))
	}
	return s.String()
}

type trieRun struct {
	t     *testing.T
	trie  trie
	model trieModel
	pipes []*pipe
}

func (r *trieRun) step(kind int, topic string) {
	p := r.pipes[kind>>3%len(r.pipes)]
	set := r.model.pipes[topic]
	switch kind % 8 {
	case 0, 1:
		if got, want := r.trie.add([]byte(topic), p), len(set) == 0; got != want {
			r.t.Fatalf("add %q: first is %v, want %v", topic, got, want)
		}
		if set == nil {
			set = make(map[*pipe]bool)
			r.model.pipes[topic] = set
		}
		set[p] = true
	case 2:
		found, last := r.trie.remove([]byte(topic), p)
		if found != set[p] || last != (set[p] && len(set) == 1) {
			r.t.Fatalf("remove %q: found %v, last %v; there were %d, it %v", topic, found, last, len(set), set[p])
		}
		delete(set, p)
	case 3:
		r.trie.retain([]byte(topic))
		r.model.refs[topic]++
	case 4:
		want := r.model.refs[topic] == 1
		if got := r.trie.release([]byte(topic)); got != want {
			r.t.Fatalf("release %q: last is %v, want %v", topic, got, want)
		}
		r.model.refs[topic] = max(0, r.model.refs[topic]-1)
	case 5:
		r.removeAll(p)
	default:
		r.compare(topic)
	}
}

func (r *trieRun) removeAll(p *pipe) {
	want := make(map[string]bool)
	for topic, set := range r.model.pipes {
		if set[p] {
			want[topic] = len(set) == 1
			delete(set, p)
		}
	}
	if n := r.trie.count(p); n != len(want) {
		r.t.Fatalf("pipe %d is counted %d topics, want %d", p.number, n, len(want))
	}
	got := make(map[string]bool)
	r.trie.removeAll(p, func(topic string, last bool) { got[topic] = last })
	if !maps.Equal(got, want) {
		r.t.Fatalf("removing pipe %d: got %v, want %v", p.number, got, want)
	}
}

func (r *trieRun) compare(topic string) {
	got := make(map[*pipe]int)
	for _, set := range r.trie.match([]byte(topic), nil) {
		for _, p := range set {
			got[p]++
		}
	}
	if want := r.model.matchSets(topic); !maps.Equal(got, want) {
		r.t.Fatalf("match %q: got %v, want %v", topic, got, want)
	}
	want := false
	for t, n := range r.model.refs {
		want = want || n > 0 && strings.HasPrefix(topic, t)
	}
	if got := r.trie.matches([]byte(topic)); got != want {
		r.t.Fatalf("matches %q: got %v, want %v", topic, got, want)
	}
}

// finish compares what is enumerated, takes everything out and looks whether
// anything is left.
func (r *trieRun) finish() {
	var got, want []string
	r.trie.retained(func(topic string) { got = append(got, topic) })
	for topic, n := range r.model.refs {
		if n > 0 {
			want = append(want, topic)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		r.t.Fatalf("retained: got %q, want %q", got, want)
	}
	for topic, n := range r.model.refs {
		for range n {
			r.trie.release([]byte(topic))
		}
	}
	for _, p := range r.pipes {
		r.removeAll(p)
	}
	if err := r.trie.check(); err != nil || !r.trie.empty() {
		r.t.Fatalf("not empty at the end (%v)", err)
	}
}

// TestTrieLongTopic: what a peer makes long or deep must not recurse. libzmq's
// had to be rewritten because a long topic overflowed the stack.
func TestTrieLongTopic(t *testing.T) {
	defer debug.SetMaxStack(debug.SetMaxStack(128 << 10))
	tr, pipes := newTrie(), numberedPipes(2)
	long := bytes.Repeat([]byte("x"), 1<<20)
	other := append(slices.Clone(long), 'y')
	other[1<<19] = 'z'
	for _, p := range pipes {
		tr.add(long, p)
		tr.add(other, p)
		tr.add(long[:1<<10], p)
	}
	if sets := tr.match(append(long, "and more"...), nil); len(sets) != 2 {
		t.Errorf("%d topics match, want 2", len(sets))
	}
	if sets := tr.match(long[:1<<20-1], nil); len(sets) != 1 {
		t.Errorf("%d topics match, want 1", len(sets))
	}
	tr.remove(long, pipes[0])
	tr.removeAll(pipes[0], nil)
	tr.removeAll(pipes[1], nil)
	if !tr.empty() {
		t.Error("not empty at the end")
	}
}

// TestTrieDeep is a tree as deep as it has topics.
func TestTrieDeep(t *testing.T) {
	defer debug.SetMaxStack(debug.SetMaxStack(128 << 10))
	const depth = 4000
	tr, p := newTrie(), numberedPipes(1)[0]
	topic := bytes.Repeat([]byte("x"), depth)
	for i := range topic {
		tr.add(topic[:i+1], p)
		tr.retain(topic[:i+1])
	}
	if sets := tr.match(topic, nil); len(sets) != depth {
		t.Errorf("%d topics match, want %d", len(sets), depth)
	}
	seen := 0
	tr.retained(func(string) { seen++ })
	if seen != depth {
		t.Errorf("%d topics enumerated, want %d", seen, depth)
	}
	tr.removeAll(p, nil)
	for i := range topic {
		tr.release(topic[:i+1])
	}
	if !tr.empty() {
		t.Error("not empty at the end")
	}
}

// TestTrieMemory: nodes and the octets in them are bounded by the topics held,
// whatever came and went before.
func TestTrieMemory(t *testing.T) {
	const seed = 7
	rng := rand.New(rand.NewPCG(seed, 0))
	tr, p := newTrie(), numberedPipes(1)[0]
	held := make(map[string]bool)
	for range 20_000 {
		topic := make([]byte, rng.IntN(30))
		for i := range topic {
			topic[i] = byte('a' + rng.IntN(2))
		}
		if rng.IntN(3) > 0 {
			tr.remove(topic, p)
			delete(held, string(topic))
		} else {
			tr.add(topic, p)
			held[string(topic)] = true
		}
	}
	octets, limit := 0, 0
	for topic := range held {
		limit += 2 * len(topic)
	}
	for n := &tr.root; n != nil; n = n.successor() {
		octets += len(n.topic)
	}
	if n := tr.nodes(); n > 2*len(held) || octets > limit {
		t.Errorf("seed %d: %d nodes of %d octets hold %d topics of %d octets", seed, n, octets, len(held), limit/2)
	}
}

// TestTrieForkKeepsNoTopic: a short topic split off a long one must not keep
// the long one's memory once that is gone.
func TestTrieForkKeepsNoTopic(t *testing.T) {
	tr, p := newTrie(), numberedPipes(1)[0]
	tr.add([]byte("abcdef"), p)
	tr.add([]byte("abc"), p)
	short, long := tr.find([]byte("abc")), tr.find([]byte("abcdef"))
	if unsafe.StringData(short.topic) == unsafe.StringData(long.topic) {
		t.Error("they share memory")
	}
}

// TestTrieMany holds a hundred thousand subscriptions.
func TestTrieMany(t *testing.T) {
	const count = 100_000
	tr, pipes := newTrie(), numberedPipes(10)
	topic := func(i int) []byte { return fmt.Appendf(nil, "market/%d/symbol/%d", i%7, i) }
	for i := range count {
		if !tr.add(topic(i), pipes[i%10]) {
			t.Fatalf("%q was there already", topic(i))
		}
	}
	sets := make([][]*pipe, 0, 8)
	for i := range count {
		sets = tr.match(append(topic(i), "/trade"...), sets[:0])
		if own := sets[len(sets)-1]; len(own) != 1 || own[0] != pipes[i%10] {
			t.Fatalf("%q does not match its own", topic(i))
		}
	}
	if n := tr.nodes(); n > 2*count {
		t.Errorf("%d nodes", n)
	}
	for i, p := range pipes {
		removed := 0
		tr.removeAll(p, func(_ string, last bool) {
			if removed++; !last {
				t.Error("somebody else is subscribed")
			}
		})
		if removed != count/10 {
			t.Errorf("pipe %d lost %d topics, want %d", i, removed, count/10)
		}
	}
	if !tr.empty() {
		t.Error("not empty at the end")
	}
}

func TestTrieDoesNotAllocate(t *testing.T) {
	tr, pipes := newTrie(), numberedPipes(3)
	for i, topic := range []string{"", "a", "abc", "abcdef", "abd"} {
		tr.add([]byte(topic), pipes[i%3])
		tr.retain([]byte(topic))
	}
	sets, topic := make([][]*pipe, 0, 8), []byte("abcdefghi")
	if n := testing.AllocsPerRun(100, func() {
		if sets = tr.match(topic, sets[:0]); len(sets) != 4 || !tr.matches(topic) {
			t.Fatal("no match")
		}
	}); n != 0 {
		t.Errorf("%v allocations per match, want 0", n)
	}
}

func BenchmarkTrieMatch(b *testing.B) {
	for _, count := range []int{1, 1000, 100_000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			tr, p := newTrie(), numberedPipes(1)[0]
			for i := range count {
				tr.add(fmt.Appendf(nil, "symbol/%06d", i), p)
			}
			sets, topic := make([][]*pipe, 0, 8), fmt.Appendf(nil, "symbol/%06d/trade", count/2)
			b.ReportAllocs()
			for b.Loop() {
				sets = tr.match(topic, sets[:0])
			}
		})
	}
}
