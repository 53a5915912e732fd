/* What the parts of the server share: server.c (options and the loop), http.c (connections and requests), streams.c
   (schedules, frames and stamps). */

#ifndef SERVER_H
#define SERVER_H

#define _GNU_SOURCE
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define MAX_TOKENS 1000000
#define MAX_TOKENS_PER_WRITE 64
#define KEY_BYTES 64
#define SECOND 1000000000LL

enum pace { STAGGERED, STEPS, FLOOD };
enum api { CHAT, COMPLETIONS };

struct options {
	enum pace pace;
	int64_t ttft, itl, spread; /* ns */
	long tokens, tokens_per_write;
	int port;
	const char *model, *stamps;
};
extern struct options options;

struct stamp {
	int64_t monotonic, real; /* ns, read just before the write */
};

/* One answered request. Kept until the end. */
struct record {
	char key[KEY_BYTES];	/* x-request-id, or the number that the prompt begins with, or empty; zeros follow */
	int64_t received, read; /* CLOCK_MONOTONIC: when the kernel had its last byte, and when this process had it */
	int64_t received_real;	/* CLOCK_REALTIME of `received` */
	uint32_t asked, sent;	/* tokens */
	struct stamp *stamps;	/* room for `asked`; the first `sent` are filled */
};

struct connection {
	int fd;
	bool streaming;	  /* an answer is under way */
	bool queued;	  /* it is in the heap */
	bool blocked;	  /* the socket took less than it was given */
	bool close_after; /* the client asked for it */
	bool usage;
	enum api api;
	char *in; /* what was received and not yet answered */
	size_t in_bytes, in_room;
	char *out; /* what the socket did not take */
	size_t out_bytes, out_done, out_room;
	struct record *record;
	long prompt_tokens;
	int64_t due;  /* of the next token */
	char *frames; /* tokens_per_write content frames with this request's id in them */
	size_t turn;  /* index among the streams of a flood */
};

/* server.c */
_Noreturn void fail(const char *what);
void *grow(void *array, size_t *room, size_t needed, size_t each);

static inline int64_t now_on(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

/* http.c. What returns a bool returns false when the connection is to be closed. */
extern uint64_t requests_refused;
void accept_all(int epoll, int listener);
void take_event(int fd, uint32_t events);
bool send_all(struct connection *one, const char *bytes, size_t size);
void keep_for_later(struct connection *one, const char *bytes, size_t size);
void go_on(struct connection *one, bool kept);

/* streams.c */
extern uint64_t tokens_sent, writes_done;
extern size_t record_count;
void prepare_streams(void);
struct record *new_record(uint32_t tokens, int64_t received_real, int64_t read_at);
void begin_stream(struct connection *one);
void resume_stream(struct connection *one);
void drop_stream(struct connection *one);
int64_t next_due(void); /* 0: nothing is */
void send_due(void);
bool send_flood(void); /* whether any stream could be written to */
void write_stamps(void);

#endif
