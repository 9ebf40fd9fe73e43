/*
 * Opens, binds and connects sockets, set as one who knows libzmq would for this
 * work, and closes them.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "agent.h"
#include "stamp.h"

enum { BACKLOG = 4096, ENDPOINT_SIZE = 512 };

static void *context;
static void **sockets; /* all there are */
static size_t socket_count;

/* The context */

/* As many descriptors as may be: each socket has one, and each connection. */
static void raise_file_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		fail("getrlimit: %s", strerror(errno));
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		fail("setrlimit: %s", strerror(errno));
}

void start_context(void)
{
	int max_sockets = (int)(3 * job.sockets + 16); /* with both ends of their monitors */
	raise_file_limit();
	context = zmq_ctx_new();
	if (context == NULL)
		fail_call("zmq_ctx_new");
	check(zmq_ctx_set(context, ZMQ_IO_THREADS, (int)job.reactors), "zmq_ctx_set");
	if (max_sockets > ZMQ_MAX_SOCKETS_DFLT)
		check(zmq_ctx_set(context, ZMQ_MAX_SOCKETS, max_sockets), "zmq_ctx_set");
}

void stop_context(void) { check(zmq_ctx_shutdown(context), "zmq_ctx_shutdown"); }

/* Closes all sockets, once all is sent that is queued, or without that. */
void close_all(bool flush)
{
	watch(GRACE, "sending what is queued, to close");
	for (size_t i = 0; i < socket_count; i++) {
		if (!flush)
			set_option(sockets[i], ZMQ_LINGER, "ZMQ_LINGER", 0);
		check(zmq_close(sockets[i]), "zmq_close");
	}
	while (zmq_ctx_term(context) == -1)
		if (zmq_errno() != EINTR)
			fail_call("zmq_ctx_term");
	free(sockets);
	sockets = NULL;
	socket_count = 0;
}

/* Sockets */

struct peer *new_peers(int64_t n)
{
	struct peer *peers = aligned_alloc(_Alignof(struct peer), (size_t)n * sizeof *peers);
	if (peers == NULL)
		fail("no memory for %jd sockets", (intmax_t)n);
	memset(peers, 0, (size_t)n * sizeof *peers);
	return peers;
}

/* A publisher that is to know its subscriptions and lose nothing is an XPUB. */
int first_type(void)
{
	switch (job.pattern) {
	case PUBSUB:
	case MULTICAST:
		return ZMQ_XPUB;
	case REQREP:
		return ZMQ_REQ;
	case DEALERROUTER:
		return ZMQ_DEALER;
	default:
		return ZMQ_PUSH;
	}
}

int second_type(void)
{
	switch (job.pattern) {
	case PUBSUB:
	case MULTICAST:
		return ZMQ_SUB;
	case REQREP:
		return ZMQ_REP;
	case DEALERROUTER:
		return ZMQ_ROUTER;
	default:
		return ZMQ_PULL;
	}
}

void set_option(void *socket, int option, const char *name, int value)
{
	if (zmq_setsockopt(socket, option, &value, sizeof value) == -1)
		fail("zmq_setsockopt %s: %s", name, zmq_strerror(zmq_errno()));
}

static void subscribe(void *socket)
{
	uint8_t topic[TOPIC_SIZE];
	if (job.topics == 0)
		check(zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0), "zmq_setsockopt ZMQ_SUBSCRIBE");
	for (int64_t i = 0; i < job.topics; i++) {
		stamp_topic(topic, (uint64_t)i);
		check(zmq_setsockopt(socket, ZMQ_SUBSCRIBE, topic, sizeof topic),
		      "zmq_setsockopt ZMQ_SUBSCRIBE");
	}
}

/* Sets what differs from libzmq's defaults. */
static void set_up(void *socket, int type)
{
	set_option(socket, ZMQ_SNDHWM, "ZMQ_SNDHWM", (int)job.hwm);
	set_option(socket, ZMQ_RCVHWM, "ZMQ_RCVHWM", (int)job.hwm);
	set_option(socket, ZMQ_LINGER, "ZMQ_LINGER", -1);
	set_option(socket, ZMQ_BACKLOG, "ZMQ_BACKLOG", BACKLOG);
	switch (type) {
	case ZMQ_XPUB:
		set_option(socket, ZMQ_XPUB_NODROP, "ZMQ_XPUB_NODROP", 1);
		/* Equal subscriptions of many are to be counted, not only the first. */
		set_option(socket, ZMQ_XPUB_VERBOSE, "ZMQ_XPUB_VERBOSE", 1);
		break;
	case ZMQ_SUB:
		/* What a SUB sends is subscriptions: beyond the mark they would be lost. */
		set_option(socket, ZMQ_SNDHWM, "ZMQ_SNDHWM", 0);
		/* And of their ends none need wait for a publisher that has gone. */
		set_option(socket, ZMQ_LINGER, "ZMQ_LINGER", 0);
		subscribe(socket);
		break;
	case ZMQ_ROUTER:
		/* Else replies to a peer that is at its mark would be lost. */
		set_option(socket, ZMQ_ROUTER_MANDATORY, "ZMQ_ROUTER_MANDATORY", 1);
		break;
	default:
		break;
	}
}

/* Opens a socket that close_all closes. */
static void *open_socket(int type)
{
	void *socket = zmq_socket(context, type);
	if (socket == NULL)
		fail_call("zmq_socket");
	sockets = realloc(sockets, (socket_count + 1) * sizeof *sockets);
	if (sockets == NULL)
		fail("no memory for a socket");
	sockets[socket_count++] = socket;
	return socket;
}

void open_peer(struct peer *p, int index, int type)
{
	p->index = index;
	p->socket = open_socket(type);
	set_up(p->socket, type);
}

/* Disconnections */

void monitor_peer(struct peer *p)
{
	char name[32];
	snprintf(name, sizeof name, "inproc://monitor%d", p->index);
	check(zmq_socket_monitor(p->socket, name, ZMQ_EVENT_DISCONNECTED), "zmq_socket_monitor");
	p->monitor = open_socket(ZMQ_PAIR);
	check(zmq_connect(p->monitor, name), "zmq_connect");
}

/* Waits until so many connections of a monitored socket are no more, or a time. */
bool await_disconnections(struct peer *p, int64_t n, int64_t until)
{
	zmq_pollitem_t item = {.socket = p->monitor, .events = ZMQ_POLLIN};
	zmq_msg_t part;
	int64_t left;
	check(zmq_msg_init(&part), "zmq_msg_init");
	while (n > 0 && (left = until - clock_ns()) > 0) {
		if (poll_items(&item, 1, (long)(left / 1000000) + 1) == 0)
			continue;
		while (receive(p->monitor, &part, 0) && zmq_msg_more(&part)) {
		}
		n--;
	}
	zmq_msg_close(&part);
	return n <= 0;
}

/* Endpoints */

/*
 * Binds to the job's endpoint, whose * is a port that the kernel chooses, or of
 * ipc and inproc what makes the name the socket's own. Returns it as it became,
 * good until the next call, and says so.
 */
const char *bind_peer(struct peer *p, char letter)
{
	static char endpoint[ENDPOINT_SIZE];
	size_t size = sizeof endpoint;
	const char *star = strchr(job.bind, '*');
	char name[16] = "*";
	int n;
	if (strncmp(job.bind, "ipc:", 4) == 0)
		snprintf(name, sizeof name, "%c%d", letter, p->index);
	else if (strncmp(job.bind, "inproc:", 7) == 0)
		snprintf(name, sizeof name, "%d", p->index);
	if (star == NULL)
		n = snprintf(endpoint, size, "%s", job.bind);
	else
		n = snprintf(endpoint, size, "%.*s%s%s", (int)(star - job.bind), job.bind, name,
			     star + 1);
	if (n < 0 || (size_t)n >= size)
		fail("bind %s: too long", job.bind);
	if (zmq_bind(p->socket, endpoint) == -1)
		fail("zmq_bind %s: %s", endpoint, zmq_strerror(zmq_errno()));
	check(zmq_getsockopt(p->socket, ZMQ_LAST_ENDPOINT, endpoint, &size),
	      "zmq_getsockopt ZMQ_LAST_ENDPOINT");
	say("endpoint %s", endpoint);
	return endpoint;
}

/* Copies the nth, modulo how many there are, of endpoints separated by commas. */
static void pick_endpoint(char endpoint[ENDPOINT_SIZE], const char *endpoints, int n)
{
	int count = 1;
	for (const char *c = endpoints; *c != '\0'; c++)
		count += *c == ',';
	for (n %= count; n > 0; n--)
		endpoints = strchr(endpoints, ',') + 1;
	size_t size = strcspn(endpoints, ",");
	if (size >= ENDPOINT_SIZE)
		fail("connect %s: too long", endpoints);
	memcpy(endpoint, endpoints, size);
	endpoint[size] = '\0';
}

/* Connects to the endpoint that is the socket's, as often as the job says. */
void connect_peer(struct peer *p, const char *endpoints)
{
	char endpoint[ENDPOINT_SIZE];
	pick_endpoint(endpoint, endpoints, p->index);
	/* Of a PUSH each is a connection; others keep to the first, without a word. */
	if (job.conns > 1 && first_type() != ZMQ_PUSH)
		fail("conns: only a PUSH of libzmq connects to an endpoint more than once");
	for (int64_t i = 0; i < job.conns; i++)
		if (zmq_connect(p->socket, endpoint) == -1)
			fail("zmq_connect %s: %s", endpoint, zmq_strerror(zmq_errno()));
}
