/*
 * workers_call.c - a message that is answered: the caller has room for one answer, which the worker writes.
 *
 *	asked ──worker──► being written ──worker──► answered
 *	  └───────caller gave up──────► (the next call's number)
 *
 * One word says which call and how far it is, so that an answer that comes late finds another number and is dropped. A worker
 * that died while it wrote has not answered: the message comes again, and its successor goes on.
 */
#include "work/work.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "base/sys.h"

#define SPIN     2000u /* looks: some 10 us */
#define SLICE_NS 1000000ull
#define ID_MASK  0x3fffffffu

void plx_work_message(const struct plx_work_map *map, struct plx_message *m, struct plx_work_head *head,
		      const struct plx_envelope *e, const void *payload)
{
	uint32_t lane = (uint32_t)(e->id >> 56) - 1, size;

	plx_copy_once(head, payload, sizeof(*head));
	size = e->length > sizeof(*head) ? e->length - (uint32_t)sizeof(*head) : 0;
	*m = (struct plx_message){
		.id = e->id,
		.time_ns = e->time_ns,
		.key = e->key,
		.data = (const unsigned char *)payload + sizeof(*head),
		.size = size < map->size ? size : map->size,
		.type = e->type,
		.slot = head->slot,
		.sender = lane / map->ways,
		.source = e->source,
		.priority = e->priority,
		.number = e->id & 0xffffffffffffffull,
		.call = head->caller ? (uint64_t)head->caller << 32 | head->call : 0,
	};
}

/* ---- the worker ------------------------------------------------------------------------------------- */

int plx_work_answer(const struct plx_work_map *map, uint64_t call, int32_t result, const void *data,
		    uint32_t size)
{
	uint32_t lane = (uint32_t)(call >> 32) - 1, id = (uint32_t)call, state;
	struct plx_work_reply *reply;

	if (call == 0 || lane >= map->senders)
		return -ENOENT;
	if (size > map->size)
		return -EMSGSIZE;
	reply = plx_work_reply(map, lane);
	state = id << 2 | PLX_REPLY_ASKED;
	/* a predecessor of ours that died may have begun; nobody else has this message */
	if (!__atomic_compare_exchange_n(&reply->state, &state, id << 2 | PLX_REPLY_WRITING, false,
					 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED) &&
	    state != (id << 2 | PLX_REPLY_WRITING))
		return 0; /* it has been answered, or the caller gave up */
	plx_write_once(&reply->result, result);
	plx_write_once(&reply->size, size);
	if (size)
		memcpy(reply + 1, data, size);
	/* RE1 seq_cst: pairs with RE2, the answer is there; and before the look at who sleeps, RE3 */
	__atomic_store_n(&reply->state, id << 2 | PLX_REPLY_ANSWERED, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&reply->asleep, __ATOMIC_SEQ_CST))
		plx_futex_wake(&reply->state, 1);
	return 0;
}

int plx_worker_reply(struct plx_worker *w, const struct plx_message *m, const void *data, uint32_t size)
{
	return plx_work_answer(w->map, m->call, 0, data, size);
}

/* ---- the caller ------------------------------------------------------------------------------------- */

static bool answered(const struct plx_work_reply *reply, uint32_t id)
{
	/* RE2 acquire: pairs with RE1 */
	return __atomic_load_n(&reply->state, __ATOMIC_ACQUIRE) == (id << 2 | PLX_REPLY_ANSWERED);
}

/* Looking helps when the worker is awake on another processor; where it never does it becomes short. */
static bool spin(struct plx_sender *s, const struct plx_work_reply *reply, uint32_t id)
{
	for (uint32_t i = 0; i < s->spin; i++) {
		if (answered(reply, id)) {
			s->spin = SPIN;
			return true;
		}
		plx_relax();
	}
	plx_sys_yield(); /* it may want this processor */
	s->spin = s->calls % 64 == 0 ? SPIN : s->spin / 2;
	return answered(reply, id);
}

/* Nobody shall answer any more; false when somebody is just doing it. */
static bool give_up(struct plx_work_reply *reply, uint32_t id)
{
	uint32_t asked = id << 2 | PLX_REPLY_ASKED;

	return __atomic_compare_exchange_n(&reply->state, &asked,
					   ((id + 1) & ID_MASK) << 2 | PLX_REPLY_ANSWERED, false,
					   __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static int wait_for_answer(struct plx_sender *s, struct plx_work_reply *reply, uint32_t id, uint64_t end_ns)
{
	int ret = 0;

	if (spin(s, reply, id))
		return 0;
	/* RE3 seq_cst: before the look at the state; pairs with the store and the look of who answers */
	__atomic_store_n(&reply->asleep, 1, __ATOMIC_SEQ_CST);
	while (!answered(reply, id)) {
		uint32_t state = __atomic_load_n(&reply->state, __ATOMIC_SEQ_CST);
		uint64_t now_ns, slice = UINT64_MAX;

		if (state == (id << 2 | PLX_REPLY_ANSWERED))
			break;
		now_ns = end_ns == UINT64_MAX && !s->owner ? 0 : plx_now_ns();
		if (now_ns >= end_ns && give_up(reply, id)) {
			s->calls = (id + 1) & ID_MASK;
			ret = -ETIMEDOUT;
			break;
		}
		if (end_ns != UINT64_MAX)
			slice = end_ns > now_ns ? end_ns - now_ns : SLICE_NS;
		if (s->owner && slice > SLICE_NS)
			slice = SLICE_NS;
		if (plx_futex_wait(&reply->state, state, slice) == -EINTR && give_up(reply, id)) {
			s->calls = (id + 1) & ID_MASK;
			ret = -EINTR;
			break;
		}
		ret = s->owner && !answered(reply, id) ? plx_workers_step(s->owner, 0) : 0;
		if (ret < 0 && give_up(reply, id)) {
			s->calls = (id + 1) & ID_MASK;
			break;
		}
		ret = 0;
	}
	plx_write_once(&reply->asleep, 0);
	return ret;
}

int plx_sender_call(struct plx_sender *s, uint64_t key, uint32_t type, const void *data, uint32_t size,
		    void *to, uint32_t *to_size, uint64_t timeout_ns)
{
	struct plx_work_reply *reply = plx_work_reply(s->map, s->seat.number);
	struct plx_work_letter l = { .key = key,
				     .data = data,
				     .size = size,
				     .call = s->calls = (s->calls + 1) & ID_MASK,
				     .type = (uint16_t)type,
				     .caller = (uint8_t)(s->seat.number + 1) };
	uint32_t room = to_size ? *to_size : 0, got;
	int ret;

	if (size > s->map->size)
		return -EMSGSIZE;
	if (type > UINT16_MAX)
		return -EINVAL;
	__atomic_store_n(&reply->state, l.call << 2 | PLX_REPLY_ASKED, __ATOMIC_RELEASE);
	ret = plx_work_send(s, &l, timeout_ns);
	if (ret == 0)
		ret = wait_for_answer(s, reply, l.call, plx_work_deadline(timeout_ns));
	if (ret < 0)
		return ret;
	if (to_size) {
		got = plx_read_once(&reply->size);
		*to_size = got < s->map->size ? got : s->map->size;
		memcpy(to, reply + 1, *to_size < room ? *to_size : room);
	}
	return plx_read_once(&reply->result);
}
