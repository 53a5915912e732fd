/* What any client with epoll pays: it sends, reads, takes the kernel's receive times, counts frames, and keeps nothing.

   floor PORT STREAMS REQUESTS TOKENS

   A closed loop of STREAMS users. Prints one line of JSON: the requests that were answered and their tokens. */

#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#define FRAMES_BESIDE 3 /* role, usage, [DONE] */

static char buffer[256 << 10], request[1024];
static int request_bytes;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void make_request(const char *tokens)
{
	char body[512];
	int size = snprintf(body, sizeof body,
			    "{\"model\":\"mock\",\"messages\":[{\"role\":\"user\",\"content\":\"1 word\"}],\"max_tokens\":%s,"
			    "\"stream\":true,\"stream_options\":{\"include_usage\":true}}",
			    tokens);
	request_bytes = snprintf(request, sizeof request,
				 "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
				 "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
				 size, body);
}

static void ask(int fd)
{
	if (send(fd, request, (size_t)request_bytes, MSG_NOSIGNAL) != request_bytes)
		fail("send");
}

static int dial(int port)
{
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons((uint16_t)port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) ||
	    connect(fd, (struct sockaddr *)&address, sizeof address))
		fail("connect");
	return fd;
}

/* Returns the frames that ended in this read; *ended when the answer did. `*carry`: the last read ended in one `\n`. */
static long take(int fd, bool *carry, bool *ended)
{
	char ancillary[CMSG_SPACE(sizeof(struct timespec))];
	struct iovec part = { buffer, sizeof buffer };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = ancillary, .msg_controllen = sizeof ancillary
	};
	struct timespec looked;
	ssize_t size = recvmsg(fd, &message, MSG_DONTWAIT);
	if (size <= 0)
		fail("recvmsg");
	clock_gettime(CLOCK_MONOTONIC, &looked);
	long frames = *carry && buffer[0] == '\n';
	for (char *at = buffer, *end = buffer + size; (at = memmem(at, (size_t)(end - at), "\n\n", 2)); at += 2)
		frames++;
	*carry = buffer[size - 1] == '\n' && !(size > 1 && buffer[size - 2] == '\n');
	*ended = size >= 7 && memcmp(buffer + size - 7, "\r\n0\r\n\r\n", 7) == 0;
	return frames;
}

int main(int count, char **words)
{
	if (count != 5)
		return 2;
	int port = atoi(words[1]), streams = atoi(words[2]), requests = atoi(words[3]), epoll = epoll_create1(EPOLL_CLOEXEC);
	make_request(words[4]);
	int begun = 0, done = 0;
	long frames = 0;
	static bool carries[65536];
	for (; begun < streams && begun < requests; begun++) {
		int fd = dial(port);
		struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
		if (fd >= 65536 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
			fail("epoll");
		ask(fd);
	}
	while (done < requests) {
		struct epoll_event events[1024];
		int ready = epoll_wait(epoll, events, 1024, -1);
		if (ready < 0 && errno != EINTR)
			fail("epoll_wait");
		for (int i = 0; i < ready; i++) {
			bool ended;
			frames += take(events[i].data.fd, &carries[events[i].data.fd], &ended);
			if (!ended)
				continue;
			done++;
			if (begun < requests) {
				begun++;
				ask(events[i].data.fd);
			}
		}
	}
	printf("{\"requests\":%d,\"tokens\":%ld}\n", done, frames - (long)FRAMES_BESIDE * done);
}
