/*
 * channel_layout.h - the bytes of a channel: header, seats, lanes.
 *
 *	0        512                    512 + 128 * (senders + receivers)
 *	+--------+------------------+--------------------+-----------------------------------------+-------
 *	| header | senders' seats   | receivers' seats   | lane 0: tail | taken | head | - | cells | lane 1 ...
 *	+--------+------------------+--------------------+-----------------------------------------+-------
 *
 * A lane is a ring of cells, each of whole lines. What one side writes again and again has a line of its own; words that
 * several write (attention, hints, counters of deaths) are written rarely, or are hints.
 */
#ifndef CHAN_CHANNEL_LAYOUT_H
#define CHAN_CHANNEL_LAYOUT_H

#include <assert.h>

#include <plx/channel.h>

#define PLX_CHANNEL_MAGIC  0x6e616863u /* "chan" */
#define PLX_CHANNEL_LAYOUT 1u

struct plx_channel {
	/* line 0: written once by the creator, the magic last */
	uint32_t magic;  /* CH1 release: pairs with CH2 */
	uint16_t layout; /* PLX_CHANNEL_LAYOUT */
	uint16_t kind;   /* enum plx_channel_kind */
	uint32_t size;   /* bytes of an element */
	uint32_t stride; /* bytes of a cell */
	uint32_t per;    /* elements of a cell */
	uint32_t cells;  /* of a lane, a power of two */
	uint32_t lanes;
	uint16_t senders, receivers; /* seats */
	uint32_t count;              /* elements promised */
	uint32_t reserved;
	uint64_t lane_stride; /* bytes from lane to lane */
	uint64_t bytes;       /* of all */
	uint64_t created_ns;  /* CLOCK_MONOTONIC */
	/* line 1: looked at by senders after each message: bits of sleeping receivers, CLOSED, GONE */
	uint64_t to_senders;
	uint64_t reserved1[7];
	/* line 2: looked at by receivers when they made room: bits of sleeping senders */
	uint64_t to_receivers;
	uint64_t reserved2[7];
	/* line 3: counters of rare things, by whoever does them */
	uint64_t skipped, buried, woken;
	uint64_t died;     /* 1: the last sender did not leave but die; 0 again when one comes */
	uint64_t returned; /* MPMC: burials of receivers, whose cells are full again */
	uint64_t reserved3[3];
	/* lines 4, 5: MPMC: where to begin to look for a free cell, for a full one; hints, by whoever found one */
	uint64_t tail_hint;
	uint64_t reserved4[7];
	uint64_t head_hint;
	uint64_t reserved5[7];
	/* line 6: lanes that may have something in them: bits, set by who takes a seat */
	uint64_t lanes_used;
	uint64_t reserved6[7];
	uint64_t reserved7[8];
};
static_assert(offsetof(struct plx_channel, lane_stride) == 40, "protocol.md: channel");
static_assert(offsetof(struct plx_channel, to_senders) == 1 * PLX_LINE, "protocol.md: channel");
static_assert(offsetof(struct plx_channel, to_receivers) == 2 * PLX_LINE, "protocol.md: channel");
static_assert(offsetof(struct plx_channel, skipped) == 3 * PLX_LINE, "protocol.md: channel");
static_assert(offsetof(struct plx_channel, tail_hint) == 4 * PLX_LINE, "protocol.md: channel");
static_assert(offsetof(struct plx_channel, head_hint) == 5 * PLX_LINE, "protocol.md: channel");
static_assert(offsetof(struct plx_channel, lanes_used) == 6 * PLX_LINE, "protocol.md: channel");
static_assert(sizeof(struct plx_channel) == 8 * PLX_LINE, "protocol.md: channel");

struct plx_seat {
	/* line 0: taken and given back by compare-and-swap; the rest by who has it, but for sleep */
	uint64_t owner;   /* pid, start time, generation: seat.h; pid 0: free */
	uint32_t sleep;   /* odd: asleep, or about to; made even by who wakes; a futex */
	uint32_t source;  /* as the holder called itself */
	uint32_t bell;    /* 0, or 1 + the descriptor to write to, in the holder's process */
	uint32_t refused; /* generation whose holder knows that the channel is closed */
	uint64_t stamp;   /* envelopes: the time of the last stamp, ns */
	uint64_t reserved[4];
	/* line 1: what the holders counted */
	uint64_t full, empty, parked;
	uint64_t sent, received; /* where positions do not say it (MPMC) */
	uint64_t
		overslept; /* sleeps that ended by time, with something there, and nobody on the way to wake */
	uint64_t reserved1[2];
};
static_assert(offsetof(struct plx_seat, sleep) == 8, "protocol.md: channel, seat");
static_assert(offsetof(struct plx_seat, stamp) == 24, "protocol.md: channel, seat");
static_assert(offsetof(struct plx_seat, full) == 1 * PLX_LINE, "protocol.md: channel, seat");
static_assert(sizeof(struct plx_seat) == 2 * PLX_LINE, "protocol.md: channel, seat");

struct plx_lane {
	uint64_t
		tail; /* by its sender: cells that are full (ring: elements published; envelopes: messages) */
	uint64_t reserved[7];
	uint64_t taken; /* by its receiver: elements it is done with */
	uint64_t reserved1[7];
	uint64_t head; /* by its receiver, now and then: cells (ring: elements) that may be used again */
	uint64_t reserved2[7];
	uint64_t reserved3[8];
	/* then the cells */
};
static_assert(offsetof(struct plx_lane, taken) == 1 * PLX_LINE, "protocol.md: channel, lane");
static_assert(offsetof(struct plx_lane, head) == 2 * PLX_LINE, "protocol.md: channel, lane");
static_assert(sizeof(struct plx_lane) == 4 * PLX_LINE, "protocol.md: channel, lane");

#endif
