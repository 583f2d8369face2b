/*
 * workers_send.c - from a key to the inbox of its owner.
 *
 * A slot may be on its way to another owner at any moment. A sender's word is odd while it is between looking the owner up
 * and having sent; who moves slots changes the owner first, then waits until each word has been even or has changed, and
 * then knows that nothing more will come to the old owner. The sender pays for no fence: the other side asks the kernel.
 */
#include "work/work.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "base/mutant.h"
#include "base/sys.h"
#include "chan/seat.h"
#include "chan/wait.h"

#define FRESH    64u        /* messages of a lane between two looks at the clock */
#define SLICE_NS 2000000ull /* the supervisor's own sends look after the workers meanwhile */
#define LOOK_NS  100000000ull

/* ---- the bracket ---------------------------------------------------------------------------------- */

static void go_in(struct plx_sender *s)
{
	uint64_t inside = s->bracket->inside | 1;

	if (plx_mutant(MUT_WORK_NO_BRACKET))
		return;
	if (plx_unlikely(s->dear)) {
		__atomic_exchange_n(&s->bracket->inside, inside, __ATOMIC_SEQ_CST);
		return;
	}
	/* relaxed, and the near half of a fence; the far half is in workers_scale.c */
	plx_write_once(&s->bracket->inside, inside);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static void go_out(struct plx_sender *s)
{
	/* BR1 release: pairs with BR2; what was sent inside is seen */
	__atomic_store_n(&s->bracket->inside, (s->bracket->inside | 1) + 1, __ATOMIC_RELEASE);
}

/* ---- lanes ---------------------------------------------------------------------------------------- */

static int open_lane(struct plx_sender *s, uint32_t worker)
{
	struct plx_post_sender *tx = &s->lane[worker];
	struct plx_channel *c = plx_work_inbox(s->map, worker);
	uint32_t number = s->seat.number;
	struct plx_geometry g, seats;
	int ret;

	if (tx->end.channel)
		return 0;
	ret = plx_geometry_read(&g, c, s->map->inbox_bytes);
	seats = g;
	/* a worker's lane is its own, and its successor goes on in it: as in a channel of one sender it need not be empty */
	if (number >= s->map->external)
		seats.kind = PLX_CHANNEL_SPSC;
	if (ret == 0)
		ret = plx_seat_take(&tx->end, c, &seats, true, number, number + 1, s->source);
	if (ret == 0) {
		plx_post_ways(tx, c, &g, number);
		plx_post_stamp(tx);
		__atomic_fetch_or(&c->lanes_used, 1ull << number, __ATOMIC_SEQ_CST);
	}
	return ret;
}

static struct plx_post_way *way_of(struct plx_sender *s, uint32_t worker, uint8_t priority)
{
	return &s->lane[worker].way[priority & (s->map->ways - 1)];
}

/* Into the lane of @worker; false: no room. Inside the bracket. */
static bool put(struct plx_sender *s, uint32_t worker, const struct plx_work_letter *l)
{
	struct plx_post_sender *tx = &s->lane[worker];
	struct plx_post_way *way = way_of(s, worker, l->priority);
	struct plx_work_head *head;

	if (plx_unlikely(!tx->end.channel) && open_lane(s, worker) < 0)
		return false;
	head = plx_post_reserve_on(tx, way);
	if (plx_unlikely(!head))
		return false;
	/* now and then, and when its receiver has to be woken, which is dear anyway: who sends seldom sends to sleepers */
	if (plx_unlikely(way->next % FRESH == 0 || plx_read_once(tx->attention) != 0))
		plx_post_stamp(tx);
	*head = (struct plx_work_head){
		.slot = l->slot, .caller = l->caller, .flags = l->flags, .call = l->call
	};
	if (l->size)
		memcpy(head + 1, l->data, l->size);
	plx_post_commit_on(tx, way, l->type, l->priority, l->key, (uint16_t)(sizeof(*head) + l->size));
	return true;
}

/* ---- who ------------------------------------------------------------------------------------------ */

static bool takes_messages(const struct plx_sender *s, uint32_t worker)
{
	return worker < s->map->most && plx_read_once(&s->map->lines[worker].in_use);
}

/* What we have before each worker: what they have not taken of ours; who takes nothing is full. */
static uint32_t least_loaded(struct plx_sender *s)
{
	uint64_t loads[PLX_WORKERS_MAX];
	uint32_t who[PLX_WORKERS_MAX], n = 0;

	for (uint32_t i = 0; i < s->map->most; i++) {
		if (!takes_messages(s, i))
			continue;
		loads[n] = 0;
		for (uint32_t way = 0; way < s->map->ways; way++) {
			struct plx_lane *lane = plx_work_lane(s->map, i, s->seat.number * s->map->ways + way);

			loads[n] += plx_lane_sent(&s->map->inbox_geometry, lane) -
				    plx_read_once(&lane->taken);
		}
		who[n++] = i;
	}
	s->chance = plx_key_u64(s->chance, 1);
	return n ? who[plx_least_of_two(loads, n, s->chance)] : PLX_PARTITION_NOBODY;
}

static uint32_t next_in_turn(struct plx_sender *s)
{
	for (uint32_t i = 0; i < s->map->most; i++)
		if (takes_messages(s, plx_turn(&s->turn, s->map->most)))
			return s->turn;
	return PLX_PARTITION_NOBODY;
}

static uint32_t owner_of(struct plx_sender *s, uint64_t key, uint16_t *slot)
{
	switch (s->partition.kind) {
	case PLX_PARTITION_TURN: *slot = PLX_WORK_NO_SLOT; return next_in_turn(s);
	case PLX_PARTITION_LEAST: *slot = PLX_WORK_NO_SLOT; return least_loaded(s);
	default: break;
	}
	*slot = (uint16_t)plx_partition_slot(&s->partition, key);
	/* HO3 acquire: pairs with the stores of a handover; the receiver of what we send sees that the slot is held */
	return __atomic_load_n(&s->partition.owner[*slot], __ATOMIC_ACQUIRE);
}

uint32_t plx_work_recipient(const struct plx_sender *s, uint64_t key)
{
	uint32_t only = PLX_PARTITION_NOBODY;

	if (s->partition.kind != PLX_PARTITION_TURN && s->partition.kind != PLX_PARTITION_LEAST)
		return plx_partition_owner(&s->partition, plx_partition_slot(&s->partition, key));
	for (uint32_t i = 0; i < s->map->most; i++) {
		if (!takes_messages(s, i))
			continue;
		if (only != PLX_PARTITION_NOBODY)
			return PLX_PARTITION_NOBODY;
		only = i;
	}
	return only;
}

/* ---- waiting for room ----------------------------------------------------------------------------- */

static int wait_for_room(struct plx_sender *s, uint32_t worker, uint8_t priority, uint64_t end_ns)
{
	struct plx_post_sender *tx = &s->lane[worker];
	uint64_t now_ns = plx_now_ns(), slice = s->owner ? SLICE_NS : LOOK_NS;
	int ret;

	if (now_ns >= end_ns)
		return -ETIMEDOUT;
	if (s->seat.number == s->map->external + worker && !plx_mutant(MUT_WORK_SENDS_TO_ITSELF))
		return -EDEADLK; /* a worker to itself: who should make room? */
	if (s->owner) {
		ret = plx_workers_step(s->owner, 0);
		if (ret < 0)
			return ret;
	}
	if (end_ns - now_ns < slice)
		slice = end_ns - now_ns;
	if (!tx->end.channel) { /* its lane is not free yet: a predecessor's messages are in it */
		(void)!plx_futex_wait(&s->map->hdr->bell, plx_read_once(&s->map->hdr->bell), 1000000);
		return 0;
	}
	ret = plx_post_wait_room(tx, priority & (s->map->ways - 1), slice);
	return ret == -ETIMEDOUT || ret == -EAGAIN ? 0 : ret;
}

static int try_once(struct plx_sender *s, uint32_t *worker, bool choose, struct plx_work_letter *l)
{
	int ret = -EAGAIN;

	go_in(s);
	if (plx_unlikely(plx_read_once(&s->map->hdr->closing)) && s->seat.number < s->map->external)
		ret = -ESHUTDOWN;
	else if (!choose && !takes_messages(s, *worker)) /* it may have gone while we waited */
		ret = -ENOENT;
	else if (choose && (*worker = owner_of(s, l->key, &l->slot)) >= s->map->most)
		ret = -ENOENT;
	else if (put(s, *worker, l))
		ret = 0;
	go_out(s);
	return ret;
}

static int send_until(struct plx_sender *s, uint32_t worker, bool choose, struct plx_work_letter *l,
		      uint64_t timeout_ns)
{
	uint64_t end_ns = 0;
	int ret;

	for (;;) {
		ret = try_once(s, &worker, choose, l);
		if (plx_likely(ret == 0)) {
			plx_write_once(&s->bracket->sent, s->bracket->sent + 1);
			return 0;
		}
		if (ret != -EAGAIN || timeout_ns == 0)
			return ret;
		if (end_ns == 0)
			end_ns = plx_work_deadline(timeout_ns);
		ret = wait_for_room(s, worker, l->priority, end_ns);
		if (ret < 0)
			return ret;
	}
}

/* May it be sent? Its slot is filled in as if it had none. */
static inline int write_letter(const struct plx_sender *s, struct plx_work_letter *l, uint8_t priority,
			       uint64_t key, uint32_t type, const void *data, uint32_t size)
{
	if (plx_unlikely(size > s->map->size))
		return -EMSGSIZE;
	if (plx_unlikely(type > UINT16_MAX || (priority > 0 && priority >= s->map->ways)))
		return -EINVAL;
	*l = (struct plx_work_letter){ .key = key,
				       .data = data,
				       .size = size,
				       .type = (uint16_t)type,
				       .slot = PLX_WORK_NO_SLOT,
				       .priority = priority };
	return 0;
}

int plx_work_send(struct plx_sender *s, struct plx_work_letter *l, uint64_t timeout_ns)
{
	return send_until(s, 0, true, l, timeout_ns);
}

/* ---- public --------------------------------------------------------------------------------------- */

int plx_sender_send_priority(struct plx_sender *s, uint8_t priority, uint64_t key, uint32_t type,
			     const void *data, uint32_t size, uint64_t timeout_ns)
{
	struct plx_work_letter l;
	int ret = write_letter(s, &l, priority, key, type, data, size);

	return plx_likely(ret == 0) ? send_until(s, 0, true, &l, timeout_ns) : ret;
}

int plx_sender_send(struct plx_sender *s, uint64_t key, uint32_t type, const void *data, uint32_t size,
		    uint64_t timeout_ns)
{
	return plx_sender_send_priority(s, 0, key, type, data, size, timeout_ns);
}

int plx_sender_send_bytes(struct plx_sender *s, const void *key, size_t key_size, uint32_t type,
			  const void *data, uint32_t size, uint64_t timeout_ns)
{
	const struct plx_partition *p = &s->partition;
	uint64_t hash;

	if (p->kind == PLX_PARTITION_RANGE) { /* as memcmp() sorts */
		uint8_t head[8] = { 0 };

		if (key_size)
			memcpy(head, key, key_size < 8 ? key_size : 8);
		memcpy(&hash, head, 8);
		hash = __builtin_bswap64(hash);
	} else {
		hash = p->hash == PLX_PARTITION_HOSTILE ? plx_key_hostile(key, key_size, p->secret)
							: plx_key_bytes(key, key_size, p->seed);
	}
	return plx_sender_send_priority(s, 0, hash, type, data, size, timeout_ns);
}

int plx_sender_send_to(struct plx_sender *s, uint32_t worker, uint64_t key, uint32_t type, const void *data,
		       uint32_t size, uint64_t timeout_ns)
{
	struct plx_work_letter l;
	int ret = write_letter(s, &l, 0, key, type, data, size);

	return ret == 0 ? send_until(s, worker, false, &l, timeout_ns) : ret;
}

static bool has_room(struct plx_sender *s, uint32_t worker, uint8_t priority)
{
	return open_lane(s, worker) == 0 &&
	       plx_post_reserve_on(&s->lane[worker], way_of(s, worker, priority));
}

/* Is there room at all of them? *@full is one where there is none. */
static bool room_everywhere(struct plx_sender *s, uint32_t *full)
{
	for (uint32_t i = 0; i < s->map->most; i++) {
		if (!takes_messages(s, i))
			continue;
		*full = i;
		if (!has_room(s, i, 0))
			return false;
	}
	return true;
}

int plx_sender_broadcast(struct plx_sender *s, uint64_t key, uint32_t type, const void *data, uint32_t size,
			 uint64_t timeout_ns)
{
	uint64_t end_ns = plx_work_deadline(timeout_ns);
	struct plx_work_letter l;
	uint32_t full = 0;
	int count = 0, ret = write_letter(s, &l, 0, key, type, data, size);

	if (ret < 0)
		return ret;
	for (;;) {
		go_in(s);
		if (plx_read_once(&s->map->hdr->closing)) {
			go_out(s);
			return -ESHUTDOWN;
		}
		if (room_everywhere(s, &full))
			break;
		go_out(s);
		ret = timeout_ns ? wait_for_room(s, full, 0, end_ns) : -EAGAIN;
		if (ret < 0)
			return ret;
	}
	for (uint32_t i = 0; i < s->map->most; i++)
		if (takes_messages(s, i))
			count += put(s, i, &l);
	go_out(s);
	plx_write_once(&s->bracket->sent, s->bracket->sent + (uint64_t)count);
	return count ? count : -ENOENT;
}

int plx_work_put(struct plx_sender *s, const struct plx_work_entry *e, const void *data,
		 struct plx_work_outbox *box)
{
	struct plx_work_letter l = {
		.key = e->key, .data = data, .size = e->size, .type = e->type, .priority = e->priority & 3
	};
	int ret = -ENOENT;
	uint32_t to;

	go_in(s);
	to = owner_of(s, e->key, &l.slot);
	if (to < s->map->most)
		ret = has_room(s, to, l.priority) ? 0 : -EAGAIN;
	if (ret == 0) {
		plx_write_once(&box->to, to);
		plx_write_once(&box->pos, way_of(s, to, l.priority)->next);
		plx_work_barrier();
		plx_write_once(&box->pending, box->sent + 1);
		plx_work_barrier();
		ret = put(s, to, &l) ? 0 : -EAGAIN;
	}
	go_out(s);
	return ret;
}

int plx_work_forward(struct plx_sender *s, const struct plx_message *m, const struct plx_work_head *head)
{
	struct plx_work_letter l = { .key = m->key,
				     .data = m->data,
				     .size = m->size,
				     .call = head->call,
				     .type = (uint16_t)m->type,
				     .slot = head->slot,
				     .priority = m->priority,
				     .caller = head->caller,
				     .flags = PLX_WORK_AHEAD };
	uint32_t to = m->slot < PLX_PARTITION_SLOTS ? plx_partition_owner(&s->partition, m->slot)
						    : next_in_turn(s);

	if (to >= s->map->most || !takes_messages(s, to))
		return -ENOENT;
	return put(s, to, &l) ? 0 : -EAGAIN;
}

/* ---- becoming one --------------------------------------------------------------------------------- */

/* Take a seat in the registry: from @from to before @to. */
static int open_sender(struct plx_sender **out, struct plx_work_map *map, uint32_t from, uint32_t to)
{
	struct plx_sender *s = calloc(1, sizeof(*s));
	struct plx_geometry g;
	int ret;

	*out = NULL;
	if (!s)
		return -ENOMEM;
	s->map = map;
	s->partition = map->partition;
	s->source = (uint32_t)plx_sys_pid();
	s->dear = !(plx_sys_barriers() & PLX_SYS_BARRIER_GLOBAL);
	ret = plx_geometry_read(&g, map->registry, map->registry_bytes);
	if (ret == 0)
		ret = plx_seat_take(&s->seat, map->registry, &g, true, from, to, 0);
	if (ret == 0 && from == 0 && plx_read_once(&map->hdr->closing)) {
		plx_seat_leave(&s->seat);
		ret = -ESHUTDOWN;
	}
	if (ret < 0) {
		free(s);
		return ret;
	}
	s->bracket = &map->brackets[s->seat.number];
	s->calls = plx_read_once(&plx_work_reply(map, s->seat.number)->state) >>
		   2; /* of who sat here before */
	s->chance = plx_now_ns();
	s->turn = (uint32_t)plx_key_u64(s->chance, 2) % map->most; /* not all begin with the same worker */
	*out = s;
	return 0;
}

int plx_sender_open(struct plx_sender **out, struct plx_workers *w)
{
	int ret = open_sender(out, &w->map, 0, w->map.external);

	/* the thread that opened the pool looks after the workers while it waits */
	if (ret == 0 && w->owner_thread == plx_sys_tid())
		(*out)->owner = w;
	return ret;
}

int plx_work_forwarder(struct plx_workers *w)
{
	uint32_t seat = w->map.external + w->map.most;

	return w->forward ? 0 : open_sender(&w->forward, &w->map, seat, seat + 1);
}

void plx_sender_stamp(struct plx_sender *s)
{
	for (uint32_t i = 0; i < s->map->most; i++)
		if (s->lane[i].end.channel)
			plx_post_stamp(&s->lane[i]);
}

struct plx_sender *plx_worker_sender(struct plx_worker *w)
{
	uint32_t seat = w->map->external + w->number;

	if (!w->sender && open_sender(&w->sender, w->map, seat, seat + 1) < 0)
		return NULL;
	return w->sender;
}

void plx_sender_close(struct plx_sender *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; i < PLX_WORKERS_MAX; i++)
		plx_post_sender_leave(&s->lane[i]);
	plx_seat_leave(&s->seat);
	free(s);
}
