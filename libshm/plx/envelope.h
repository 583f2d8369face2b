/* envelope.h - messages with id, time, source, type, key and priority, which travel in one line with 48 bytes of payload. */
#ifndef PLX_ENVELOPE_H
#define PLX_ENVELOPE_H

#include <plx/spsc.h>

/*
 * A cell begins with 16 bytes: time, type, length, priority and lap in one word, stored last; the key in the other. Source and
 * id are not sent: the lane says them. Payloads of up to 48 bytes share the line; longer ones take more lines.
 *
 *	PLX_CHANNEL_POST	many senders, one receiver; a lane for each, received in the order of each sender
 *	PLX_CHANNEL_PRIORITY	four lanes for each, one of each priority; the higher first, but never only the higher
 *
 * No clock is read for a message: it carries the time of the last plx_post_stamp(), which a sender calls when a turn of its
 * work begins.
 */
struct plx_envelope {
	uint64_t
		id; /* never the same in one channel: lane + 1 in the highest byte, its place in the lane below */
	uint64_t time_ns; /* CLOCK_MONOTONIC of the sender's stamp, to about a millisecond */
	uint64_t key;
	uint32_t source; /* as the sender called itself when it took its seat */
	uint16_t type;
	uint16_t length;  /* bytes of payload */
	uint8_t priority; /* 0 ... 3, the most urgent */
};

#define PLX_PRIORITIES 4u

/* Word 0 of a cell; lap and time are those of a struct plx_post_way. */
#define PLX_POST_WORD(lap_time, type, length, priority)                                                      \
	((lap_time) | ((uint64_t)(type) << 24 | (uint64_t)(length) << 40 | (uint64_t)(priority) << 54))
#define PLX_POST_TIME    0xffffffull /* of a stamp: ticks */
#define PLX_POST_TICK_NS (1u << 20)
/* The highest bit of the lap is inverted by every other sender of a lane: so a receiver learns that there is another one. */
#define PLX_POST_LAP(word) ((word) >> 56 & 0x7f)
#define PLX_POST_OTHER     (1ull << 63)

struct plx_post_way {
	uint64_t next; /* the next message's place */
	uint64_t
		stop; /* at which there is more to do than to send: a group ends, or what is known to be free */
	uint64_t lap_time; /* in the highest byte; in the lowest three */
	unsigned char *at; /* where the next message goes */
	uint64_t seen;     /* the receiver is done with those before, as we last saw */
	unsigned char *cells;
	struct plx_lane *lane;
	uint64_t *tail;
};

struct plx_post_sender {
	uint64_t mask;
	uint32_t stride;
	uint32_t group; /* messages whose lines are taken at once, a power of two, less one */
	uint32_t size;  /* bytes of the longest payload */
	const uint64_t *attention;
	struct plx_post_way way[PLX_PRIORITIES]; /* POST: the first one */
	struct plx_end end;
};

struct plx_post_from {
	const unsigned char *at; /* the next message */
	uint64_t lap;
	uint64_t next; /* its place */
	uint64_t *taken;
	uint64_t ack; /* the next place at which the sender is told */
	const unsigned char *cells;
	struct plx_lane *lane;
	uint64_t ticks;  /* its sender's stamp, as we last saw */
	uint32_t source; /* the same */
	bool known;      /* ... while this is true */
};

struct plx_post_receiver {
	uint64_t mask;
	uint32_t stride;
	uint32_t size;
	uint32_t every;
	uint32_t lanes;
	uint32_t current; /* lane of the message that was peeked at */
	uint32_t
		turn; /* messages it may still give before we look around, or there is more to do than to take them */
	uint32_t credit[PLX_PRIORITIES];
	uint32_t begin[PLX_PRIORITIES]; /* whose turn it is */
	uint32_t senders;
	bool priorities;
	uint64_t taken;                                                   /* messages, when we last waited */
	uint64_t passed[PLX_CHANNEL_SEATS_MAX * PLX_PRIORITIES / 64 + 1]; /* lanes that wait: bits */
	struct plx_post_from from[PLX_CHANNEL_SEATS_MAX * PLX_PRIORITIES];
	struct plx_end end;
};

PLX_BEGIN

/** plx_post_sender_open() - take a seat, in a channel of either kind. @source: of its messages. Return: as plx_mpsc_sender_open(). */
int plx_post_sender_open(struct plx_post_sender *tx, void *at, uint64_t room, uint32_t source) plx_must_check;
void plx_post_sender_leave(struct plx_post_sender *tx);
int plx_post_receiver_open(struct plx_post_receiver *rx, void *at, uint64_t room) plx_must_check;
void plx_post_receiver_leave(struct plx_post_receiver *rx);
void plx_post_receiver_close(struct plx_post_receiver *rx);

/** plx_post_stamp() - read the clock; the messages from here on carry that time. */
void plx_post_stamp(struct plx_post_sender *tx);

/* Out of line. */
plx_cold void plx_post_attend(struct plx_post_sender *tx);
plx_cold bool plx_post_full(struct plx_post_sender *tx, struct plx_post_way *way);
/* We are at way->stop. When a group of messages was sent: say so, and take the lines of the next one. */
void plx_post_stop(struct plx_post_sender *tx, struct plx_post_way *way);

/* ---- sending ------------------------------------------------------------------------------------------ */

static plx_quick bool plx_post_room(struct plx_post_sender *tx, struct plx_post_way *way)
{
	/* cached; PO4 acquire in plx_post_full() */
	return plx_likely((int64_t)(way->stop - way->next) > 0) || plx_post_full(tx, way);
}

static plx_quick void *plx_post_reserve_on(struct plx_post_sender *tx, struct plx_post_way *way)
{
	return plx_post_room(tx, way) ? way->at + 16 : NULL;
}

static plx_quick void plx_post_commit_on(struct plx_post_sender *tx, struct plx_post_way *way, uint16_t type,
					 uint8_t priority, uint64_t key, uint16_t length)
{
	uint64_t *cell = (uint64_t *)(void *)way->at;

	cell[1] = key;
	/* PO1 release: pairs with PO2; who sees the lap sees the message */
	__atomic_store_n(cell, PLX_POST_WORD(way->lap_time, type, length, priority & 3), __ATOMIC_RELEASE);
	way->at += tx->stride;
	if (plx_unlikely((int64_t)(way->stop - ++way->next) <= 0))
		plx_post_stop(tx, way);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (plx_unlikely(__atomic_load_n(tx->attention, __ATOMIC_RELAXED) != 0))
		plx_post_attend(tx);
}

/** plx_post_reserve() - room for a payload, to be written in place; NULL: none. plx_post_commit() sends it. */
static plx_quick void *plx_post_reserve(struct plx_post_sender *tx)
{
	return plx_post_reserve_on(tx, &tx->way[0]);
}

static plx_quick void plx_post_commit(struct plx_post_sender *tx, uint16_t type, uint64_t key,
				      uint16_t length)
{
	plx_post_commit_on(tx, &tx->way[0], type, 0, key, length);
}

/**
 * plx_post_try_send() - a message into a PLX_CHANNEL_POST. Wait-free; one line.
 * @length: at most the size the channel was made with (assert)
 *
 * Return: false when there is no room, or the channel is closed.
 */
static plx_quick bool plx_post_try_send(struct plx_post_sender *tx, uint16_t type, uint64_t key,
					const void *payload, uint16_t length)
{
	unsigned char *at;

	if (!plx_post_room(tx, &tx->way[0]))
		return false;
	at = tx->way[0].at + 16;
	if (plx_likely(length == 48))
		plx_words_copy(at, payload, 48);
	else
		plx_bytes_put(at, payload, length < tx->size ? length : tx->size);
	plx_post_commit_on(tx, &tx->way[0], type, 0, key, length);
	return true;
}

/** plx_priority_try_send() - the same into a PLX_CHANNEL_PRIORITY, @priority 0 ... 3. */
static plx_quick bool plx_priority_try_send(struct plx_post_sender *tx, uint8_t priority, uint16_t type,
					    uint64_t key, const void *payload, uint16_t length)
{
	void *at = plx_post_reserve_on(tx, &tx->way[priority & 3]);

	if (plx_unlikely(!at))
		return false;
	plx_bytes_put(at, payload, length < tx->size ? length : tx->size);
	plx_post_commit_on(tx, &tx->way[priority & 3], type, priority, key, length);
	return true;
}

/** plx_post_wait_room() - until there is room for a message of @priority (0 in a PLX_CHANNEL_POST). Return: as plx_spsc_send(). */
int plx_post_wait_room(struct plx_post_sender *tx, uint8_t priority, uint64_t timeout_ns) plx_must_check;

/** plx_post_send(), plx_priority_send() - waiting for room. Return: as plx_spsc_send(). */
static inline int plx_post_send(struct plx_post_sender *tx, uint16_t type, uint64_t key, const void *payload,
				uint16_t length, uint64_t timeout_ns)
{
	while (plx_unlikely(!plx_post_try_send(tx, type, key, payload, length))) {
		int ret = plx_post_wait_room(tx, 0, timeout_ns);

		if (ret < 0)
			return ret;
	}
	return 0;
}

static inline int plx_priority_send(struct plx_post_sender *tx, uint8_t priority, uint16_t type, uint64_t key,
				    const void *payload, uint16_t length, uint64_t timeout_ns)
{
	while (plx_unlikely(!plx_priority_try_send(tx, priority, type, key, payload, length))) {
		int ret = plx_post_wait_room(tx, priority, timeout_ns);

		if (ret < 0)
			return ret;
	}
	return 0;
}

/* ---- receiving ---------------------------------------------------------------------------------------- */

/** Find the lane whose turn it is; out of line. */
bool plx_post_next(struct plx_post_receiver *rx);
/** The turn is over: the ring begins anew, or the sender is told. */
void plx_post_turned(struct plx_post_receiver *rx, struct plx_post_from *from);

/* The lane of the next message, and its first word; NULL: there is none. */
static plx_quick struct plx_post_from *plx_post_there(struct plx_post_receiver *rx, uint64_t *word)
{
	struct plx_post_from *from = &rx->from[rx->current];

	/* PO2 acquire: pairs with PO1 */
	*word = __atomic_load_n((const uint64_t *)(const void *)from->at, __ATOMIC_ACQUIRE);
	if (plx_likely(rx->turn != 0 && (*word ^ from->lap) >> 56 == 0))
		return from;
	if (!plx_post_next(rx))
		return NULL;
	from = &rx->from[rx->current];
	*word = __atomic_load_n((const uint64_t *)(const void *)from->at, __ATOMIC_ACQUIRE);
	return from;
}

static plx_quick void plx_post_read(const struct plx_post_receiver *rx, const struct plx_post_from *from,
				    uint64_t word, struct plx_envelope *envelope)
{
	uint64_t now = from->ticks;

	envelope->id = (uint64_t)(rx->current + 1) << 56 | from->next;
	/* the stamp is of about the same time; 24 bits are two hours either way */
	envelope->time_ns = (now + (uint64_t)((int64_t)((word - now) << 40) >> 40)) * PLX_POST_TICK_NS;
	envelope->key = ((const uint64_t *)(const void *)from->at)[1];
	envelope->source = from->source;
	envelope->type = (uint16_t)(word >> 24);
	envelope->length = (uint16_t)(word >> 40 & 0x3fff);
	envelope->priority = (uint8_t)(word >> 54 & 3);
}

/* Done with it. */
static plx_quick void plx_post_done(struct plx_post_receiver *rx, struct plx_post_from *from)
{
	uint64_t next = from->next + 1;
	const unsigned char *at = from->at + rx->stride;
	int32_t turn = (int32_t)rx->turn - 1;

	from->next = next;
	from->at = at;
	rx->turn = (uint32_t)turn;
	/* release: a successor of ours that sees this finds what we did about it */
	__atomic_store_n(from->taken, next, __ATOMIC_RELEASE);
	__builtin_prefetch(at + 4 * (uint64_t)rx->stride, 0, 3);
	if (plx_unlikely(turn <= 0))
		plx_post_turned(rx, from);
}

/**
 * plx_post_peek() - the next message, where it is.
 * @envelope: filled in
 *
 * Return: its payload, or NULL: nothing there. It stays until plx_post_release(); who dies before has not taken it.
 */
static plx_quick const void *plx_post_peek(struct plx_post_receiver *rx, struct plx_envelope *envelope)
{
	uint64_t word;
	struct plx_post_from *from = plx_post_there(rx, &word);

	if (plx_unlikely(!from))
		return NULL;
	plx_post_read(rx, from, word, envelope);
	return from->at + 16;
}

/** plx_post_release() - done with it. */
static plx_quick void plx_post_release(struct plx_post_receiver *rx)
{
	plx_post_done(rx, &rx->from[rx->current]);
}

/**
 * plx_post_try_recv() - take one message if there is one.
 * @payload: @size bytes, as the channel was made with
 */
static plx_quick bool plx_post_try_recv(struct plx_post_receiver *rx, struct plx_envelope *envelope,
					void *payload)
{
	uint64_t word;
	struct plx_post_from *from = plx_post_there(rx, &word);

	if (plx_unlikely(!from))
		return false;
	plx_post_read(rx, from, word, envelope);
	__asm__("" : "+r"(payload)); /* see plx_bytes_put() */
	if (plx_likely(envelope->length == 48))
		memcpy(payload, from->at + 16, 48);
	else
		memcpy(payload, from->at + 16, envelope->length < rx->size ? envelope->length : rx->size);
	plx_post_done(rx, from);
	return true;
}

/** plx_post_wait() - until there is something. Return: 0 or as plx_mpsc_recv(). */
int plx_post_wait(struct plx_post_receiver *rx, uint64_t timeout_ns) plx_must_check;

/** plx_post_recv() - waiting. Return: as plx_mpsc_recv(). */
static inline int plx_post_recv(struct plx_post_receiver *rx, struct plx_envelope *envelope, void *payload,
				uint64_t timeout_ns)
{
	while (plx_unlikely(!plx_post_try_recv(rx, envelope, payload))) {
		int ret = plx_post_wait(rx, timeout_ns);

		if (ret < 0)
			return ret;
	}
	return 0;
}

/** plx_post_arm() - before polling plx_end_fd(&rx->end): see plx_spsc_arm(). */
bool plx_post_arm(struct plx_post_receiver *rx);

PLX_END

#endif
