/* A server whose times are known: it streams answers that look like vLLM's on a schedule, and stamps each token.

   server [--port 0] [--pace staggered|steps|flood] [--ttft-us N] [--itl-us N] [--spread-us 0] [--tokens N]
          [--tokens-per-write N] [--model NAME] [--stamps FILE]

   It listens on loopback, prints `port N`, and serves until SIGTERM or SIGINT, or until whoever started it ends. Then
   it writes FILE (see write_stamps) and prints one line of JSON: what it served, and the CPU time that it used.

   One thread, epoll, one timer. Request n (from 0), which the kernel received at r, has its first token due at
     staggered  r + ttft, and another every itl after it. Users who ask together are then answered almost together;
                with a spread the first is due frac(0.618 n) * spread later, so that none keep step
     steps      the first step at or after r + ttft, and one at each step after it; all streams have the same steps
     flood      at once; streams take turns, one write each
   A token that cannot be written, because the client does not read, goes out when it can, and its stamp is of then. The
   number of tokens is the request's max_completion_tokens or max_tokens; --tokens where it names none. */

#include "server.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct options options = {
	.pace = STAGGERED,
	.ttft = 100000000,
	.itl = 15000000,
	.tokens = 128,
	.tokens_per_write = 1,
	.model = "mock",
};

void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* `array` with room for `needed` entries. */
void *grow(void *array, size_t *room, size_t needed, size_t each)
{
	if (needed <= *room)
		return array;
	size_t larger = *room ? *room : 64;
	while (larger < needed)
		larger *= 2;
	array = realloc(array, larger * each);
	if (!array)
		fail("realloc");
	*room = larger;
	return array;
}

static void finish(void)
{
	struct rusage used;
	getrusage(RUSAGE_SELF, &used);
	if (options.stamps)
		write_stamps();
	double cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
		     (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
	printf("{\"requests\":%zu,\"refused\":%" PRIu64 ",\"tokens\":%" PRIu64 ",\"writes\":%" PRIu64 ",\"cpu_s\":%.6f}\n",
	       record_count, requests_refused, tokens_sent, writes_done, cpu);
	fflush(stdout);
	exit(0);
}

static int listen_on_loopback(void)
{
	int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons((uint16_t)options.port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof address;
	if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
	    /* Accepted sockets take it over. */
	    setsockopt(listener, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) ||
	    bind(listener, (struct sockaddr *)&address, size) || listen(listener, 4096) ||
	    getsockname(listener, (struct sockaddr *)&address, &size))
		fail("listen");
	printf("port %d\n", ntohs(address.sin_port));
	fflush(stdout);
	return listener;
}

static _Noreturn void refuse_options(const char *what, const char *name)
{
	fprintf(stderr, "%s: %s\n", name, what);
	exit(2);
}

static long whole(const char *name, const char *text, long least, long most)
{
	char *end;
	errno = 0;
	long value = strtol(text, &end, 10);
	if (errno || *end || end == text || value < least || value > most)
		refuse_options("not a number in its range", name);
	return value;
}

static enum pace pace_of(const char *text)
{
	static const char *const names[] = { "staggered", "steps", "flood" };
	for (int pace = STAGGERED; pace <= FLOOD; pace++)
		if (strcmp(text, names[pace]) == 0)
			return (enum pace)pace;
	refuse_options("staggered, steps or flood", "--pace");
}

static void read_options(int count, char **words)
{
	const long hour_us = 3600000000L;
	for (int i = 1; i < count; i += 2) {
		const char *name = words[i], *value = i + 1 < count ? words[i + 1] : NULL;
		if (!value)
			refuse_options("has no value", name);
		else if (strcmp(name, "--port") == 0)
			options.port = (int)whole(name, value, 0, 65535);
		else if (strcmp(name, "--pace") == 0)
			options.pace = pace_of(value);
		else if (strcmp(name, "--ttft-us") == 0)
			options.ttft = whole(name, value, 0, hour_us) * 1000;
		else if (strcmp(name, "--itl-us") == 0)
			options.itl = whole(name, value, 1, hour_us) * 1000;
		else if (strcmp(name, "--spread-us") == 0)
			options.spread = whole(name, value, 0, hour_us) * 1000;
		else if (strcmp(name, "--tokens") == 0)
			options.tokens = whole(name, value, 1, MAX_TOKENS);
		else if (strcmp(name, "--tokens-per-write") == 0)
			options.tokens_per_write = whole(name, value, 1, MAX_TOKENS_PER_WRITE);
		else if (strcmp(name, "--stamps") == 0)
			options.stamps = value;
		else if (strcmp(name, "--model") != 0)
			refuse_options("no such option", name);
		else if (strlen(value) > 64 || value[strcspn(value, "\"\\@~\r\n")])
			refuse_options("at most 64 plain characters", name);
		else
			options.model = value;
	}
}

/* Wake at `due`, or not at all for 0. */
static void arm(int timer, int64_t due)
{
	static int64_t armed;
	struct itimerspec at = { .it_value = { due / SECOND, due % SECOND } };
	if (due != armed && timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL))
		fail("timerfd_settime");
	armed = due;
}

static void serve(int epoll, int timer, int ends, int listener)
{
	for (bool busy = false;;) {
		struct epoll_event events[256];
		arm(timer, next_due());
		int ready = epoll_wait(epoll, events, 256, busy ? 0 : -1);
		if (ready < 0 && errno != EINTR)
			fail("epoll_wait");
		for (int i = 0; i < ready; i++) {
			int fd = events[i].data.fd;
			uint64_t times;
			if (fd == ends)
				finish();
			else if (fd == listener)
				accept_all(epoll, listener);
			else if (fd != timer)
				take_event(fd, events[i].events);
			else if (read(timer, &times, sizeof times) < 0 && errno != EAGAIN)
				fail("timerfd");
		}
		send_due();
		busy = send_flood();
	}
}

int main(int count, char **words)
{
	read_options(count, words);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	struct rlimit files;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	prepare_streams();
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int own[] = { timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC),
		      signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC), listen_on_loopback() };
	for (size_t i = 0; i < 3; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.fd = own[i] };
		if (own[i] < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, own[i], &event))
			fail("epoll");
	}
	serve(epoll, own[0], own[1], own[2]);
}
