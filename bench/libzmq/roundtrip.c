/*
 * There and back: REQ to REP and DEALER to ROUTER.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "agent.h"
#include "stamp.h"

enum { BURST = 1000 };

static const int64_t OUTSTANDING = 10000000000; /* to wait for the last replies */

/* What is needed to ask. */
struct asker {
	struct peer *peers;
	uint8_t *body;   /* to send */
	uint8_t *filled; /* to compare with */
	zmq_msg_t reply;
	int64_t t0, from, end; /* when the window begins and ends, once t0 is known */
	uint64_t late;
};

static void begin(struct asker *a)
{
	a->t0 = begin_window();
	a->from = a->t0 + job.warmup;
	a->end = a->from + job.duration;
}

/* Sends the next request, unless there is no room. */
static bool ask(struct asker *a, struct peer *p, int64_t intended, int flags)
{
	stamp_put(a->body, p->sent, intended);
	if (!send_body(p->socket, a->body, (size_t)job.size, flags))
		return false;
	p->sent++;
	return true;
}

/* Receives the next reply, if there is one. */
static bool hear(struct asker *a, struct peer *p, int flags)
{
	if (!receive(p->socket, &a->reply, flags))
		return false;
	stamp_check(a->filled, zmq_msg_data(&a->reply), zmq_msg_size(&a->reply), p->received, true);
	publish(p, ++p->received);
	return true;
}

/* Records a latency that ends now, if its request was meant to be in the window. */
static void record(const struct asker *a, int64_t intended)
{
	if (intended >= a->from && intended < a->end)
		record_latency(clock_ns() - intended);
}

/* When request number i of an open loop is due. */
static int64_t due(const struct asker *a, uint64_t i)
{
	return a->t0 + (int64_t)(i * (uint64_t)SECOND / (uint64_t)job.rate);
}

/* Counts the requests of the window from number i on, none of which was sent. */
static void count_late(struct asker *a, uint64_t i)
{
	for (; due(a, i) < a->end; i++)
		a->late += due(a, i) >= a->from;
}

/* Closed loop: a request, its reply, a rest. One is in the window at least. */
static void ask_in_turn(struct asker *a, struct peer *p)
{
	begin(a);
	for (int64_t now = a->t0; now < a->end || recorded_latencies() == 0; now = clock_ns()) {
		if (!ask(a, p, now, 0) || !hear(a, p, 0))
			fail_call("round trip");
		if (now >= a->from)
			record_latency(clock_ns() - now);
		if (job.gap > 0)
			sleep_until(clock_ns() + job.gap);
	}
}

/* Open loop of a REQ: it may not send before it has the reply, so may be late. */
static void ask_in_turn_on_time(struct asker *a, struct peer *p)
{
	begin(a);
	for (uint64_t i = 0; due(a, i) < a->end; i++) {
		if (clock_ns() >= a->end) {
			count_late(a, i);
			break;
		}
		sleep_until(due(a, i));
		if (!ask(a, p, due(a, i), 0) || !hear(a, p, 0))
			fail_call("round trip");
		record(a, due(a, i));
	}
	sleep_until(a->end);
}

static void arm(int timer, int64_t t)
{
	struct itimerspec at = {.it_value = {.tv_sec = t / SECOND, .tv_nsec = t % SECOND}};
	if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL) != 0)
		fail("timerfd_settime: %s", strerror(errno));
}

/*
 * Open loop of a DEALER: requests go out when they are due, whatever came back.
 * A timer tells when, as zmq_poll itself counts in milliseconds. It needs not be
 * read: to set it anew makes it unreadable.
 */
static void ask_on_time(struct asker *a, struct peer *p)
{
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (timer < 0)
		fail("timerfd_create: %s", strerror(errno));
	zmq_pollitem_t items[] = {{.socket = p->socket}, {.fd = timer, .events = ZMQ_POLLIN}};
	bool over = false;
	begin(a);
	while (!over || p->received < p->sent) {
		int64_t now = clock_ns(), next;
		bool room = true;
		while (!over && room && (next = due(a, p->sent)) <= now && now < a->end)
			room = ask(a, p, next, ZMQ_DONTWAIT);
		if (!over && (now >= a->end || due(a, p->sent) >= a->end)) {
			over = true;
			count_late(a, p->sent);
		}
		if (hear(a, p, ZMQ_DONTWAIT)) {
			record(a, stamp_intended(zmq_msg_data(&a->reply)));
			continue;
		}
		if (now >= a->end + OUTSTANDING)
			fail("%ju replies are missing", (uintmax_t)(p->sent - p->received));
		arm(timer, over ? a->end + OUTSTANDING : room ? due(a, p->sent) : a->end);
		items[0].events = (short)(room ? ZMQ_POLLIN : ZMQ_POLLIN | ZMQ_POLLOUT);
		if (!over || p->received < p->sent)
			poll_items(items, 2, -1);
	}
	close(timer);
	sleep_until(a->end);
}

/*
 * Counted: takes replies in, and sends a request for each as long as it is not
 * time to stop. Returns whether there were any. That there is no room needs no
 * waiting for: there are replies to come, and then there will be some.
 */
static bool ask_burst(struct asker *a, struct peer *p, int flags)
{
	bool any = false;
	for (int i = 0; i < BURST; i++) {
		while (p->sent - p->received < (uint64_t)job.window && !stopped())
			if (!ask(a, p, 0, ZMQ_DONTWAIT))
				break;
		if (p->sent == p->received || !hear(a, p, flags))
			return any;
		any = true;
	}
	return any;
}

/* Counted: keeps the window of each socket full, then waits for all replies. */
static void ask_counted(struct asker *a)
{
	int n = (int)job.sockets;
	zmq_pollitem_t *items = calloc((size_t)n, sizeof *items);
	if (items == NULL)
		fail("no memory for %d sockets", n);
	for (int i = 0; i < n; i++)
		items[i] = (zmq_pollitem_t){.socket = a->peers[i].socket, .events = ZMQ_POLLIN};
	begin(a);
	for (bool outstanding = true; outstanding;) {
		bool any = false;
		outstanding = false;
		for (int i = 0; i < n; i++) {
			struct peer *p = &a->peers[i];
			any |= ask_burst(a, p, n == 1 ? 0 : ZMQ_DONTWAIT);
			outstanding |= p->sent > p->received || !stopped();
		}
		if (!any && outstanding)
			poll_items(items, n, -1);
	}
	free(items);
}

static void ask_all(struct peer *peers)
{
	struct asker a = {.peers = peers, .body = stamp_new(), .filled = stamp_new()};
	bool timed = job.pattern == REQREP || (job.sockets == 1 && job.window == 1);
	uint64_t total = 0;
	check(zmq_msg_init(&a.reply), "zmq_msg_init");
	if (prctl(PR_SET_TIMERSLACK, 1) != 0)
		fail("prctl: %s", strerror(errno));
	start_window(peers, job.sockets, 0);
	if (!timed)
		ask_counted(&a);
	else if (job.rate == 0)
		ask_in_turn(&a, peers);
	else if (job.pattern == REQREP)
		ask_in_turn_on_time(&a, peers);
	else
		ask_on_time(&a, peers);
	end_window();
	for (int64_t i = 0; i < job.sockets; i++)
		total += peers[i].received;
	say_window(timed ? recorded_latencies() : -1, total);
	if (timed)
		say_latencies();
	if (job.rate > 0)
		say("late %ju", (uintmax_t)a.late);
	zmq_msg_close(&a.reply);
	free(a.body);
	free(a.filled);
}

void ask_role(void)
{
	struct peer *peers = new_peers(job.sockets);
	for (int64_t i = 0; i < job.sockets; i++) {
		open_peer(&peers[i], (int)i, first_type());
		connect_peer(&peers[i], job.connect);
	}
	await_go(true);
	ask_all(peers);
	close_all(true);
	say("done");
	free(peers);
}

/* Echo */

/* Sends a message on. Returns false if whom it is for has gone, or all is to end. */
static bool pass_on(void *socket, zmq_msg_t *message, int flags)
{
	while (zmq_msg_send(message, socket, flags) == -1) {
		if (errno == EHOSTUNREACH || errno == ETERM)
			return false;
		if (errno != EINTR)
			fail_call("zmq_msg_send");
	}
	return true;
}

/*
 * Sends back what it receives, as it is, until the context is stopped. A
 * ROUTER's message has in front whom it is from, and then is for.
 */
static void *echo_thread(void *arg)
{
	struct peer *p = arg;
	bool routed = job.pattern == DEALERROUTER, first = true;
	uint64_t count = 0;
	zmq_msg_t id, body;
	check(zmq_msg_init(&id), "zmq_msg_init");
	check(zmq_msg_init(&body), "zmq_msg_init");
	for (;;) {
		if ((routed && !receive(p->socket, &id, 0)) || !receive(p->socket, &body, 0))
			break;
		if (first && job.role == ECHO)
			begin_window();
		first = false;
		if ((!routed || pass_on(p->socket, &id, ZMQ_SNDMORE)) &&
		    pass_on(p->socket, &body, 0))
			publish(p, ++count);
	}
	zmq_msg_close(&id);
	zmq_msg_close(&body);
	p->sent = count;
	return NULL;
}

static pthread_t start_echo(struct peer *p)
{
	pthread_t thread;
	int err = pthread_create(&thread, NULL, echo_thread, p);
	if (err != 0)
		fail("pthread_create: %s", strerror(err));
	return thread;
}

void echo_role(void)
{
	struct peer *p = new_peers(1);
	open_peer(p, 0, second_type());
	bind_peer(p, 'e');
	await_go(false);
	start_window(p, 1, 0);
	pthread_t thread = start_echo(p);
	await_end_of_input();
	end_window();
	stop_context();
	pthread_join(thread, NULL);
	say_window(-1, p->sent);
	close_all(true);
	say("done");
	free(p);
}

/* Both, in one process: the window is of those that ask. */
void roundtrip_both_role(void)
{
	struct peer *to = new_peers(1), *from = new_peers(job.sockets);
	open_peer(to, 0, second_type());
	const char *endpoint = bind_peer(to, 'b');
	for (int64_t i = 0; i < job.sockets; i++) {
		open_peer(&from[i], (int)i, first_type());
		connect_peer(&from[i], endpoint);
	}
	await_go(true);
	pthread_t thread = start_echo(to);
	ask_all(from);
	stop_context();
	pthread_join(thread, NULL);
	close_all(true);
	say("done");
	free(to);
	free(from);
}
