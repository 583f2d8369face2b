/* ring.h - a channel from one sender to one receiver for many at a time: elements one after another, published by one store. */
#ifndef PLX_RING_H
#define PLX_RING_H

#include <plx/spsc.h>

/*
 * Elements lie one after another, nothing between them; two numbers say which are there. So many elements become visible by one
 * store (plx_ring_put() as often as you like, then plx_ring_publish()): all of them or, when the sender dies before, none.
 * The best for batches, and for elements of whole lines; for one at a time, plx/spsc.h is faster.
 */
struct plx_ring_sender {
	unsigned char *elements;
	uint64_t next; /* where the next one goes */
	uint64_t sent; /* published: those before it */
	uint64_t seen; /* the receiver is done with those before, as we last saw */
	uint64_t mask;
	uint32_t size;
	uint64_t *tail;
	const uint64_t *head;
	const uint64_t *attention;
	struct plx_end end;
};

struct plx_ring_receiver {
	const unsigned char *elements;
	uint64_t next;
	uint64_t known; /* published, as we last saw */
	uint64_t ack;   /* the next one at which the sender is told */
	uint64_t every;
	uint64_t mask;
	uint32_t size;
	uint64_t *taken_word;
	uint64_t *head;
	const uint64_t *tail;
	const uint64_t *attention;
	struct plx_end end;
};

PLX_BEGIN

/** As plx_spsc_sender_open() and so on; what was put and not published by a predecessor was never sent. */
int plx_ring_sender_open(struct plx_ring_sender *tx, void *at, uint64_t room, uint32_t source) plx_must_check;
int plx_ring_receiver_open(struct plx_ring_receiver *rx, void *at, uint64_t room) plx_must_check;
void plx_ring_sender_leave(struct plx_ring_sender *tx);
void plx_ring_sender_close(struct plx_ring_sender *tx);
void plx_ring_receiver_leave(struct plx_ring_receiver *rx);
void plx_ring_receiver_close(struct plx_ring_receiver *rx);

/* Out of line. */
plx_cold void plx_ring_attend(struct plx_ring_sender *tx);
plx_cold bool plx_ring_full(struct plx_ring_sender *tx, uint64_t n);
/* Take the lines of the piece that begins @at bytes from the ring's first; @written bytes are not yet counted in tx->next. */
void plx_ring_piece(const struct plx_ring_sender *tx, uint64_t at, uint64_t written);
plx_cold void plx_ring_wake_sender(struct plx_ring_receiver *rx);

/* ---- sending ------------------------------------------------------------------------------------------ */

#define PLX_RING_PIECE ((uint64_t)PLX_LINES_TAKEN * PLX_LINE) /* bytes whose lines are taken at once */

/** plx_ring_put() - write an element behind those that are there; nobody sees it. Return: false when there is no room. */
static plx_quick bool plx_ring_put(struct plx_ring_sender *tx, const void *element)
{
	uint64_t at = (tx->next & tx->mask) * tx->size, after = at + tx->size;

	/* cached; RG4 acquire in plx_ring_full() */
	if (plx_unlikely(tx->next - tx->seen > tx->mask) && !plx_ring_full(tx, 1))
		return false;
	plx_bytes_put(tx->elements + at, element, tx->size);
	tx->next++;
	/* a piece ends in it: the lines of the next one */
	if (plx_unlikely((at ^ after) >= PLX_RING_PIECE))
		plx_ring_piece(tx, (after + PLX_RING_PIECE - 1) & ~(PLX_RING_PIECE - 1), 0);
	return true;
}

/** plx_ring_publish() - send all that was put: one store. */
static plx_quick void plx_ring_publish(struct plx_ring_sender *tx)
{
	tx->sent = tx->next;
	/* RG1 release: pairs with RG2; who sees the number sees the elements */
	__atomic_store_n(tx->tail, tx->next, __ATOMIC_RELEASE);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (plx_unlikely(__atomic_load_n(tx->attention, __ATOMIC_RELAXED) != 0))
		plx_ring_attend(tx);
}

/** plx_ring_forget() - what was put and not published was never there. */
static inline void plx_ring_forget(struct plx_ring_sender *tx)
{
	tx->next = tx->sent;
}

/** plx_ring_try_send() - put one, publish all. Wait-free. Return: false when there is no room, or the channel is closed. */
static plx_quick bool plx_ring_try_send(struct plx_ring_sender *tx, const void *element)
{
	if (!plx_ring_put(tx, element))
		return false;
	plx_ring_publish(tx);
	return true;
}

/**
 * plx_ring_reserve() - room for at most *@n elements, to be written in place, behind those that were put.
 * @n: set to how many fit there, one after another
 *
 * Return: where, or NULL: no room.
 */
static inline void *plx_ring_reserve(struct plx_ring_sender *tx, uint32_t *n)
{
	uint64_t free = tx->mask + 1 - (tx->next - tx->seen), run = tx->mask + 1 - (tx->next & tx->mask);

	if (plx_unlikely(free < *n)) {
		if (!plx_ring_full(tx, *n) && tx->next - tx->seen > tx->mask)
			return NULL;
		free = tx->mask + 1 - (tx->next - tx->seen);
	}
	run = run < free ? run : free;
	*n = run < *n ? (uint32_t)run : *n;
	return tx->elements + (tx->next & tx->mask) * tx->size;
}

/** plx_ring_keep() - the first @n of them are put; plx_ring_publish() sends them. */
static inline void plx_ring_keep(struct plx_ring_sender *tx, uint32_t n)
{
	tx->next += n;
}

/** plx_ring_commit() - the first @n of them are put, and all is published. */
static inline void plx_ring_commit(struct plx_ring_sender *tx, uint32_t n)
{
	tx->next += n;
	plx_ring_publish(tx);
}

/* So many bytes to the ring, in pieces whose lines are taken before. */
static inline void plx_ring_copy(struct plx_ring_sender *tx, const unsigned char *from, uint64_t bytes)
{
	uint64_t at = (tx->next & tx->mask) * tx->size, written = 0;

	while (written < bytes) {
		uint64_t piece = PLX_RING_PIECE - (at & (PLX_RING_PIECE - 1));

		piece = piece < bytes - written ? piece : bytes - written;
		/* it may have been written just now */
		plx_words_copy(tx->elements + at, from + written, (uint32_t)piece);
		at += piece;
		written += piece;
		if ((at & (PLX_RING_PIECE - 1)) == 0)
			plx_ring_piece(tx, at, written);
	}
}

/** plx_ring_put_many(), plx_ring_try_send_many() - as many as there is room for. Return: how many. */
static inline uint32_t plx_ring_put_many(struct plx_ring_sender *tx, const void *elements, uint32_t n)
{
	const unsigned char *from = (const unsigned char *)elements;
	uint32_t done = 0;

	while (done < n) {
		uint32_t k = n - done;
		void *to = plx_ring_reserve(tx, &k);

		if (!to)
			break;
		if ((uint64_t)k * tx->size <= 8 * PLX_RING_PIECE)
			plx_ring_copy(tx, from, (uint64_t)k * tx->size);
		else
			memcpy(to, from, (uint64_t)k * tx->size);
		from += (uint64_t)k * tx->size;
		tx->next += k;
		done += k;
	}
	return done;
}

static inline uint32_t plx_ring_try_send_many(struct plx_ring_sender *tx, const void *elements, uint32_t n)
{
	uint32_t done = plx_ring_put_many(tx, elements, n);

	plx_ring_publish(tx);
	return done;
}

int plx_ring_send_wait(struct plx_ring_sender *tx, const void *element, uint64_t timeout_ns) plx_must_check;
int plx_ring_recv_wait(struct plx_ring_receiver *rx, void *element, uint64_t timeout_ns) plx_must_check;

/** plx_ring_send() - put one, publish all; waits for room. What was put before is published before it waits. */
static plx_quick int plx_ring_send(struct plx_ring_sender *tx, const void *element, uint64_t timeout_ns)
{
	return plx_likely(plx_ring_try_send(tx, element)) ? 0 : plx_ring_send_wait(tx, element, timeout_ns);
}

/** plx_ring_send_many() - all @n; Return: how many were sent, or when none, the reason: as plx_spsc_send(). */
int plx_ring_send_many(struct plx_ring_sender *tx, const void *elements, uint32_t n,
		       uint64_t timeout_ns) plx_must_check;

/* ---- receiving ---------------------------------------------------------------------------------------- */

static plx_quick void plx_ring_tell(struct plx_ring_receiver *rx)
{
	rx->ack = rx->next + rx->every;
	/* RG3 release: pairs with RG4; we are done with their bytes */
	__atomic_store_n(rx->head, rx->next, __ATOMIC_RELEASE);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (plx_unlikely(__atomic_load_n(rx->attention, __ATOMIC_RELAXED) != 0))
		plx_ring_wake_sender(rx);
}

/**
 * plx_ring_peek() - elements that are there, where they are.
 * @n: set to how many, one after another: to the end of the ring
 *
 * Return: the first, or NULL.
 */
static plx_quick const void *plx_ring_peek(struct plx_ring_receiver *rx, uint32_t *n)
{
	uint64_t there, run = rx->mask + 1 - (rx->next & rx->mask);

	if (rx->known == rx->next) {
		/* RG2 acquire: pairs with RG1 */
		rx->known = __atomic_load_n(rx->tail, __ATOMIC_ACQUIRE);
		if (rx->known == rx->next)
			return NULL;
	}
	there = rx->known - rx->next;
	*n = (uint32_t)(there < run ? there : run);
	return rx->elements + (rx->next & rx->mask) * rx->size;
}

/** plx_ring_release() - done with the first @n of them. */
static plx_quick void plx_ring_release(struct plx_ring_receiver *rx, uint32_t n)
{
	rx->next += n;
	/* release: a successor of ours that sees this finds what we did about them */
	__atomic_store_n(rx->taken_word, rx->next, __ATOMIC_RELEASE);
	if (plx_unlikely((int64_t)(rx->next - rx->ack) >= 0))
		plx_ring_tell(rx);
}

/** plx_ring_try_recv() - take one element if there is one. Wait-free. */
static plx_quick bool plx_ring_try_recv(struct plx_ring_receiver *rx, void *element)
{
	uint32_t n;
	const void *from = plx_ring_peek(rx, &n);

	if (plx_unlikely(!from))
		return false;
	plx_bytes_get(element, from, rx->size);
	plx_ring_release(rx, 1);
	return true;
}

/** plx_ring_try_recv_many() - at most @n. Return: how many. */
static inline uint32_t plx_ring_try_recv_many(struct plx_ring_receiver *rx, void *elements, uint32_t n)
{
	unsigned char *to = (unsigned char *)elements;
	uint32_t done = 0, k;
	const void *from;

	while (done < n && (from = plx_ring_peek(rx, &k)) != NULL) {
		k = k < n - done ? k : n - done;
		memcpy(to, from, (uint64_t)k * rx->size);
		to += (uint64_t)k * rx->size;
		plx_ring_release(rx, k);
		done += k;
	}
	return done;
}

/** plx_ring_recv() - waiting for it. Return: as plx_spsc_recv(). */
static plx_quick int plx_ring_recv(struct plx_ring_receiver *rx, void *element, uint64_t timeout_ns)
{
	return plx_likely(plx_ring_try_recv(rx, element)) ? 0 : plx_ring_recv_wait(rx, element, timeout_ns);
}

/** Waits for one, takes at most @n. Return: how many, or the reason. */
int plx_ring_recv_many(struct plx_ring_receiver *rx, void *elements, uint32_t n,
		       uint64_t timeout_ns) plx_must_check;
/** plx_ring_wait() - until there is something. Return: 0 or the reason. */
int plx_ring_wait(struct plx_ring_receiver *rx, uint64_t timeout_ns) plx_must_check;
/** plx_ring_arm() - before polling plx_end_fd(&rx->end): see plx_spsc_arm(). */
bool plx_ring_arm(struct plx_ring_receiver *rx);

PLX_END

#endif
