/*
 * queue.c - growing the stack of redexes, and giving from its bottom.
 *
 * What lies below the low-water mark has not been touched since the last look: it is old, so it is large, and nobody
 * here is about to get to it. A sequential program keeps nothing there and so never gives, and never wakes anybody.
 * Of those that have all they need every other one goes, the oldest first: in a recursion that halves, that is a good half.
 */
#include <errno.h>
#include <string.h>

#include "reducer/net/mail.h"
#include "reducer/net/queue.h"
#include "reducer/net/quiesce.h"
#include "reducer/net/settle.h"

#define QUEUE_LOOK      32u     /* oldest redexes looked at, at most */
#define QUEUE_STARVING  4u      /* looks without anything ready, until what is nearly ready is given */
#define QUEUE_STARVED   64u     /* ... until anything is given */
#define QUEUE_LONG      100000u /* interactions: who has had enough for so long is not hungry soon */
#define QUEUE_BOLD      4096u   /* interactions without putting anything off, at first */
#define QUEUE_STEP      32u     /* redexes noted at a time, at most: see ARENA_TOP */
#define QUEUE_ARGUMENTS 8u
#define QUEUE_NODES     16u /* nodes of arguments looked at */

static void queue_shift_down(struct worker *w)
{
	const size_t bytes = (size_t)((char *)w->hot.top - (char *)w->bottom);
	const ptrdiff_t by = w->bottom - w->redexes;

	memmove(w->redexes, w->bottom, bytes);
	w->bottom -= by;
	w->hot.top -= by;
	w->floor -= by;
	w->low -= by;
	w->mark -= w->mark ? by : 0;
	w->recommit = true; /* before anything grows over where they were */
}

int queue_room(struct worker *w, uint64_t redexes)
{
	uint64_t used, need;
	int64_t grown;

	if (w->hot.top + redexes <= w->limit)
		return 0;
	if (w->bottom - w->redexes > w->hot.top - w->bottom)
		queue_shift_down(w);
	if (w->hot.top + redexes <= w->limit)
		return 0;
	used = (uint64_t)(w->hot.top - w->redexes) + redexes + QUEUE_SLACK;
	need = used > w->now.redex_end ? (used - w->now.redex_end) * sizeof(struct pair) : 0;
	if (need) {
		grown = arena_grow(w->arena, w->me, arena_redexes_off(w->arena, w->me),
				   w->now.redex_end * sizeof(struct pair), need,
				   arena_redexes_room(w->arena));
		if (grown < 0)
			return (int)grown;
		w->now.redex_end = (uint64_t)grown / sizeof(struct pair);
	}
	w->limit = w->redexes + w->now.redex_end - QUEUE_SLACK;
	return 0;
}

/* ---- what a redex needs --------------------------------------------------------------------------- */

/*
 * A call as compilers make them, @f ~ (argument (argument ... result)): along the right ports of its CON nodes, the left
 * ports are arguments, and what comes last is where the result goes. Nothing but the choice of what to do first depends on
 * programs keeping to that.
 */
struct call {
	port argument[QUEUE_ARGUMENTS];
	uint32_t arguments;
	port result;
};

/* What is known about the arguments of a call. */
struct needs {
	bool late; /* something comes from what was given away or put off */
	bool open; /* something is not there yet: an end of a wire whose other end is not in the arguments */
	bool last_open; /* the same, but only the whole last argument: may also be a part of the result */
};

/* Does a reference meet a node? */
static bool queue_is_call(const struct pair *redex)
{
	return (port_tag(redex->a) == TAG_REF && port_is_node(redex->b)) ||
	       (port_tag(redex->b) == TAG_REF && port_is_node(redex->a));
}

static void queue_read_call(struct worker *w, const struct pair *redex, struct call *call)
{
	port p = port_tag(redex->a) == TAG_REF ? redex->b : redex->a;
	struct pair ports;

	call->arguments = 0;
	while (call->arguments < QUEUE_ARGUMENTS && port_head(p) == TAG_CON && settle_node(w, p, &ports)) {
		call->argument[call->arguments++] = ports.a;
		p = ports.b;
	}
	call->result = p;
	if (port_tag(p) == TAG_OPR)
		(void)settle_node(w, p, &ports);
}

/* Of a foreign variable we cannot know; what it leads to is mostly being computed. */
static bool queue_is_late(const struct worker *w, port var)
{
	return !cells_own_var(w, var) || *cells_var(&w->hot, var) == LINK_LATE;
}

/* Breadth first through the arguments, as far as QUEUE_NODES. */
static void queue_examine(struct worker *w, const struct call *call, struct needs *needs)
{
	port todo[QUEUE_ARGUMENTS + 2 * QUEUE_NODES], once[QUEUE_ARGUMENTS + 2 * QUEUE_NODES];
	uint32_t n = 0, nodes = 0, vars = 0;
	struct pair ports;

	*needs = (struct needs){ false, false, false };
	for (uint32_t i = 0; i < call->arguments; i++)
		todo[n++] = call->argument[i];
	for (uint32_t i = 0; i < n; i++) {
		if (port_tag(todo[i]) == TAG_VAR) {
			uint32_t k = 0;

			needs->late |= queue_is_late(w, todo[i]);
			while (k < vars && once[k] != todo[i])
				k++;
			if (k == vars)
				once[vars++] = todo[i];
			else
				once[k] = once[--vars]; /* both ends are in here */
		} else if (nodes < QUEUE_NODES && settle_node(w, todo[i], &ports)) {
			nodes++;
			todo[n++] = ports.a;
			todo[n++] = ports.b;
		}
	}
	if (vars == 1 && call->arguments > 0 && once[0] == call->argument[call->arguments - 1])
		needs->last_open = true;
	else
		needs->open = vars > 0;
}

/* The result of this call will come late: who needs it had better wait. */
static void queue_mark_late(struct worker *w, const struct call *call)
{
	if (port_tag(call->result) == TAG_VAR && cells_own_var(w, call->result) &&
	    *cells_var(&w->hot, call->result) == PORT_NONE)
		*cells_var(&w->hot, call->result) = LINK_LATE; /* a hint: nobody has to undo it */
}

/* ---- giving --------------------------------------------------------------------------------------- */

/* Who is hungry, one of them, and now ours to feed; NET_WORKERS_MAX when there is nobody. */
static uint32_t queue_claim(struct worker *w, uint64_t *hungry)
{
	struct arena_control *control = w->arena->control;

	while (*hungry) {
		const uint32_t who = (uint32_t)__builtin_ctzll(*hungry);
		const uint64_t bit = 1ull << who;

		*hungry &= ~bit;
		/* relaxed: the bit is a request, not data; exactly one giver takes it */
		if (atomic_fetch_and_explicit(&control->hungry, ~bit, memory_order_relaxed) & bit)
			return who;
	}
	return NET_WORKERS_MAX;
}

/*
 * Which of the oldest redexes to give: bits, the oldest is bit 0. Best are calls that have all they need; an expansion that
 * waits for something would only build what waits with it, and somewhere else than what it waits for.
 */
static uint32_t queue_choose(struct worker *w, uint64_t old)
{
	const uint32_t n = old < QUEUE_LOOK ? (uint32_t)old : QUEUE_LOOK;
	uint32_t chosen = 0, ready[QUEUE_LOOK], found = 0, nearly = 0, any = 0;

	for (uint32_t i = n; i-- > 0;) {
		struct needs needs;
		struct call call;

		if (!queue_is_call(&w->bottom[i]))
			continue;
		queue_read_call(w, &w->bottom[i], &call);
		queue_examine(w, &call, &needs);
		any = 1u << i;
		if (needs.late || needs.open)
			continue;
		if (needs.last_open)
			nearly = 1u << i;
		else
			ready[found++] = i;
	}
	for (uint32_t i = 0; i < w->generous && i < (found + 1) / 2; i++)
		chosen |= 1u << ready[found - 1 - i];
	if (chosen)
		return chosen;
	w->starving++;
	return w->starving > QUEUE_STARVED ? any : w->starving > QUEUE_STARVING ? nearly : 0;
}

/* Who is hungry again so soon got little: twice as much next time. */
static void queue_adapt(struct worker *w)
{
	const uint64_t since = w->now.interactions - w->gave_at;

	w->gave_at = w->now.interactions;
	if (since > QUEUE_LONG)
		w->generous = 1;
	else if (w->generous < QUEUE_LOOK / 2)
		w->generous *= 2;
}

/* The redexes @chosen leave the bottom of the stack for the workers @eater. */
static void queue_hand_out(struct worker *w, uint32_t chosen, const uint32_t *eater, uint32_t eaters)
{
	struct pair *kept = w->bottom + (32 - __builtin_clz(chosen));
	uint32_t given = 0;

	batch_note_bottom(w, (uint32_t)(kept - w->bottom));
	for (struct pair *r = w->bottom; r < kept; r++) {
		struct call call;

		if (!(chosen & 1u << (r - w->bottom)))
			continue;
		if (queue_is_call(r)) {
			queue_read_call(w, r, &call);
			queue_mark_late(w, &call);
			for (uint32_t k = 0; k < call.arguments; k++)
				settle_tree(w, call.argument[k]);
		}
		mail_send(w, eater[given++ % eaters], r->a, r->b);
	}
	for (struct pair *r = kept; r-- > w->bottom;)
		if (!(chosen & 1u << (r - w->bottom)))
			*--kept = *r;
	w->bottom = kept;
	w->mark = w->hot.top;
	w->now.given += given;
	w->starving = 0;
	w->recommit = true;
	if (w->low < kept)
		w->low = kept;
}

/*
 * For tests: every other redex goes to whoever is next, ready or not. But not a reference that is to be expanded into a
 * variable: a message links, so that one would come back as it went.
 */
static void queue_scatter(struct worker *w)
{
	const uint64_t old = (uint64_t)(w->hot.top - w->bottom);
	const uint32_t n = old < QUEUE_LOOK ? (uint32_t)old : QUEUE_LOOK;
	uint32_t eater[NET_WORKERS_MAX], eaters = 0, chosen = 0;

	for (uint32_t i = 1; i < w->n; i++)
		eater[eaters++] = (w->me + i) % w->n;
	for (uint32_t i = 0; i < n; i += 2)
		if (port_tag(w->bottom[i].a) != TAG_VAR && port_tag(w->bottom[i].b) != TAG_VAR)
			chosen |= 1u << i;
	if (chosen)
		queue_hand_out(w, chosen, eater, eaters);
}

void queue_give(struct worker *w)
{
	/* at the beginning of a batch: nothing above the floor */
	/* relaxed: see queue_claim() */
	uint64_t hungry = atomic_load_explicit(&w->arena->control->hungry, memory_order_relaxed) &
			  ~(1ull << w->me);
	const uint64_t old = (uint64_t)(w->low - w->bottom);
	uint32_t eater[NET_WORKERS_MAX], eaters = 0, chosen;

	w->low = w->hot.top;
	w->step = 1;
	if (plx_unlikely(w->arena->control->scatter)) {
		queue_scatter(w);
		return;
	}
	if (old == 0 || hungry == 0)
		return;
	chosen = queue_choose(w, old);
	while (eaters < (uint32_t)__builtin_popcount(chosen) &&
	       (eater[eaters] = queue_claim(w, &hungry)) != NET_WORKERS_MAX)
		eaters++;
	if (eaters == 0)
		return;
	queue_hand_out(w, chosen, eater, eaters);
	queue_adapt(w);
}

/* ---- putting off ---------------------------------------------------------------------------------- */

static bool queue_must_wait(struct worker *w, const struct pair *r, struct call *call)
{
	struct needs needs;

	queue_read_call(w, r, call);
	queue_examine(w, call, &needs);
	return needs.late;
}

static bool queue_put_off(struct worker *w, const struct pair *r)
{
	struct call call;

	if (w->laters == ARENA_LATER || w->now.interactions < w->bold_until || !queue_is_call(r) ||
	    !queue_must_wait(w, r, &call) || !quiesce_others_busy(w))
		return false;
	queue_mark_late(w, &call);
	/* in the order of the stack: what is put off before we resume comes under what was put off before it */
	memmove(&w->later[w->resumed + 1], &w->later[w->resumed], (w->laters++ - w->resumed) * sizeof(*r));
	w->later[w->resumed] = *r;
	w->later_changed = true;
	return true;
}

bool queue_lower(struct worker *w)
{
	struct pair *end = w->mark > w->bottom ? w->mark : w->bottom;

	if (w->floor > end) {
		/* what we have been at since we gave is no news; below that, go slowly */
		const uint64_t far = (uint64_t)(w->floor -
						(w->floor > w->low && w->low > end ? w->low : end));
		uint64_t step = w->floor > w->low ? QUEUE_STEP : w->step;

		batch_note_top(w, (uint32_t)(step < far ? step : far));
		if (w->low > w->floor) {
			w->low = w->floor;
			w->step = w->step < QUEUE_STEP ? 2 * w->step : QUEUE_STEP;
		}
		return true;
	}
	while (w->floor > w->bottom) { /* one by one, for each may have to wait */
		struct pair r;

		batch_note_top(w, 1);
		r = *w->floor;
		w->low = w->mark = w->floor;
		if (!queue_put_off(w, &r)) {
			w->hot.top = w->floor + 1;
			return true;
		}
	}
	w->hot.top = w->floor;
	return false;
}

/* The youngest first: so it would have been without putting off. */
static void queue_take_up(struct worker *w, uint32_t i)
{
	*w->hot.top++ = w->later[i];
	memmove(&w->later[i], &w->later[i + 1], (--w->laters - i) * sizeof(*w->later));
	w->resumed = w->laters;
	w->later_changed = true;
}

void queue_resume(struct worker *w)
{
	w->resumed = w->laters;
	for (uint32_t i = w->laters; i-- > 0;) {
		struct call call;

		if (!queue_must_wait(w, &w->later[i], &call)) {
			queue_take_up(w, i);
			return;
		}
	}
	switch (quiesce_wait(w)) {
	case QUIESCE_MAIL: return;
	case QUIESCE_TURN: break;
	case QUIESCE_LATE: /* in vain: be bolder */
		w->boldness = w->boldness ? 2 * w->boldness : QUEUE_BOLD;
		w->bold_until = w->now.interactions + w->boldness;
		break;
	}
	queue_take_up(w, w->laters - 1);
}
