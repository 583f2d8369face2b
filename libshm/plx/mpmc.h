/* mpmc.h - a channel from many senders to many receivers: each element is claimed, in its own cell, by one of each. */
#ifndef PLX_MPMC_H
#define PLX_MPMC_H

#include <plx/spsc.h>

/*
 * A cell is empty, being written, full, or being read, and says by whom: claiming it and saying who has it is one
 * compare-and-swap. So a holder that is killed in between is found by its seat (plx_channel_bury(), which waiting ends call by
 * themselves): what it was writing is given up and counted, what it was reading is there again for somebody else.
 *
 * Elements of one sender are received in its order, unless they come again from a dead receiver. Who is stopped in the middle
 * of sending holds up no receiver before the ring has come round.
 */
struct plx_mpmc_sender {
	unsigned char *cells;
	uint64_t mask;
	uint64_t next; /* every cell before this one is taken */
	uint32_t stride;
	uint32_t size;
	uint64_t mine; /* what we write into a cell that we claim, without its position */
	uint64_t sent; /* elements */
	uint64_t *sent_word;
	uint64_t *hint;
	const uint64_t *attention;
	struct plx_end end;
};

struct plx_mpmc_receiver {
	unsigned char *cells;
	uint64_t mask;
	uint64_t next;
	uint32_t stride;
	uint32_t size;
	uint64_t mine;
	uint64_t taken;
	uint64_t *taken_word;
	uint64_t *hint;
	const uint64_t *attention;
	uint64_t every;    /* at multiples of this senders that sleep are woken */
	uint64_t returned; /* burials of receivers, as we last saw: their cells came back */
	uint32_t looks;    /* before sleeping */
	struct plx_end end;
};

/* The first word of a cell: position << 16 | generation << 8 | state << 6 | seat. */
#define PLX_CELL_EMPTY             0ull
#define PLX_CELL_WRITING           1ull
#define PLX_CELL_FULL              2ull
#define PLX_CELL_READING           3ull
#define PLX_CELL(position, state)  ((uint64_t)(position) << 16 | (state) << 6)
#define PLX_CELL_POSITION(word)    ((word) >> 16)
#define PLX_CELL_STATE(word)       ((word) >> 6 & 3)
#define PLX_CELL_HOLDER(seat, gen) ((uint64_t)((gen)&255) << 8 | ((seat)&63))

PLX_BEGIN

/** plx_mpmc_sender_open(), plx_mpmc_receiver_open() - take a seat. Return: as plx_mpsc_sender_open(). */
int plx_mpmc_sender_open(struct plx_mpmc_sender *tx, void *at, uint64_t room, uint32_t source) plx_must_check;
int plx_mpmc_receiver_open(struct plx_mpmc_receiver *rx, void *at, uint64_t room) plx_must_check;
/**
 * plx_mpmc_holder() - who has had a cell in its hands for the longest: the process for which a full ring waits.
 *
 * Who is killed there is found and its cell given up. Who is only stopped (SIGSTOP, a debugger, swapped out) may go on at any
 * moment with a store into that cell, so nobody may use it: the others go round once more, and then wait for it. A supervisor
 * that cannot wait kills that process, and says so: plx_channel_bury().
 *
 * Return: its process id; 0 when nobody has one; -EPROTO, -ERANGE, -EBADMSG.
 * Safety: any process, at any time; a look, which may be old when it returns.
 */
int32_t plx_mpmc_holder(const void *at, uint64_t room) plx_must_check;

/** Give the seat back. May be called twice. When all senders shall end: plx_channel_close(). */
void plx_mpmc_sender_leave(struct plx_mpmc_sender *tx);
void plx_mpmc_receiver_leave(struct plx_mpmc_receiver *rx);

/* Out of line. */
plx_cold void plx_mpmc_attend(struct plx_mpmc_sender *tx);
plx_cold void plx_mpmc_wake_senders(struct plx_mpmc_receiver *rx);
bool plx_mpmc_find_empty(struct plx_mpmc_sender *tx, uint64_t *position);
bool plx_mpmc_find_full(struct plx_mpmc_receiver *rx, uint64_t *position);

static inline uint64_t *plx_mpmc_cell(unsigned char *cells, uint64_t position, uint64_t mask, uint32_t stride)
{
	return (uint64_t *)(void *)(cells + (position & mask) * stride);
}

/**
 * plx_mpmc_reserve() - claim a cell; @position is for commit.
 *
 * One compare-and-swap where nobody else was faster. Who dies before commit has sent nothing.
 *
 * Return: room for one element, or NULL: full, or closed. It has to be committed.
 */
static inline void *plx_mpmc_reserve(struct plx_mpmc_sender *tx, uint64_t *position)
{
	uint64_t *cell = plx_mpmc_cell(tx->cells, tx->next, tx->mask, tx->stride);
	uint64_t empty = PLX_CELL(tx->next, PLX_CELL_EMPTY);

	*position = tx->next;
	/* MM1 acquire: pairs with MM4; the receiver before us is done with the bytes */
	if (plx_likely(!tx->end.closed && __atomic_load_n(cell, __ATOMIC_RELAXED) == empty &&
		       __atomic_compare_exchange_n(cell, &empty, empty | tx->mine, false, __ATOMIC_ACQUIRE,
						   __ATOMIC_RELAXED))) {
		tx->next++;
		/* a hint: relaxed, and may be overwritten by an older one */
		if ((*position & 7) == 7)
			__atomic_store_n(tx->hint, *position + 1, __ATOMIC_RELAXED);
		return cell + 1;
	}
	if (!plx_mpmc_find_empty(tx, position))
		return NULL;
	return plx_mpmc_cell(tx->cells, *position, tx->mask, tx->stride) + 1;
}

static inline void plx_mpmc_flush(struct plx_mpmc_sender *tx)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (plx_unlikely(__atomic_load_n(tx->attention, __ATOMIC_RELAXED) != 0))
		plx_mpmc_attend(tx);
}

static inline void plx_mpmc_publish(struct plx_mpmc_sender *tx, uint64_t position)
{
	/* MM2 release: pairs with MM3 */
	__atomic_store_n(plx_mpmc_cell(tx->cells, position, tx->mask, tx->stride),
			 PLX_CELL(position, PLX_CELL_FULL), __ATOMIC_RELEASE);
	__atomic_store_n(tx->sent_word, ++tx->sent, __ATOMIC_RELAXED); /* one writer; for tools */
}

/** plx_mpmc_commit() - send what was written there. */
static inline void plx_mpmc_commit(struct plx_mpmc_sender *tx, uint64_t position)
{
	plx_mpmc_publish(tx, position);
	plx_mpmc_flush(tx);
}

/** plx_mpmc_try_send() - lock-free. Return: false when there is no room, or the channel is closed. */
static inline bool plx_mpmc_try_send(struct plx_mpmc_sender *tx, const void *element)
{
	uint64_t position;
	void *at = plx_mpmc_reserve(tx, &position);

	if (plx_unlikely(!at))
		return false;
	plx_bytes_put(at, element, tx->size);
	plx_mpmc_commit(tx, position);
	return true;
}

/**
 * plx_mpmc_peek() - claim a full cell; @position is for release.
 *
 * Return: its element, or NULL. It has to be released; who dies before has not taken it, and somebody else gets it.
 */
static inline const void *plx_mpmc_peek(struct plx_mpmc_receiver *rx, uint64_t *position)
{
	uint64_t *cell = plx_mpmc_cell(rx->cells, rx->next, rx->mask, rx->stride);
	uint64_t full = PLX_CELL(rx->next, PLX_CELL_FULL);

	*position = rx->next;
	/* MM3 acquire: pairs with MM2 */
	if (plx_likely(__atomic_load_n(cell, __ATOMIC_RELAXED) == full &&
		       __atomic_compare_exchange_n(cell, &full, full | PLX_CELL_READING << 6 | rx->mine,
						   false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))) {
		rx->next++;
		if ((*position & 7) == 7)
			__atomic_store_n(rx->hint, *position + 1, __ATOMIC_RELAXED);
		return cell + 1;
	}
	if (!plx_mpmc_find_full(rx, position))
		return NULL;
	return plx_mpmc_cell(rx->cells, *position, rx->mask, rx->stride) + 1;
}

/** plx_mpmc_release() - done with it. */
static inline void plx_mpmc_release(struct plx_mpmc_receiver *rx, uint64_t position)
{
	__atomic_store_n(rx->taken_word, ++rx->taken, __ATOMIC_RELAXED); /* one writer; for tools */
	/* MM4 release: pairs with MM1 */
	__atomic_store_n(plx_mpmc_cell(rx->cells, position, rx->mask, rx->stride),
			 PLX_CELL(position + rx->mask + 1, PLX_CELL_EMPTY), __ATOMIC_RELEASE);
	if (plx_unlikely((position & rx->every) == 0)) {
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		if (plx_unlikely(__atomic_load_n(rx->attention, __ATOMIC_RELAXED) != 0))
			plx_mpmc_wake_senders(rx);
	}
}

/** plx_mpmc_try_recv() - lock-free. Return: false when there is nothing. */
static inline bool plx_mpmc_try_recv(struct plx_mpmc_receiver *rx, void *element)
{
	uint64_t position;
	const void *at = plx_mpmc_peek(rx, &position);

	if (plx_unlikely(!at))
		return false;
	plx_bytes_get(element, at, rx->size);
	plx_mpmc_release(rx, position);
	return true;
}

/** As many as there is room for; as many as there are, at most @n. Return: how many. */
uint32_t plx_mpmc_try_send_many(struct plx_mpmc_sender *tx, const void *elements, uint32_t n);
uint32_t plx_mpmc_try_recv_many(struct plx_mpmc_receiver *rx, void *elements, uint32_t n);

int plx_mpmc_send_wait(struct plx_mpmc_sender *tx, const void *element, uint64_t timeout_ns) plx_must_check;
int plx_mpmc_recv_wait(struct plx_mpmc_receiver *rx, void *element, uint64_t timeout_ns) plx_must_check;

/** plx_mpmc_send(), plx_mpmc_recv() - waiting. Return: as plx_spsc_send(), plx_mpsc_recv(). */
static inline int plx_mpmc_send(struct plx_mpmc_sender *tx, const void *element, uint64_t timeout_ns)
{
	return plx_likely(plx_mpmc_try_send(tx, element)) ? 0 : plx_mpmc_send_wait(tx, element, timeout_ns);
}

static inline int plx_mpmc_recv(struct plx_mpmc_receiver *rx, void *element, uint64_t timeout_ns)
{
	return plx_likely(plx_mpmc_try_recv(rx, element)) ? 0 : plx_mpmc_recv_wait(rx, element, timeout_ns);
}

/** All @n, waiting for room; at most @n, waiting for one. Return: how many, or when none, the reason. */
int plx_mpmc_send_many(struct plx_mpmc_sender *tx, const void *elements, uint32_t n,
		       uint64_t timeout_ns) plx_must_check;
int plx_mpmc_recv_many(struct plx_mpmc_receiver *rx, void *elements, uint32_t n,
		       uint64_t timeout_ns) plx_must_check;

/** plx_mpmc_wait() - until there is something: another receiver may be faster. Return: 0 or the reason. */
int plx_mpmc_wait(struct plx_mpmc_receiver *rx, uint64_t timeout_ns) plx_must_check;
/** plx_mpmc_arm() - before polling plx_end_fd(&rx->end): see plx_spsc_arm(). */
bool plx_mpmc_arm(struct plx_mpmc_receiver *rx);

PLX_END

#endif
