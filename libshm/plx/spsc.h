/* spsc.h - a channel from one sender to one receiver, which sees each element as soon as it is there. */
#ifndef PLX_SPSC_H
#define PLX_SPSC_H

#include <plx/channel.h>
#include <plx/lines.h>

/*
 * Elements lie in cells of whole lines. The first word of a cell says which lap it is of and how many elements are in it; so one
 * line carries word and elements to the receiver, as many as fit: seven of 8 bytes, three of 16, one of 32 to 56. Larger ones
 * take several lines. (A multiple of 64 bytes in batches: plx/ring.h.)
 *
 * Fast paths are inline and have neither fences, nor clocks, nor words that both sides write.
 */
struct plx_spsc_sender {
	unsigned char *word; /* the cell that we fill; how many are in it is said there, and nowhere else */
	uint64_t base;       /* its first word without that: (cell + 1) << 8 */
	const uint64_t *attention; /* not 0: somebody sleeps, or the channel closes */
	uint32_t per;              /* elements in a cell */
	uint32_t size;
	uint64_t seen; /* cells the receiver is done with, as we last saw */
	uint64_t mask; /* cells - 1 */
	unsigned char *cells;
	uint64_t *tail;  /* of the lane: ours to write */
	uint32_t stride; /* bytes of a cell */
	uint32_t group;  /* cells whose lines are taken at once, a power of two, less one */
	const uint64_t *head;
	struct plx_lane *lane;
	struct plx_end end;
};

struct plx_spsc_receiver {
	const unsigned char *at; /* the next element */
	uint64_t taken;          /* elements */
	uint64_t *taken_word;    /* ... where others can see it */
	uint32_t left;           /* elements that are there, at @at */
	uint32_t size;
	uint32_t got; /* elements of this cell that were seen */
	uint32_t per;
	uint64_t cell;
	uint64_t known; /* cells before this one are full, as the sender says */
	uint64_t ack;   /* the next cell at which the sender is told */
	uint64_t mask;
	const unsigned char *cells;
	uint32_t stride;
	uint32_t flow;  /* cells that were there when we came, in a row */
	uint32_t every; /* cells between two tells */
	uint64_t *head; /* ours to write */
	const uint64_t *tail;
	const uint64_t *attention;
	struct plx_lane *lane;
	struct plx_end end;
};

PLX_BEGIN

/**
 * plx_spsc_sender_open() - take the seat of the sender.
 * @source: shown by tools, and the source of envelopes
 *
 * A predecessor that died or left is continued where it stopped.
 *
 * Return: 0, -EBUSY (somebody alive has it), -ESHUTDOWN (closed), -EPIPE (nobody will receive), -EPROTO, -ERANGE, -EBADMSG.
 */
int plx_spsc_sender_open(struct plx_spsc_sender *tx, void *at, uint64_t room, uint32_t source) plx_must_check;

/**
 * plx_spsc_receiver_open() - take the seat of the receiver.
 *
 * A successor gets what its predecessor had not taken: what was peeked at and not released comes again.
 *
 * Return: as above.
 */
int plx_spsc_receiver_open(struct plx_spsc_receiver *rx, void *at, uint64_t room) plx_must_check;

/** plx_spsc_sender_leave() - give the seat back; the channel stays open for a successor. May be called twice. */
void plx_spsc_sender_leave(struct plx_spsc_sender *tx);
/** plx_spsc_sender_close() - nothing more comes: the receiver gets what is there, then -ESHUTDOWN. May be called twice. */
void plx_spsc_sender_close(struct plx_spsc_sender *tx);
/** The same for the receiver; after close, senders get -EPIPE. */
void plx_spsc_receiver_leave(struct plx_spsc_receiver *rx);
void plx_spsc_receiver_close(struct plx_spsc_receiver *rx);

/* ---- what the fast paths are made of ------------------------------------------------------------- */

/* Out of line: somebody has to be woken, or the channel closes; no room; tell the sender. */
plx_cold void plx_spsc_attend(struct plx_spsc_sender *tx);
plx_cold bool plx_spsc_full(struct plx_spsc_sender *tx);
/* The cells before @cell, which begins a group, are full: say so, and take the lines of that group. */
void plx_spsc_group(struct plx_spsc_sender *tx, uint64_t cell);
plx_cold void plx_spsc_wake_sender(struct plx_spsc_receiver *rx);

/*
 * The sender writes nothing of its own while it fills a line. A processor sends stores to its cache in their order, and gathers
 * only those to one line that follow each other: with a counter of ours stored between, each element would go there by itself,
 * and 7 to a line would be three times slower. So how many are in the cell is loaded from the cell.
 */
static plx_quick uint32_t plx_spsc_filled(const struct plx_spsc_sender *tx)
{
	/* the receiver may have taken the line: it has to come back, for writing, before it is read */
	plx_line_soon(tx->word);
	/* relaxed: ours */
	uint64_t filled = __atomic_load_n((const uint64_t *)(const void *)tx->word, __ATOMIC_RELAXED) ^
			  tx->base;

	return filled < 256 ? (uint32_t)filled : 0; /* of a lap ago: we have not begun it */
}

/* Begin the next cell; false when there is none. */
static plx_quick bool plx_spsc_cell(struct plx_spsc_sender *tx)
{
	uint64_t cell = tx->base >> 8;

	/* cached; SP4 acquire in plx_spsc_full() */
	if (plx_unlikely(cell - tx->seen > tx->mask) && !plx_spsc_full(tx))
		return false;
	tx->word = tx->cells + (cell & tx->mask) * tx->stride;
	tx->base = (cell + 1) << 8;
	return true;
}

/* Publish what makes @filled of the cell. */
static plx_quick void plx_spsc_publish(struct plx_spsc_sender *tx, uint32_t filled)
{
	/* SP1 release: pairs with SP2; who sees the number sees the elements */
	__atomic_store_n((uint64_t *)(void *)tx->word, tx->base + filled, __ATOMIC_RELEASE);
	if (plx_unlikely(filled == tx->per && (tx->base >> 8 & tx->group) == 0))
		plx_spsc_group(tx, tx->base >> 8);
}

/* After a store that a sleeper waits for. It pays for the fence: chan/wait.c */
static plx_quick void plx_spsc_flush(struct plx_spsc_sender *tx)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (plx_unlikely(__atomic_load_n(tx->attention, __ATOMIC_RELAXED) != 0))
		plx_spsc_attend(tx);
}

/* Tell the sender which cells are free again. */
static plx_quick void plx_spsc_tell(struct plx_spsc_receiver *rx)
{
	rx->ack = rx->cell + rx->every;
	/* SP3 release: pairs with SP4; we are done with the bytes of those cells */
	__atomic_store_n(rx->head, rx->cell, __ATOMIC_RELEASE);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (plx_unlikely(__atomic_load_n(rx->attention, __ATOMIC_RELAXED) != 0))
		plx_spsc_wake_sender(rx);
}

#define PLX_SPSC_FLOW 4u

/* How far are cells full? Asks the sender's line, not the cells. */
static inline uint64_t plx_spsc_known(struct plx_spsc_receiver *rx, uint64_t cell)
{
	if (cell >= rx->known)
		rx->known = __atomic_load_n(rx->tail, __ATOMIC_ACQUIRE); /* SP6 acquire: pairs with SP5 */
	return rx->known;
}

static inline const unsigned char *plx_spsc_cell_at(const struct plx_spsc_receiver *rx, uint64_t cell)
{
	return rx->cells + (cell & rx->mask) * rx->stride;
}

/* Is the next cell one that is not known to be full? */
static inline bool plx_spsc_written(struct plx_spsc_receiver *rx)
{
	uint64_t cell = rx->cell + (rx->got == rx->per);

	return cell >= plx_spsc_known(rx, cell);
}

/* Look for more; false when there is nothing. */
static inline bool plx_spsc_more(struct plx_spsc_receiver *rx)
{
	const unsigned char *at;
	uint64_t word;
	uint32_t n;

	if (rx->got == rx->per) {
		rx->cell++;
		rx->got = 0;
		if (plx_unlikely(rx->cell >= rx->ack))
			plx_spsc_tell(rx);
		/* in a stream: ask once how far it goes, and fetch what is full; never what is being written */
		if (rx->flow >= PLX_SPSC_FLOW && rx->cell + PLX_SPSC_FLOW < plx_spsc_known(rx, rx->cell))
			__builtin_prefetch(plx_spsc_cell_at(rx, rx->cell + PLX_SPSC_FLOW), 0, 3);
		rx->flow++;
	}
	at = plx_spsc_cell_at(rx, rx->cell);
	/* SP2 acquire: pairs with SP1 */
	word = __atomic_load_n((const uint64_t *)(const void *)at, __ATOMIC_ACQUIRE);
	n = (uint32_t)(word & 255) - rx->got;
	if (word >> 8 != rx->cell + 1 || n == 0) {
		rx->flow = 0;
		return false;
	}
	rx->at = at + 8 + (uint64_t)rx->got * rx->size;
	rx->left = n;
	rx->got += n;
	return true;
}

/* ---- sending --------------------------------------------------------------------------------------- */

/**
 * plx_spsc_try_send() - send one element if there is room.
 *
 * Wait-free. One store into a line of ours and one look at a line nobody writes; a new line after each full one.
 *
 * Return: false when there is no room, or the channel is closed: plx_spsc_send() tells which.
 */
static plx_quick bool plx_spsc_try_send(struct plx_spsc_sender *tx, const void *element)
{
	uint32_t filled = plx_spsc_filled(tx);

	if (plx_unlikely(filled >= tx->per)) {
		if (!plx_spsc_cell(tx))
			return false;
		filled = 0;
	}
	plx_bytes_put(tx->word + 8 + (uint64_t)filled * tx->size, element, tx->size);
	plx_spsc_publish(tx, filled + 1);
	plx_spsc_flush(tx);
	return true;
}

/** plx_spsc_try_send_word() - the same with an element of 8 bytes by value, which need not be in memory for that. */
static plx_quick bool plx_spsc_try_send_word(struct plx_spsc_sender *tx, uint64_t element)
{
	uint32_t filled = plx_spsc_filled(tx);

	if (plx_unlikely(filled >= tx->per)) {
		if (!plx_spsc_cell(tx))
			return false;
		filled = 0;
	}
	memcpy(tx->word + 8 + (uint64_t)filled * 8, &element, 8);
	plx_spsc_publish(tx, filled + 1);
	plx_spsc_flush(tx);
	return true;
}

/** plx_spsc_try_send_many() - as many as there is room for. Return: how many. */
static inline uint32_t plx_spsc_try_send_many(struct plx_spsc_sender *tx, const void *elements, uint32_t n)
{
	const unsigned char *from = (const unsigned char *)elements;
	const uint32_t per = tx->per, size = tx->size;
	uint32_t done = 0, filled = plx_spsc_filled(tx);
	/* in registers: see plx_spsc_filled() */
	uint64_t base = tx->base, mask = tx->mask, stride = tx->stride, free = tx->seen + mask;
	unsigned char *word = tx->word, *cells = tx->cells;

	while (done < n) {
		uint32_t k = n - done;

		if (filled >= per) {
			uint64_t cell = base >> 8;

			if (plx_unlikely((int64_t)(cell - free) > 0)) {
				tx->word = word;
				tx->base = base;
				if (done > 0) /* SP5 release: pairs with SP6 */
					__atomic_store_n(tx->tail, cell, __ATOMIC_RELEASE);
				if (!plx_spsc_full(tx)) {
					plx_spsc_flush(tx);
					return done;
				}
				free = tx->seen + mask;
			}
			word = cells + (cell & mask) * stride;
			base = (cell + 1) << 8;
			if ((cell & tx->group) == 0)
				plx_spsc_group(tx, cell);
			filled = 0;
		}
		if (k > per - filled)
			k = per - filled;
		plx_bytes_put(word + 8 + (uint64_t)filled * size, from, (uint64_t)size * k);
		from += (uint64_t)k * size;
		filled += k;
		/* SP1 release: pairs with SP2 */
		__atomic_store_n((uint64_t *)(void *)word, base + filled, __ATOMIC_RELEASE);
		done += k;
	}
	/* SP5 release: pairs with SP6; once for all cells that became full */
	if (done > 0 && (filled == per || base != tx->base))
		__atomic_store_n(tx->tail, (base >> 8) - (filled < per), __ATOMIC_RELEASE);
	tx->word = word;
	tx->base = base;
	plx_spsc_flush(tx);
	return done;
}

/* Out of line parts of the two below. */
int plx_spsc_send_wait(struct plx_spsc_sender *tx, const void *element, uint64_t timeout_ns) plx_must_check;
int plx_spsc_send_word_wait(struct plx_spsc_sender *tx, uint64_t element, uint64_t timeout_ns) plx_must_check;
int plx_spsc_recv_wait(struct plx_spsc_receiver *rx, void *element, uint64_t timeout_ns) plx_must_check;

/**
 * plx_spsc_send() - send one element; wait for room.
 * @timeout_ns: nanoseconds; 0 does not wait; UINT64_MAX for ever
 *
 * Return: 0, -ETIMEDOUT (-EAGAIN when 0), -ESHUTDOWN (closed), -EPIPE (the receiver has closed its end), -EINTR
 *         (plx_stop_install()). A receiver that died or left is waited for: a successor may come.
 */
static plx_quick int plx_spsc_send(struct plx_spsc_sender *tx, const void *element, uint64_t timeout_ns)
{
	return plx_likely(plx_spsc_try_send(tx, element)) ? 0 : plx_spsc_send_wait(tx, element, timeout_ns);
}

/** plx_spsc_send_word() - the same for an element of 8 bytes by value. */
static plx_quick int plx_spsc_send_word(struct plx_spsc_sender *tx, uint64_t element, uint64_t timeout_ns)
{
	return plx_likely(plx_spsc_try_send_word(tx, element))
		       ? 0
		       : plx_spsc_send_word_wait(tx, element, timeout_ns);
}

/** plx_spsc_send_many() - all @n; Return: how many were sent, or when none, the reason as above. */
int plx_spsc_send_many(struct plx_spsc_sender *tx, const void *elements, uint32_t n,
		       uint64_t timeout_ns) plx_must_check;

/**
 * plx_spsc_reserve() - room for elements, to be written in place.
 * @n: set to how many fit there, one after another
 *
 * Return: where, or NULL: no room. Nothing is sent before plx_spsc_commit(), nor has it to be.
 */
static plx_quick void *plx_spsc_reserve(struct plx_spsc_sender *tx, uint32_t *n)
{
	uint32_t filled = plx_spsc_filled(tx);

	if (plx_unlikely(filled >= tx->per)) {
		if (!plx_spsc_cell(tx))
			return NULL;
		filled = 0;
	}
	*n = tx->per - filled;
	return tx->word + 8 + (uint64_t)filled * tx->size;
}

/** plx_spsc_commit() - send the first @n of them. */
static plx_quick void plx_spsc_commit(struct plx_spsc_sender *tx, uint32_t n)
{
	plx_spsc_publish(tx, plx_spsc_filled(tx) + n);
	plx_spsc_flush(tx);
}

/* ---- receiving ------------------------------------------------------------------------------------- */

/**
 * plx_spsc_peek() - elements that are there, where they are.
 * @n: set to how many, one after another: those of a cell
 *
 * Return: the first, or NULL. They stay until plx_spsc_release(); who dies before has not taken them.
 */
static plx_quick const void *plx_spsc_peek(struct plx_spsc_receiver *rx, uint32_t *n)
{
	if (rx->left == 0 && !plx_spsc_more(rx))
		return NULL;
	*n = rx->left;
	return rx->at;
}

/** plx_spsc_release() - done with the first @n of them. */
static plx_quick void plx_spsc_release(struct plx_spsc_receiver *rx, uint32_t n)
{
	rx->at += (uint64_t)n * rx->size;
	rx->left -= n;
	rx->taken += n;
	/* release: a successor of ours that sees this finds what we did about them */
	__atomic_store_n(rx->taken_word, rx->taken, __ATOMIC_RELEASE);
}

/**
 * plx_spsc_try_recv() - take one element if there is one.
 *
 * Wait-free. One look at a line for all elements in it; the sender is told once in a quarter of the ring.
 */
static plx_quick bool plx_spsc_try_recv(struct plx_spsc_receiver *rx, void *element)
{
	if (plx_unlikely(rx->left == 0) && !plx_spsc_more(rx))
		return false;
	plx_bytes_get(element, rx->at, rx->size);
	plx_spsc_release(rx, 1);
	return true;
}

/* Of cells that are full, as many as @n elements hold. Return: elements. */
static inline uint32_t plx_spsc_take_cells(struct plx_spsc_receiver *rx, unsigned char *to, uint32_t n)
{
	const uint32_t per = rx->per, size = rx->size;
	uint64_t cell = rx->cell + 1, first = cell, end = plx_spsc_known(rx, cell), most = n / per;

	end = end < cell + most ? end : cell + most;
	end = end < rx->ack ? end : rx->ack;
	for (; cell < end; cell++) {
		const unsigned char *at = plx_spsc_cell_at(rx, cell);

		__builtin_prefetch(plx_spsc_cell_at(rx, cell + PLX_SPSC_FLOW), 0, 3);
		plx_bytes_get(to, at + 8, (uint64_t)size * per);
		to += (uint64_t)per * size;
	}
	if (cell == first)
		return 0;    /* tail is told now and then: it may lie behind us */
	rx->cell = cell - 1; /* and got == per: we are at its end */
	rx->taken += (cell - first) * per;
	/* release: as in plx_spsc_release() */
	__atomic_store_n(rx->taken_word, rx->taken, __ATOMIC_RELEASE);
	return (uint32_t)(cell - first) * per;
}

/** plx_spsc_try_recv_many() - at most @n. Return: how many. */
static inline uint32_t plx_spsc_try_recv_many(struct plx_spsc_receiver *rx, void *elements, uint32_t n)
{
	unsigned char *to = (unsigned char *)elements;
	uint32_t done = 0;

	while (done < n) {
		uint32_t k;

		if (rx->left == 0 && rx->got == rx->per && n - done >= rx->per && rx->flow >= PLX_SPSC_FLOW) {
			k = plx_spsc_take_cells(rx, to, n - done);
			to += (uint64_t)k * rx->size;
			done += k;
			if (k > 0)
				continue;
		}
		if (rx->left == 0) {
			/* in a stream, what the sender writes just now is left to the next call */
			if ((done > 0 && rx->flow >= PLX_SPSC_FLOW && plx_spsc_written(rx)) ||
			    !plx_spsc_more(rx))
				break;
		}
		k = n - done < rx->left ? n - done : rx->left;
		plx_bytes_get(to, rx->at, (uint64_t)rx->size * k);
		to += (uint64_t)k * rx->size;
		plx_spsc_release(rx, k);
		done += k;
	}
	return done;
}

/**
 * plx_spsc_recv() - take one element; wait for it.
 *
 * Return: 0, -ETIMEDOUT (-EAGAIN when @timeout_ns is 0), -ESHUTDOWN (closed, and nothing is left), -EPIPE (the sender died,
 *         nothing is left, and nobody came in its place), -EINTR.
 */
static plx_quick int plx_spsc_recv(struct plx_spsc_receiver *rx, void *element, uint64_t timeout_ns)
{
	return plx_likely(plx_spsc_try_recv(rx, element)) ? 0 : plx_spsc_recv_wait(rx, element, timeout_ns);
}

/** plx_spsc_recv_many() - waits for one, takes at most @n; Return: how many, or the reason as above. */
int plx_spsc_recv_many(struct plx_spsc_receiver *rx, void *elements, uint32_t n,
		       uint64_t timeout_ns) plx_must_check;

/** plx_spsc_wait() - until there is something: plx_spsc_peek() will find it. Return: 0 or the reason as above. */
int plx_spsc_wait(struct plx_spsc_receiver *rx, uint64_t timeout_ns) plx_must_check;

/**
 * plx_spsc_arm() - before polling plx_end_fd(@rx->end): from now on the descriptor becomes readable.
 *
 * Return: true: sleep; false: there is something already, or the channel ended: look first.
 */
bool plx_spsc_arm(struct plx_spsc_receiver *rx);

PLX_END

#endif
