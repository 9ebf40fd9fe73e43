package socket

import (
	"bytes"
	"slices"
)

// A trie holds subscriptions by topic, and finds those that are a prefix of a
// message. XPUB keeps in it a set of pipes per topic; XSUB, which has no need
// to know who, a count.
//
// It is a radix tree: a node has its own topic and differs from its parent by
// one octet or more, so there are at most two nodes per topic held, however
// long. Nothing here recurses, because peers choose how deep the tree gets.
//
// Invariants: a node other than the root holds pipes or references or has two
// children or more; next[i] is the first octet of children[i].topic beyond
// topic; pipes are sorted by number; held[pipes[i]][at[i]] is the node itself.
type trie struct {
	root node
	held map[*pipe][]*node // the nodes that each pipe is in
}

// A node is one topic.
//
// It keeps its topic whole, not only what it adds to the parent's: then
// splitting and joining nodes costs no copying that a peer has not paid for
// with octets sent, and memory is at most twice that of the topics held.
type node struct {
	topic    string
	parent   *node // nil for the root
	next     []byte
	children []*node
	pipes    []*pipe
	at       []int // place of this node in held[pipes[i]]
	refs     int
}

func newTrie() trie { return trie{held: make(map[*pipe][]*node)} }

// match appends to sets the pipes of each topic that topic starts with.
func (t *trie) match(topic []byte, sets [][]*pipe) [][]*pipe {
	for n := &t.root; n != nil; n = n.child(topic) {
		if len(n.pipes) > 0 {
			sets = append(sets, n.pipes)
		}
	}
	return sets
}

// matches reports whether topic starts with a topic that has references.
func (t *trie) matches(topic []byte) bool {
	for n := &t.root; n != nil; n = n.child(topic) {
		if n.refs > 0 {
			return true
		}
	}
	return false
}

// child returns the child of n on the way to topic, or nil if topic does not
// start with the topic of any.
func (n *node) child(topic []byte) *node {
	depth := len(n.topic)
	if depth == len(topic) {
		return nil
	}
	i := bytes.IndexByte(n.next, topic[depth])
	if i < 0 {
		return nil
	}
	c := n.children[i]
	if len(c.topic) > len(topic) || c.topic[depth:] != string(topic[depth:len(c.topic)]) {
		return nil
	}
	return c
}

// nearest returns the node with the longest topic that topic starts with.
func (t *trie) nearest(topic []byte) *node {
	n := &t.root
	for c := n; c != nil; c = n.child(topic) {
		n = c
	}
	return n
}

// find returns topic's node, or nil.
func (t *trie) find(topic []byte) *node {
	if n := t.nearest(topic); len(n.topic) == len(topic) {
		return n
	}
	return nil
}

// insert returns topic's node, which it makes if there is none. The caller
// puts something into it, or prunes it.
func (t *trie) insert(topic []byte) *node {
	n := t.nearest(topic)
	if len(n.topic) == len(topic) {
		return n
	}
	if i := bytes.IndexByte(n.next, topic[len(n.topic)]); i >= 0 {
		if n = n.split(i, topic); len(n.topic) == len(topic) {
			return n
		}
	}
	leaf := &node{topic: string(topic), parent: n}
	n.adopt(leaf)
	return leaf
}

// split puts a node between n and its child i, for what the child and topic
// have in common.
func (n *node) split(i int, topic []byte) *node {
	c := n.children[i]
	depth := len(n.topic) + 1
	for depth < len(topic) && depth < len(c.topic) && topic[depth] == c.topic[depth] {
		depth++
	}
	// A copy, so that it does not keep a long topic alive for a short one.
	fork := &node{topic: string(topic[:depth]), parent: n}
	n.children[i] = fork
	fork.adopt(c)
	return fork
}

// adopt makes c a child of n.
func (n *node) adopt(c *node) {
	c.parent = n
	n.next = append(n.next, c.topic[len(n.topic)])
	n.children = append(n.children, c)
}

// prune removes n if it holds nothing, and then its parent likewise. A node
// between its parent and a single child leaves the child to the parent.
func (n *node) prune() {
	for n.parent != nil && n.refs == 0 && len(n.pipes) == 0 && len(n.children) < 2 {
		parent := n.parent
		i := bytes.IndexByte(parent.next, n.topic[len(parent.topic)])
		if len(n.children) == 1 {
			parent.children[i] = n.children[0]
			parent.children[i].parent = parent
			return
		}
		parent.next = cut(parent.next, i)
		parent.children = cut(parent.children, i)
		n = parent
	}
}

// cut removes s[i] by moving the last element there. An empty result keeps no
// memory.
func cut[T any](s []T, i int) []T {
	var zero T
	last := len(s) - 1
	if last == 0 {
		return nil
	}
	s[i], s[last] = s[last], zero
	return s[:last]
}

// search returns p's index in n.pipes, or where it would stand.
func (n *node) search(p *pipe) (int, bool) {
	return slices.BinarySearchFunc(n.pipes, p.number, func(q *pipe, number uint64) int {
		switch {
		case q.number < number:
			return -1
		case q.number > number:
			return 1
		}
		return 0
	})
}

// add subscribes p to topic and reports whether it is the first to be. Once is
// enough: subscribing again changes nothing. https://rfc.zeromq.org/spec/37/
// has a subscription counted for each time, but libzmq keeps sets
// (generic_mtrie_t), and its SUB sends one cancel for several subscriptions.
func (t *trie) add(topic []byte, p *pipe) (first bool) {
	n := t.insert(topic)
	i, found := n.search(p)
	if found {
		return false
	}
	n.pipes = slices.Insert(n.pipes, i, p)
	n.at = slices.Insert(n.at, i, len(t.held[p]))
	t.held[p] = append(t.held[p], n)
	return len(n.pipes) == 1
}

// remove ends p's subscription to topic. It reports whether there was one, and
// whether it was the last.
func (t *trie) remove(topic []byte, p *pipe) (found, last bool) {
	n := t.find(topic)
	if n == nil {
		return false, false
	}
	i, found := n.search(p)
	if !found {
		return false, false
	}
	t.forget(p, n.at[i])
	last = n.evict(i)
	n.prune()
	return true, last
}

// forget takes place at off the list of nodes that p is in.
func (t *trie) forget(p *pipe, at int) {
	nodes := t.held[p]
	moved := nodes[len(nodes)-1]
	i, _ := moved.search(p)
	moved.at[i] = at
	if nodes = cut(nodes, at); len(nodes) == 0 {
		delete(t.held, p)
	} else {
		t.held[p] = nodes
	}
}

// evict removes n.pipes[i] and reports whether it was the last.
func (n *node) evict(i int) (last bool) {
	if len(n.pipes) == 1 {
		n.pipes, n.at = nil, nil
		return true
	}
	n.pipes = slices.Delete(n.pipes, i, i+1)
	n.at = slices.Delete(n.at, i, i+1)
	return false
}

// removeAll ends all subscriptions of p and calls each, if it is not nil, with
// every topic and whether p was the last subscribed to it. It takes time by
// p's subscriptions, not by all.
func (t *trie) removeAll(p *pipe, each func(topic string, last bool)) {
	nodes := t.held[p]
	delete(t.held, p)
	for _, n := range nodes {
		i, _ := n.search(p)
		last := n.evict(i)
		if each != nil {
			each(n.topic, last)
		}
		n.prune()
	}
}

// count is how many topics p is subscribed to.
func (t *trie) count(p *pipe) int { return len(t.held[p]) }

// retain adds a reference to topic.
func (t *trie) retain(topic []byte) { t.insert(topic).refs++ }

// release drops a reference to topic. It reports whether that was the last; it
// is false too if there was none.
func (t *trie) release(topic []byte) (last bool) {
	n := t.find(topic)
	if n == nil || n.refs == 0 {
		return false
	}
	n.refs--
	n.prune()
	return n.refs == 0
}

// retained calls each with every topic that has references.
func (t *trie) retained(each func(topic string)) {
	for n := &t.root; n != nil; n = n.successor() {
		if n.refs > 0 {
			each(n.topic)
		}
	}
}

// successor returns the node after n, each parent before its children, or nil
// after the last.
func (n *node) successor() *node {
	if len(n.children) > 0 {
		return n.children[0]
	}
	for n.parent != nil {
		i := bytes.IndexByte(n.parent.next, n.topic[len(n.parent.topic)]) + 1
		n = n.parent
		if i < len(n.children) {
			return n.children[i]
		}
	}
	return nil
}
