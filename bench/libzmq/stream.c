/*
 * One way: PUSH to PULL, XPUB to SUB, and both ends of a proxy.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "stamp.h"

/* How many messages are taken from a socket before others have their turn. */
enum { BURST = 1000 };

static const int64_t STRAGGLERS = 5000000000; /* to wait for what ends overtook */
static const int64_t PROXY_DRAIN = 1000000000; /* to let a proxy take all there is */

/* Threads, each with every step-th of the sockets */

struct share {
	pthread_t thread;
	struct peer *peers;
	int64_t n, first, step;
};

static struct share *start_threads(void *(*work)(void *), struct peer *peers, int64_t n,
				   int64_t threads)
{
	struct share *shares = calloc((size_t)threads, sizeof *shares);
	if (shares == NULL)
		fail("no memory for %jd threads", (intmax_t)threads);
	for (int64_t i = 0; i < threads; i++) {
		struct share *s = &shares[i];
		s->peers = peers;
		s->n = n;
		s->first = i;
		s->step = threads;
		int err = pthread_create(&s->thread, NULL, work, s);
		if (err != 0)
			fail("pthread_create: %s", strerror(err));
	}
	return shares;
}

static void join_threads(struct share *shares, int64_t threads)
{
	for (int64_t i = 0; i < threads; i++)
		pthread_join(shares[i].thread, NULL);
	free(shares);
}

/* Sending */

/* Waits until an XPUB has so many subscriptions. */
static void await_subscriptions(struct peer *p, int64_t n)
{
	zmq_msg_t message;
	check(zmq_msg_init(&message), "zmq_msg_init");
	while (n > 0) {
		if (!receive(p->socket, &message, 0))
			fail_call("zmq_msg_recv");
		const uint8_t *data = zmq_msg_data(&message);
		n -= zmq_msg_size(&message) > 0 && data[0] == 1;
	}
	zmq_msg_close(&message);
}

static void await_all_subscriptions(struct peer *peers, int64_t n, int64_t wait)
{
	watch(GRACE, "to wait for subscriptions");
	for (int64_t i = 0; job.pattern == PUBSUB && i < n; i++)
		await_subscriptions(&peers[i], wait);
	watch_work();
}

static void send_end(struct peer *p)
{
	uint8_t end[TOPIC_SIZE + END_SIZE];
	size_t size = stamp_end(end, p->sent);
	if (!send_body(p->socket, end, size, 0))
		fail_call("zmq_send");
}

/* Sends on a share of the sockets by turns until it is time, then the ends. */
static void *send_share(void *arg)
{
	const struct share *s = arg;
	uint8_t *body = stamp_new();
	if (job.role == SEND)
		begin_window();
	while (!stopped()) {
		for (int64_t i = s->first; i < s->n; i += s->step) {
			struct peer *p = &s->peers[i];
			if (job.topics > 0)
				stamp_topic(body, stamp_mix(p->sent) % (uint64_t)job.topics);
			stamp_put(body, p->sent, 0);
			if (!send_body(p->socket, body, (size_t)job.size, 0))
				fail_call("zmq_send");
			publish(p, ++p->sent);
		}
	}
	for (int64_t i = s->first; i < s->n; i += s->step)
		send_end(&s->peers[i]);
	free(body);
	return NULL;
}

/*
 * Waits until the receivers have disconnected, as they do when they have had
 * all, so that to close loses nothing. That libzmq lingers is not enough: when
 * this side is gone before the other has read what the system holds, and the
 * other is at its high-water mark, then over ipc it drops the rest. A proxy does
 * not disconnect, and is given time.
 */
static void await_receivers(struct peer *peers)
{
	bool proxy = job.pattern == PROXIED;
	int64_t topics = job.topics > 0 ? job.topics : 1;
	int64_t receivers = job.pattern == PUBSUB ? job.wait / topics : job.conns;
	int64_t until = clock_ns() + (proxy ? PROXY_DRAIN : GRACE);
	watch(2 * GRACE, "to wait for the receivers");
	for (int64_t i = 0; i < job.sockets; i++)
		if (!await_disconnections(&peers[i], receivers, until) && !proxy)
			fail("socket %jd: the receivers did not disconnect", (intmax_t)i);
}

void send_role(void)
{
	uint64_t total = 0;
	struct peer *peers = new_peers(job.sockets);
	for (int64_t i = 0; i < job.sockets; i++) {
		open_peer(&peers[i], (int)i, first_type());
		monitor_peer(&peers[i]);
		if (job.pattern == PUBSUB)
			bind_peer(&peers[i], 's');
		else
			connect_peer(&peers[i], job.connect);
	}
	await_go(true);
	await_all_subscriptions(peers, job.sockets, job.wait);
	start_window(peers, job.sockets, job.duration / 8);
	join_threads(start_threads(send_share, peers, job.sockets, job.threads), job.threads);
	end_window();
	for (int64_t i = 0; i < job.sockets; i++)
		total += peers[i].sent;
	say_window(-1, total);
	await_receivers(peers);
	close_all(true);
	say("done");
	free(peers);
}

/* Receiving */

/* Fails if what a socket received is not what its streams sent. */
static void check_total(const struct peer *p)
{
	if (p->received < p->due)
		fail("socket %d: lost %ju messages", p->index, (uintmax_t)(p->due - p->received));
	if (p->received > p->due)
		fail("socket %d: %ju messages more than were sent", p->index,
		     (uintmax_t)(p->received - p->due));
	if (p->sum != p->due_sum)
		fail("socket %d: some messages came twice, and others not", p->index);
}

/* Takes a message in: one of a stream or the end of one. */
static inline void take(struct peer *p, const uint8_t *filled, zmq_msg_t *message)
{
	const uint8_t *body = zmq_msg_data(message);
	size_t size = zmq_msg_size(message);
	uint64_t count;
	if (__builtin_expect(stamp_is_end(body, size, &count), 0)) {
		p->ends++;
		p->due += count;
		p->due_sum += count % 2 == 0 ? count / 2 * (count - 1) : (count - 1) / 2 * count;
		if (job.ordered || p->ends > job.streams)
			check_total(p);
		return;
	}
	p->sum += stamp_check(filled, body, size, p->received, job.ordered);
	publish(p, ++p->received);
}

static inline bool has_ended(const struct peer *p) { return p->ends >= job.streams; }

/* Takes in some messages, until the ends; returns whether there were any. */
static bool take_burst(struct peer *p, const uint8_t *filled, zmq_msg_t *message, int flags)
{
	for (int i = 0; i < BURST; i++) {
		if (!receive(p->socket, message, flags))
			return i > 0;
		take(p, filled, message);
		if (has_ended(p))
			return true;
	}
	return true;
}

/* Once a socket has had all ends, waits for messages that these overtook. */
static void take_stragglers(struct peer *p, const uint8_t *filled, zmq_msg_t *message)
{
	zmq_pollitem_t item = {.socket = p->socket, .events = ZMQ_POLLIN};
	int64_t until = clock_ns() + STRAGGLERS, left;
	while (p->received < p->due && (left = until - clock_ns()) > 0) {
		if (poll_items(&item, 1, (long)(left / 1000000) + 1) > 0 &&
		    receive(p->socket, message, ZMQ_DONTWAIT))
			take(p, filled, message);
	}
	check_total(p);
}

/*
 * Receives on a share of the sockets, each until its ends. One socket can be
 * waited for by receiving. Several are gone through by turns for as long as any
 * has something, and polled when none has.
 */
static void *recv_share(void *arg)
{
	const struct share *s = arg;
	uint8_t *filled = stamp_new();
	zmq_pollitem_t *items = calloc((size_t)s->n, sizeof *items);
	struct peer **open = calloc((size_t)s->n, sizeof *open);
	zmq_msg_t message;
	int n = 0;
	if (items == NULL || open == NULL)
		fail("no memory for %jd sockets", (intmax_t)s->n);
	for (int64_t i = s->first; i < s->n; i += s->step) {
		open[n] = &s->peers[i];
		items[n++] = (zmq_pollitem_t){.socket = s->peers[i].socket, .events = ZMQ_POLLIN};
	}
	check(zmq_msg_init(&message), "zmq_msg_init");
	poll_items(items, n, -1);
	begin_window();
	while (n > 0) {
		bool any = false;
		for (int i = 0; i < n;) {
			any |= take_burst(open[i], filled, &message, n == 1 ? 0 : ZMQ_DONTWAIT);
			if (!has_ended(open[i])) {
				i++;
				continue;
			}
			take_stragglers(open[i], filled, &message);
			open[i] = open[--n];
			items[i] = items[n];
		}
		if (!any && n > 1)
			poll_items(items, n, -1);
	}
	zmq_msg_close(&message);
	free(open);
	free(items);
	free(filled);
	return NULL;
}

static void say_received(const struct peer *peers)
{
	uint64_t total = 0;
	for (int64_t i = 0; i < job.sockets; i++)
		total += peers[i].received;
	say_window(-1, total);
}

void recv_role(void)
{
	struct peer *peers = new_peers(job.sockets);
	for (int64_t i = 0; i < job.sockets; i++) {
		open_peer(&peers[i], (int)i, second_type());
		if (job.pattern == PUSHPULL)
			bind_peer(&peers[i], 'r');
		else
			connect_peer(&peers[i], job.connect);
	}
	await_go(true);
	start_window(peers, job.sockets, 0);
	join_threads(start_threads(recv_share, peers, job.sockets, job.threads), job.threads);
	end_window();
	say_received(peers);
	close_all(true);
	say("done");
	free(peers);
}

/* Both, in one process: the same sides bind, and the window is the receivers'. */
void stream_both_role(void)
{
	bool fan_out = job.pattern == PUBSUB; /* from one socket to all */
	int64_t senders = fan_out ? 1 : job.sockets;
	int64_t threads = fan_out ? 1 : job.threads;
	int64_t wait = job.sockets * (job.topics > 0 ? job.topics : 1);
	struct peer *to = new_peers(job.sockets), *from = new_peers(senders);
	const char *endpoint = NULL;
	for (int64_t i = 0; i < senders; i++)
		open_peer(&from[i], (int)i, first_type());
	if (fan_out)
		endpoint = bind_peer(&from[0], 'b');
	for (int64_t i = 0; i < job.sockets; i++) {
		open_peer(&to[i], (int)i, second_type());
		if (fan_out)
			connect_peer(&to[i], endpoint);
		else
			connect_peer(&from[i], bind_peer(&to[i], 'b'));
	}
	await_go(true);
	await_all_subscriptions(from, senders, wait);
	start_window(to, job.sockets, job.duration / 8);
	struct share *receiving = start_threads(recv_share, to, job.sockets, job.threads);
	join_threads(start_threads(send_share, from, senders, threads), threads);
	join_threads(receiving, job.threads);
	end_window();
	say_received(to);
	close_all(true);
	say("done");
	free(to);
	free(from);
}
