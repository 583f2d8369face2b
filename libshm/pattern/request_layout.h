/* request_layout.h - what a reply carries besides its payload (docs/protocol.md, "Requests"), and what both sides assume. */
#ifndef PLX_PATTERN_REQUEST_LAYOUT_H
#define PLX_PATTERN_REQUEST_LAYOUT_H

#include <assert.h>
#include <plx/common.h>
#include <plx/publisher.h>

/*
 * A request is a message of NAME/request, as its client wrote it. A reply is a message of NAME/reply/ID, ID being the
 * id of the client's data segment in 16 hex digits:
 *
 *	payload │ zeros, to a multiple of 8 │ struct plx_reply_tail
 *
 * The tail is at the end so that the payload is aligned as the slot is.
 */
struct plx_reply_tail {
	uint64_t call;   /* position of the request in its client's log */
	uint32_t length; /* bytes of payload */
	int32_t error;   /* 0, or a negative errno: then there is no payload */
};

static_assert(offsetof(struct plx_reply_tail, length) == 8, "protocol.md: reply tail");
static_assert(offsetof(struct plx_reply_tail, error) == 12, "protocol.md: reply tail");
static_assert(sizeof(struct plx_reply_tail) == 16, "protocol.md: reply tail");

#define PLX_REQUEST_NAME_MAX  41u /* bytes; with "/reply/" and an id it is a topic name */
#define PLX_REQUEST_TOPIC     "%s/request"
#define PLX_REPLY_TOPIC       "%s/reply/%016llx"
#define PLX_REQUEST_CALLS     32u
#define PLX_REQUEST_CALLS_MAX 1024u
#define PLX_REQUEST_SIZE      4096u
/* More than a server ever holds, so that its reading never stalls on one client. */
#define PLX_REQUEST_QUOTA (PLX_REQUEST_CALLS_MAX + 16)

/* Offset of the tail behind a payload. */
static inline uint64_t plx_reply_tail_at(uint64_t length)
{
	return (length + 7) & ~UINT64_C(7);
}

/* The log of either direction: @calls under way, and room for a cursor that is told lazily. */
static inline struct plx_publisher_options plx_request_log(uint32_t calls, uint64_t size, uint32_t type,
							   const char *where)
{
	struct plx_publisher_options o = {
		.slot_size = size,
		.depth = 16,
		.slots = 2 * calls + 8,
		.quota = PLX_REQUEST_QUOTA,
		.type = type,
		.full = PLX_FULL_FAIL,
		.directory = where,
	};

	while (o.depth < 4 * calls)
		o.depth *= 2;
	return o;
}

#endif
