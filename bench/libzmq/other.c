/*
 * A proxy, and connections rather than messages.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "stamp.h"

/* Proxy */

static void *proxy_thread(void *arg)
{
	const struct peer *ends = arg;
	if (zmq_proxy(ends[0].socket, ends[1].socket, NULL) == -1 && zmq_errno() != ETERM)
		fail_call("zmq_proxy");
	return NULL;
}

/* libzmq's own proxy between a PULL in front and a PUSH at the back. */
void proxy_role(void)
{
	pthread_t thread;
	struct peer *ends = new_peers(2);
	open_peer(&ends[0], 0, ZMQ_PULL);
	open_peer(&ends[1], 1, ZMQ_PUSH);
	bind_peer(&ends[0], 'p');
	bind_peer(&ends[1], 'p');
	await_go(false);
	int64_t start = clock_ns(), cpu = cpu_ns();
	int err = pthread_create(&thread, NULL, proxy_thread, ends);
	if (err != 0)
		fail("pthread_create: %s", strerror(err));
	await_end_of_input();
	say_usage(0, clock_ns() - start, cpu_ns() - cpu, 0);
	stop_context();
	pthread_join(thread, NULL);
	close_all(true);
	say("done");
	free(ends);
}

/* Connections */

/* Connects all, and sends as many messages, which PUSH gives out one to each. */
void connect_role(void)
{
	struct peer *peers = new_peers(job.sockets);
	uint8_t *body = stamp_new();
	uint64_t total = 0;
	await_go(true);
	int64_t start = clock_ns(), cpu = cpu_ns();
	for (int64_t i = 0; i < job.sockets; i++) {
		open_peer(&peers[i], (int)i, ZMQ_PUSH);
		connect_peer(&peers[i], job.connect);
	}
	for (int64_t i = 0; i < job.sockets * job.conns; i++) {
		stamp_put(body, total++, start);
		if (!send_body(peers[i / job.conns].socket, body, (size_t)job.size, 0))
			fail_call("zmq_send");
	}
	say_usage((int64_t)total, clock_ns() - start, cpu_ns() - cpu, total);
	await_end_of_input();
	close_all(true);
	say("done");
	free(body);
	free(peers);
}

/* Waits for a message of each connection, and measures what they take up. */
void gather_role(void)
{
	struct peer *p = new_peers(1);
	uint8_t *filled = stamp_new();
	int64_t start = 0;
	uint64_t n = (uint64_t)job.streams, sum = 0;
	zmq_msg_t message;
	check(zmq_msg_init(&message), "zmq_msg_init");
	open_peer(p, 0, ZMQ_PULL);
	bind_peer(p, 'g');
	int64_t rss0 = rss_kb();
	await_go(true);
	int64_t cpu = cpu_ns();
	for (; p->received < n; p->received++) {
		if (!receive(p->socket, &message, 0))
			fail_call("zmq_msg_recv");
		const uint8_t *body = zmq_msg_data(&message);
		sum += stamp_check(filled, body, zmq_msg_size(&message), p->received, false);
		if (p->received == 0)
			start = stamp_intended(body);
	}
	int64_t elapsed = clock_ns() - start;
	if (sum != n * (n - 1) / 2)
		fail("some messages came twice, and others not");
	sleep_until(clock_ns() + job.settle);
	say("elapsed_ns %jd", (intmax_t)elapsed);
	say("rss0_kb %jd", (intmax_t)rss0);
	say("rss1_kb %jd", (intmax_t)rss_kb());
	say_usage((int64_t)p->received, elapsed, cpu_ns() - cpu, p->received);
	zmq_msg_close(&message);
	close_all(true);
	say("done");
	free(filled);
	free(p);
}
