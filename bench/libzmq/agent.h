/*
 * A program that does with libzmq what the workloads of package bench ask for.
 * Its arguments and the lines it writes are described at Job in ../job.go, the
 * messages at Stamp in ../stamp.go; all other systems' programs keep to both.
 *
 *   agent.c      arguments, and the lines to and from whoever started this
 *   sockets.c    opens, binds and connects sockets, and closes them
 *   stamp.h      writes and checks messages
 *   window.c     counts what happens in the measured window
 *   stream.c     send, recv: one way
 *   roundtrip.c  ask, echo: there and back
 *   other.c      proxy, connect, gather
 *   multicast.c  send, recv: to a group
 */
#ifndef AGENT_H
#define AGENT_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

enum role { SEND, RECV, BOTH, ASK, ECHO, PROXY, CONNECT, GATHER };
enum pattern { PUSHPULL, PUBSUB, REQREP, DEALERROUTER, PROXIED, CONNECTIONS, MULTICAST };

static const int64_t SECOND = 1000000000;
static const int64_t GRACE = 30000000000; /* for what has no time of its own */

/* What a role's argument says; see ../job.go. Counts are at least 1. */
struct job {
	enum role role;
	enum pattern pattern;
	bool inproc;
	const char *bind;
	const char *connect;
	int64_t size, sockets, streams, conns, threads, reactors, window, topics, wait, hwm;
	int64_t gap, rate, warmup, duration, settle;
	bool ordered, busypoll;
	/* of multicast */
	const char *phases;
	int64_t drain, late, take, limit;
	bool defaults;
};

extern struct job job;

/*
 * A socket and what has passed through it. One thread uses it at a time; only
 * count is read by another. Two of them never share a cache line.
 */
struct peer {
	_Alignas(64) void *socket;
	void *monitor; /* hears of its disconnections, if they are of interest */
	int index;
	uint64_t sent;
	uint64_t received;
	uint64_t sum;     /* of the sequence numbers received */
	int ends;         /* of streams, received */
	uint64_t due;     /* messages that those streams had */
	uint64_t due_sum; /* of the sequence numbers that they had */
	_Atomic uint64_t count; /* sent, received or answered, for the window */
};

/* Counts without a locked instruction: there is but one writer. */
static inline void publish(struct peer *p, uint64_t count)
{
	atomic_store_explicit(&p->count, count, memory_order_relaxed);
}

/* agent.c: all that is written goes through these. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void fail_call(const char *call); /* names the zmq call and its error */
void await_go(bool watched);
void await_end_of_input(void);
void watch(int64_t ns, const char *doing); /* fails if that takes longer */
void watch_work(void);

/* sockets.c */
void start_context(void);
void stop_context(void); /* makes all calls on sockets fail with ETERM */
void close_all(bool flush);
struct peer *new_peers(int64_t n);
int first_type(void);  /* the type of the socket that sends first */
int second_type(void); /* and that of the other */
void open_peer(struct peer *p, int index, int type);
const char *bind_peer(struct peer *p, char letter);
void connect_peer(struct peer *p, const char *endpoints);
void monitor_peer(struct peer *p);
bool await_disconnections(struct peer *p, int64_t n, int64_t until);
void set_option(void *socket, int option, const char *name, int value);

/* window.c */
int64_t clock_ns(void);
int64_t cpu_ns(void);
int64_t rss_kb(void);
int64_t peak_rss_kb(void);
void sleep_until(int64_t t);
void start_window(struct peer *peers, int64_t n, int64_t tail);
int64_t begin_window(void);
bool stopped(void);
void end_window(void);
void say_window(int64_t messages, uint64_t total);
void say_usage(int64_t messages, int64_t ns, int64_t cpu, uint64_t total);
void record_latency(int64_t ns);
void say_latencies(void);
int64_t recorded_latencies(void);

/* The roles. */
void send_role(void);
void recv_role(void);
void stream_both_role(void);
void ask_role(void);
void echo_role(void);
void roundtrip_both_role(void);
void proxy_role(void);
void connect_role(void);
void gather_role(void);
void cast_source_role(void);
void cast_receiver_role(void);

/* A zmq call's result, which must not be -1. */
static inline int check(int rc, const char *call)
{
	if (rc == -1)
		fail_call(call);
	return rc;
}

/*
 * Sends a copy of a body. Returns false if there is no room, with ZMQ_DONTWAIT,
 * or the context was stopped.
 */
static inline bool send_body(void *socket, const void *body, size_t size, int flags)
{
	while (zmq_send(socket, body, size, flags) == -1) {
		if (errno == EAGAIN || errno == ETERM)
			return false;
		if (errno != EINTR)
			fail_call("zmq_send");
	}
	return true;
}

/*
 * Receives into a message that was initialized, and replaces what is there: so
 * one message does for all, and nothing is copied. Returns false if there is
 * none, with ZMQ_DONTWAIT, or the context was stopped.
 */
static inline bool receive(void *socket, zmq_msg_t *message, int flags)
{
	while (zmq_msg_recv(message, socket, flags) == -1) {
		if (errno == EAGAIN || errno == ETERM)
			return false;
		if (errno != EINTR)
			fail_call("zmq_msg_recv");
	}
	return true;
}

/* Waits for any of the items, for so many milliseconds or without end. */
static inline int poll_items(zmq_pollitem_t *items, int n, long ms)
{
	int ready;
	while ((ready = zmq_poll(items, n, ms)) == -1)
		if (errno != EINTR)
			fail_call("zmq_poll");
	return ready;
}

#endif
