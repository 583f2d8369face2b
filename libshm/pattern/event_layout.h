/* event_layout.h - the message of a notifier (docs/protocol.md, "Events"). */
#ifndef PLX_PATTERN_EVENT_LAYOUT_H
#define PLX_PATTERN_EVENT_LAYOUT_H

#include <assert.h>
#include <plx/common.h>
#include <plx/event.h>

/*
 * Each message says everything: whoever has the newest one of a notifier needs no other. That is why listeners may
 * read lossy, and why the last message is kept for late joiners.
 */
#define PLX_EVENT_MAGIC UINT64_C(0x746e657665786c70) /* "plxevent" in memory, on little-endian machines */

struct plx_event_tally {
	uint64_t count;   /* notifications of this event by this notifier, ever */
	uint64_t time_ns; /* CLOCK_MONOTONIC of the last one */
};

struct plx_event_message {
	uint64_t magic;     /* PLX_EVENT_MAGIC */
	uint64_t opened_ns; /* CLOCK_MONOTONIC when the notifier began */
	uint32_t ids;       /* tallies that follow, 1 to PLX_EVENT_IDS */
	uint32_t reserved;  /* 0 */
	struct plx_event_tally tally[PLX_EVENT_IDS];
};

static_assert(offsetof(struct plx_event_message, opened_ns) == 8, "protocol.md: event");
static_assert(offsetof(struct plx_event_message, ids) == 16, "protocol.md: event");
static_assert(offsetof(struct plx_event_message, tally) == 24, "protocol.md: event");
static_assert(sizeof(struct plx_event_tally) == 16, "protocol.md: event");

/* Bytes of a message. */
static inline uint64_t plx_event_size(uint32_t ids)
{
	return offsetof(struct plx_event_message, tally) + ids * sizeof(struct plx_event_tally);
}

#endif
