/* Streams: when each token is due, what it looks like, and when it was written. */

#include "server.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define ID_BYTES 32
#define WORD_BYTES 6
#define FRAME_BYTES 1024

uint64_t tokens_sent, writes_done;
size_t record_count;
static struct record **records;
static size_t record_room;
static struct connection **heap; /* by due */
static size_t heap_count, heap_room;
static struct connection **flooding;
static size_t flooding_count, flooding_room;
static int64_t steps_begin;

static const char WORDS[8][WORD_BYTES + 1] = { " river", " stone", " cloud", " paper",
					       " green", " light", " field", " night" };

/* A frame in its HTTP chunk, and where the request's id and the word go. */
struct frame {
	char bytes[FRAME_BYTES];
	size_t size, id_at, word_at;
};
static struct frame role_frame, content_frames[2], last_frames[2];

/* --- frames ------------------------------------------------------------------------------------------------ */

/* `format` gives JSON with ID_BYTES of `@` for the id and WORD_BYTES of `~` for the word. */
static struct frame make_frame(const char *format, ...)
{
	char json[FRAME_BYTES - 32];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(json, sizeof json, format, arguments);
	va_end(arguments);
	struct frame frame;
	size_t data_bytes = strlen("data: ") + strlen(json) + strlen("\n\n");
	frame.size = (size_t)snprintf(frame.bytes, FRAME_BYTES, "%zx\r\ndata: %s\n\n\r\n", data_bytes, json);
	frame.id_at = strcspn(frame.bytes, "@");
	frame.word_at = strcspn(frame.bytes, "~");
	return frame;
}

void prepare_streams(void)
{
	const char *id = "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@", *word = "\"content\":\"~~~~~~\"";
	const char *chat = "{\"id\":\"chatcmpl-%s\",\"object\":\"chat.completion.chunk\",\"created\":%lld,\"model\":\"%s\","
			   "\"choices\":[{\"index\":0,\"delta\":{%s},\"logprobs\":null,\"finish_reason\":%s,"
			   "\"token_ids\":null}]}";
	const char *text = "{\"id\":\"cmpl-%s\",\"object\":\"text_completion\",\"created\":%lld,\"model\":\"%s\","
			   "\"choices\":[{\"index\":0,\"text\":\"~~~~~~\",\"logprobs\":null,\"finish_reason\":%s,"
			   "\"stop_reason\":null,\"token_ids\":null}],\"usage\":null}";
	const char *role = "\"role\":\"assistant\",\"content\":\"\"";
	long long created = (long long)time(NULL);
	role_frame = make_frame(chat, id, created, options.model, role, "null");
	content_frames[CHAT] = make_frame(chat, id, created, options.model, word, "null");
	last_frames[CHAT] = make_frame(chat, id, created, options.model, word, "\"length\"");
	content_frames[COMPLETIONS] = make_frame(text, id, created, options.model, "null");
	last_frames[COMPLETIONS] = make_frame(text, id, created, options.model, "\"length\"");
	steps_begin = now_on(CLOCK_MONOTONIC);
}

/* This request's id into copies of the content frame. */
static void own_frames(struct connection *one)
{
	const struct frame *content = &content_frames[one->api];
	char id[ID_BYTES + 1];
	snprintf(id, sizeof id, "%016" PRIx64 "%016zx", (uint64_t)record_count * 0x9e3779b97f4a7c15u, record_count);
	if (!one->frames && !(one->frames = malloc(FRAME_BYTES * (size_t)options.tokens_per_write)))
		fail("malloc");
	for (long i = 0; i < options.tokens_per_write; i++) {
		char *frame = one->frames + (size_t)i * content->size;
		memcpy(frame, content->bytes, content->size);
		memcpy(frame + content->id_at, id, ID_BYTES);
	}
}

/* --- the heap ---------------------------------------------------------------------------------------------- */

static void sift_up(size_t at, struct connection *one)
{
	for (; at && heap[(at - 1) / 2]->due > one->due; at = (at - 1) / 2)
		heap[at] = heap[(at - 1) / 2];
	heap[at] = one;
}

static void sift_down(size_t at, struct connection *one)
{
	for (size_t child; (child = 2 * at + 1) < heap_count; at = child) {
		if (child + 1 < heap_count && heap[child + 1]->due < heap[child]->due)
			child++;
		if (heap[child]->due >= one->due)
			break;
		heap[at] = heap[child];
	}
	heap[at] = one;
}

static void queue(struct connection *one)
{
	heap = grow(heap, &heap_room, heap_count + 1, sizeof *heap);
	one->queued = true;
	sift_up(heap_count++, one);
}

static void unqueue(struct connection *one)
{
	size_t at = 0;
	while (heap[at] != one)
		at++;
	struct connection *last = heap[--heap_count];
	one->queued = false;
	if (at == heap_count)
		return;
	sift_down(at, last);
	if (heap[at] == last)
		sift_up(at, last);
}

int64_t next_due(void)
{
	return heap_count ? heap[0]->due : 0;
}

/* --- streams ----------------------------------------------------------------------------------------------- */

struct record *new_record(uint32_t tokens, int64_t received_real, int64_t read_at)
{
	struct record *record = calloc(1, sizeof *record);
	if (!record || !(record->stamps = malloc(tokens * sizeof *record->stamps)))
		fail("malloc");
	record->asked = tokens;
	record->read = read_at;
	record->received_real = received_real;
	record->received = received_real - (now_on(CLOCK_REALTIME) - now_on(CLOCK_MONOTONIC));
	records = grow(records, &record_room, record_count + 1, sizeof *records);
	records[record_count++] = record;
	return record;
}

/* The stream of `one->record`, which is the newest. */
void begin_stream(struct connection *one)
{
	own_frames(one);
	one->streaming = true;
	if (options.pace == FLOOD) {
		flooding = grow(flooding, &flooding_room, flooding_count + 1, sizeof *flooding);
		one->turn = flooding_count;
		flooding[flooding_count++] = one;
		return;
	}
	one->due = one->record->received + options.ttft;
	if (options.pace == STEPS) {
		one->due += options.itl - 1 - (one->due - steps_begin + options.itl - 1) % options.itl;
	} else {
		double turns = (double)(record_count - 1) * 0.6180339887498949;
		one->due += (int64_t)((turns - (double)(int64_t)turns) * (double)options.spread);
	}
	queue(one);
}

/* Its socket takes bytes again. */
void resume_stream(struct connection *one)
{
	if (options.pace != FLOOD && !one->queued)
		queue(one);
}

void drop_stream(struct connection *one)
{
	one->streaming = false;
	if (one->queued)
		unqueue(one);
	if (options.pace == FLOOD) {
		flooding[one->turn] = flooding[--flooding_count];
		flooding[one->turn]->turn = one->turn;
	}
}

static bool end_stream(struct connection *one)
{
	char json[512], tail[1024];
	size_t size = 0;
	uint32_t sent = one->record->sent;
	if (one->usage) {
		const struct frame *content = &content_frames[one->api];
		size_t data_bytes = (size_t)snprintf(
			json, sizeof json,
			"data: {\"id\":\"%s-%.32s\",\"object\":\"%s\",\"created\":%lld,\"model\":\"%s\",\"choices\":[],"
			"\"usage\":{\"prompt_tokens\":%ld,\"total_tokens\":%ld,\"completion_tokens\":%" PRIu32 "}}\n\n",
			one->api == CHAT ? "chatcmpl" : "cmpl", one->frames + content->id_at,
			one->api == CHAT ? "chat.completion.chunk" : "text_completion", (long long)time(NULL),
			options.model, one->prompt_tokens, one->prompt_tokens + (long)sent, sent);
		size = (size_t)snprintf(tail, sizeof tail, "%zx\r\n%s\r\n", data_bytes, json);
	}
	size += (size_t)snprintf(tail + size, sizeof tail - size, "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n");
	drop_stream(one);
	return send_all(one, tail, size) && (one->blocked || !one->close_after);
}

/* Write the next token, or the next tokens_per_write; none when the socket takes nothing. False: close. */
static bool emit(struct connection *one)
{
	struct record *record = one->record;
	const struct frame *content = &content_frames[one->api], *final = &last_frames[one->api];
	uint32_t left = record->asked - record->sent, count = (uint32_t)options.tokens_per_write;
	if (count > left)
		count = left;
	char role[FRAME_BYTES], last[FRAME_BYTES];
	struct iovec parts[3] = { { role, 0 }, { one->frames, content->size * count }, { last, 0 } };
	for (uint32_t i = 0; i < count; i++)
		memcpy(one->frames + i * content->size + content->word_at, WORDS[(record->sent + i) % 8], WORD_BYTES);
	if (record->sent == 0 && one->api == CHAT) {
		parts[0].iov_len = role_frame.size;
		memcpy(role, role_frame.bytes, role_frame.size);
		memcpy(role + role_frame.id_at, one->frames + content->id_at, ID_BYTES);
	}
	if (count == left) {
		/* The last token has the finish_reason with it, as vLLM's has when max_tokens is reached. */
		parts[1].iov_len -= content->size;
		parts[2].iov_len = final->size;
		memcpy(last, final->bytes, final->size);
		memcpy(last + final->id_at, one->frames + content->id_at, ID_BYTES);
		memcpy(last + final->word_at, WORDS[(record->sent + count - 1) % 8], WORD_BYTES);
	}
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 3 };
	struct stamp stamp = { .real = now_on(CLOCK_REALTIME), .monotonic = now_on(CLOCK_MONOTONIC) };
	ssize_t taken = sendmsg(one->fd, &message, MSG_NOSIGNAL);
	if (taken < 0 && errno != EAGAIN && errno != EINTR)
		return false;
	if (taken <= 0) {
		keep_for_later(one, "", 0);
		return true;
	}
	for (size_t i = 0, done = (size_t)taken; i < 3; i++) {
		size_t of_it = done < parts[i].iov_len ? done : parts[i].iov_len;
		done -= of_it;
		if (of_it < parts[i].iov_len)
			keep_for_later(one, (char *)parts[i].iov_base + of_it, parts[i].iov_len - of_it);
	}
	for (uint32_t i = 0; i < count; i++)
		record->stamps[record->sent++] = stamp;
	tokens_sent += count;
	writes_done++;
	one->due += options.itl;
	return record->sent < record->asked || end_stream(one);
}

/* All that was due when it was called: what falls due meanwhile waits until sockets were looked at. */
void send_due(void)
{
	int64_t now = now_on(CLOCK_MONOTONIC);
	while (heap_count && heap[0]->due <= now) {
		struct connection *one = heap[0];
		bool kept = one->blocked || emit(one);
		if (kept && one->streaming && !one->blocked)
			sift_down(0, one);
		else if (one->queued)
			unqueue(one);
		go_on(one, kept);
	}
}

bool send_flood(void)
{
	bool any = false;
	/* Downwards: a stream that ends has its place taken by one that had its turn. */
	for (size_t i = flooding_count; i-- > 0;) {
		struct connection *one = flooding[i];
		if (one->blocked)
			continue;
		any = true;
		go_on(one, emit(one));
	}
	return any;
}

/* In the byte order of this machine, requests in the order in which they came: "ICLSTMP1", then of each request
   key[64], received_monotonic_ns i64, read_monotonic_ns i64, received_real_ns i64, asked u32, sent u32, and of each
   token sent monotonic_ns i64, real_ns i64. */
void write_stamps(void)
{
	FILE *file = fopen(options.stamps, "wb");
	if (!file)
		fail(options.stamps);
	fwrite("ICLSTMP1", 8, 1, file);
	for (size_t i = 0; i < record_count; i++) {
		fwrite(records[i], offsetof(struct record, stamps), 1, file);
		fwrite(records[i]->stamps, sizeof(struct stamp), records[i]->sent, file);
	}
	if (fclose(file))
		fail(options.stamps);
}
