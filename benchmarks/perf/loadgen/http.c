/* Connections: bytes in, one request at a time, bytes out. JSON is looked into, not parsed. */

#include "server.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_HEAD_BYTES (64 << 10)
#define MAX_BODY_BYTES (4 << 20)
#define READ_BYTES (64 << 10)
#define MAX_FDS 65536

uint64_t requests_refused;
static struct connection *connections[MAX_FDS];
static int epoll_fd;

/* --- out --------------------------------------------------------------------------------------------------- */

static void watch(struct connection *one, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = one->fd };
	if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, one->fd, &event))
		fail("epoll_ctl");
}

/* The socket is full. What is given, nothing perhaps, goes out when it is not. */
void keep_for_later(struct connection *one, const char *bytes, size_t size)
{
	one->out = grow(one->out, &one->out_room, one->out_bytes + size, 1);
	memcpy(one->out + one->out_bytes, bytes, size);
	one->out_bytes += size;
	if (!one->blocked)
		watch(one, EPOLLIN | EPOLLOUT);
	one->blocked = true;
}

/* Now or later. */
bool send_all(struct connection *one, const char *bytes, size_t size)
{
	ssize_t taken = one->blocked ? 0 : send(one->fd, bytes, size, MSG_NOSIGNAL);
	if (taken < 0) {
		if (errno != EAGAIN && errno != EINTR)
			return false;
		taken = 0;
	}
	if ((size_t)taken < size)
		keep_for_later(one, bytes + taken, size - (size_t)taken);
	return true;
}

static bool drain(struct connection *one)
{
	size_t left = one->out_bytes - one->out_done;
	ssize_t taken = left ? send(one->fd, one->out + one->out_done, left, MSG_NOSIGNAL) : 0;
	if (taken < 0)
		return errno == EAGAIN || errno == EINTR;
	one->out_done += (size_t)taken;
	if (one->out_done < one->out_bytes)
		return true;
	one->out_bytes = one->out_done = 0;
	one->blocked = false;
	watch(one, EPOLLIN);
	if (one->streaming)
		resume_stream(one);
	return one->streaming || !one->close_after;
}

static bool answer(struct connection *one, const char *status, const char *type, const char *body)
{
	char whole[1024];
	int size = snprintf(whole, sizeof whole,
			    "HTTP/1.1 %s\r\ncontent-type: %s\r\ncontent-length: %zu\r\n%s\r\n%s", status, type,
			    strlen(body), one->close_after ? "connection: close\r\n" : "", body);
	return send_all(one, whole, (size_t)size) && (one->blocked || !one->close_after);
}

static bool refuse(struct connection *one, const char *status, const char *message)
{
	char body[256];
	snprintf(body, sizeof body, "{\"error\":{\"message\":\"%s\",\"type\":\"invalid_request_error\"}}", message);
	requests_refused++;
	return answer(one, status, "application/json", body);
}

/* --- requests ---------------------------------------------------------------------------------------------- */

/* The value of `key` in a JSON text, or NULL. No prompt holds such a key: quotes inside a string are escaped. */
static const char *value_of(const char *json, const char *key)
{
	size_t size = strlen(key);
	for (const char *at = json; (at = strstr(at, key)); at += size) {
		if (at - json < 2 || at[-1] != '"' || at[-2] == '\\' || at[size] != '"')
			continue;
		const char *value = at + size + 1;
		value += strspn(value, " \t\r\n");
		if (*value == ':')
			return value + 1 + strspn(value + 1, " \t\r\n");
	}
	return NULL;
}

static void take_key(struct record *record, const char *head, const char *prompt)
{
	static const char name[] = "\r\nx-request-id:";
	const char *key = strcasestr(head, name);
	size_t size = 0;
	if (key) {
		key += strlen(name);
		key += strspn(key, " ");
		size = strcspn(key, "\r\n");
	} else if (prompt && *prompt == '"') {
		key = prompt + 1;
		size = strspn(key, "0123456789");
	}
	if (size)
		memcpy(record->key, key, size < KEY_BYTES ? size : KEY_BYTES);
}

/* Words, for want of a tokenizer. */
static long count_words(const char *prompt)
{
	long words = 1;
	for (const char *c = prompt; c && *c && (c == prompt || *c != '"' || c[-1] == '\\'); c++)
		words += *c == ' ';
	return words;
}

static bool begin(struct connection *one, const char *head, const char *body, int64_t received_real, int64_t read_at)
{
	const char *stream = value_of(body, "stream"), *usage = value_of(body, "include_usage");
	const char *asked = value_of(body, "max_completion_tokens");
	if (!asked || *asked == 'n')
		asked = value_of(body, "max_tokens");
	long tokens = asked && *asked != 'n' ? strtol(asked, NULL, 10) : options.tokens;
	if (!stream || strncmp(stream, "true", 4) != 0)
		return refuse(one, "400 Bad Request", "this server only streams");
	if (tokens < 1 || tokens > MAX_TOKENS)
		return refuse(one, "400 Bad Request", "max_tokens must be 1 to 1000000");
	const char *prompt = value_of(body, one->api == CHAT ? "content" : "prompt");
	if (prompt && *prompt == '[')
		prompt = value_of(body, "text");
	one->record = new_record((uint32_t)tokens, received_real, read_at);
	take_key(one->record, head, prompt);
	one->usage = usage && strncmp(usage, "true", 4) == 0;
	one->prompt_tokens = count_words(prompt);
	begin_stream(one);
	/* The head goes out at once, as uvicorn sends it, and the first token when it is due. */
	char answer_head[256];
	int size = snprintf(answer_head, sizeof answer_head,
			    "HTTP/1.1 200 OK\r\nserver: uvicorn\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
			    "%stransfer-encoding: chunked\r\n\r\n",
			    one->close_after ? "connection: close\r\n" : "");
	return send_all(one, answer_head, (size_t)size);
}

/* `head` and `body` are texts. */
static bool route(struct connection *one, const char *head, const char *body, int64_t received_real, int64_t read_at)
{
	char method[8] = "", path[256] = "", text[512];
	sscanf(head, "%7s %255s", method, path);
	one->close_after = strcasestr(head, "\r\nconnection: close") != NULL;
	bool chat = strcmp(path, "/v1/chat/completions") == 0;
	if (strcmp(method, "POST") == 0 && (chat || strcmp(path, "/v1/completions") == 0)) {
		one->api = chat ? CHAT : COMPLETIONS;
		return begin(one, head, body, received_real, read_at);
	}
	if (strcmp(path, "/health") == 0)
		return answer(one, "200 OK", "text/plain", "");
	if (strcmp(path, "/v1/models") == 0) {
		snprintf(text, sizeof text,
			 "{\"object\":\"list\",\"data\":[{\"id\":\"%s\",\"object\":\"model\",\"created\":0,"
			 "\"owned_by\":\"vllm\",\"max_model_len\":131072}]}",
			 options.model);
		return answer(one, "200 OK", "application/json", text);
	}
	if (strcmp(path, "/metrics") == 0) {
		snprintf(text, sizeof text,
			 "# TYPE vllm:generation_tokens_total counter\n"
			 "vllm:generation_tokens_total{model_name=\"%s\"} %" PRIu64 "\n",
			 options.model, tokens_sent);
		return answer(one, "200 OK", "text/plain; version=0.0.4", text);
	}
	return refuse(one, "404 Not Found", "no such path");
}

/* Answer the first request in `in`, if it is whole. */
static bool take_request(struct connection *one, int64_t received_real, int64_t read_at)
{
	one->in[one->in_bytes] = 0;
	char *end = memmem(one->in, one->in_bytes, "\r\n\r\n", 4);
	if (!end)
		return one->in_bytes < MAX_HEAD_BYTES;
	size_t head_bytes = (size_t)(end - one->in) + 4, body_bytes = 0;
	end[2] = 0; /* the head becomes a text that ends in one line break */
	const char *length = strcasestr(one->in, "\r\ncontent-length:");
	if (length)
		body_bytes = strtoul(length + strlen("\r\ncontent-length:"), NULL, 10);
	if (body_bytes > MAX_BODY_BYTES || strcasestr(one->in, "\r\ntransfer-encoding:")) {
		refuse(one, "413 Content Too Large", "send a Content-Length of at most 4 MiB");
		return false;
	}
	if (one->in_bytes < head_bytes + body_bytes) {
		end[2] = '\r';
		return true;
	}
	char *body = one->in + head_bytes, after = body[body_bytes];
	body[body_bytes] = 0;
	bool kept = route(one, one->in, body, received_real, read_at);
	body[body_bytes] = after;
	one->in_bytes -= head_bytes + body_bytes;
	memmove(one->in, body + body_bytes, one->in_bytes);
	return kept;
}

static bool receive(struct connection *one)
{
	if (one->in_bytes > MAX_HEAD_BYTES + MAX_BODY_BYTES)
		return false;
	one->in = grow(one->in, &one->in_room, one->in_bytes + READ_BYTES + 1, 1);
	union {
		char bytes[CMSG_SPACE(sizeof(struct timespec))];
		struct cmsghdr aligned;
	} ancillary;
	struct iovec part = { one->in + one->in_bytes, READ_BYTES };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &ancillary, .msg_controllen = sizeof ancillary
	};
	ssize_t size = recvmsg(one->fd, &message, 0);
	if (size <= 0)
		return size < 0 && (errno == EAGAIN || errno == EINTR);
	int64_t received_real = now_on(CLOCK_REALTIME), read_at = now_on(CLOCK_MONOTONIC);
	struct cmsghdr *stamped = CMSG_FIRSTHDR(&message);
	if (stamped && stamped->cmsg_level == SOL_SOCKET && stamped->cmsg_type == SO_TIMESTAMPNS) {
		struct timespec t;
		memcpy(&t, CMSG_DATA(stamped), sizeof t);
		received_real = t.tv_sec * SECOND + t.tv_nsec;
	}
	one->in_bytes += (size_t)size;
	return one->streaming || one->blocked || take_request(one, received_real, read_at);
}

/* --- connections ------------------------------------------------------------------------------------------- */

void accept_all(int epoll, int listener)
{
	int fd, on = 1;
	epoll_fd = epoll;
	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct connection *one = fd < MAX_FDS ? calloc(1, sizeof *one) : NULL;
		struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
		if (!one)
			fail("too many connections");
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		one->fd = fd;
		connections[fd] = one;
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
			fail("epoll_ctl");
	}
	if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		fail("accept");
}

static void hang_up(struct connection *one)
{
	if (one->streaming)
		drop_stream(one);
	connections[one->fd] = NULL;
	close(one->fd);
	free(one->in);
	free(one->out);
	free(one->frames);
	free(one);
}

/* After something was done on a connection: hang up, or take requests that came meanwhile. */
void go_on(struct connection *one, bool kept)
{
	size_t before = 0;
	while (kept && !one->streaming && !one->blocked && one->in_bytes && one->in_bytes != before) {
		before = one->in_bytes;
		kept = take_request(one, now_on(CLOCK_REALTIME), now_on(CLOCK_MONOTONIC));
	}
	if (!kept)
		hang_up(one);
}

void take_event(int fd, uint32_t events)
{
	struct connection *one = connections[fd];
	if (!one)
		return;
	bool kept = !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)) || receive(one);
	if (kept && one->blocked && events & EPOLLOUT)
		kept = drain(one);
	go_on(one, kept);
}
