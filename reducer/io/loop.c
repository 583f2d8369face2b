/*
 * loop.c - see io.h.
 *
 *	at rest:  1. what has come for wires that wait is linked to them
 *	          2. the normal form asks for a call: do it, link the result to the continuation
 *	          3. it does not, but wires wait: sleep until something comes
 *	          4. neither: that is the end
 */
#include "reducer/io/io.h"

#include <errno.h>
#include <stdlib.h>

#include <plx/process.h>

#include "reducer/io/call.h"

#define LOOK_NS UINT64_C(100000000)

#define IO_CALL    1u
#define IO_MAGIC_0 0xd0ca11u
#define IO_MAGIC_1 0xff1ff1u

enum next { NEXT_STEP, NEXT_END };

static bool is_well(const struct io *io)
{
	return io->result->status == NET_DONE;
}

/* Put in what is drafted, and reduce on. Return: 0 (look at the result), -errno. */
static int put_in(struct io *io, const struct draft *draft)
{
	const struct piece piece = draft_piece(draft);
	int ret;

	io_log_order(io->log, net_orders(io->net) + 1, draft == &io->aside, io->reader.counted);
	ret = draft->failed ? -ENOMEM : net_go_on(io->net, &piece);

	return ret < 0 ? ret : net_wait_end(io->net, io->result);
}

/* A reference in the way of what is read: its normal form becomes the root. */
static int call_reference(void *arg, port ref)
{
	struct io *io = arg;
	int ret;

	draft_clear(&io->aside);
	draft_link(&io->aside, ref, piece_var(0));
	ret = put_in(io, &io->aside);
	return ret < 0 ? ret : is_well(io) ? 0 : -ECANCELED;
}

/* ---- wires that wait -------------------------------------------------------------------------------- */

/* A wire that was erased leads to an eraser: nobody wants what comes. */
static bool is_unwanted(struct io *io, const struct op *op)
{
	port at = op->end;

	while (port_tag(at) == TAG_VAR && at != PORT_NONE) {
		const port value = io->reader.source.var(io->reader.source.net, at);

		if (value == PORT_NONE)
			return false;
		at = value;
	}
	return at == PORT_ERA;
}

static void bury_wire(struct io *io, port at)
{
	while (port_tag(at) == TAG_VAR) {
		draft_gone(&io->draft, at);
		at = io->reader.source.var(io->reader.source.net, at);
	}
}

static void forget(struct io *io, uint32_t i)
{
	op_cancel(io->background[i]);
	free(io->background[i]);
	io->background[i] = io->background[--io->backgrounds];
}

/* What is over, or not wanted any more, into the draft. Return: how many. */
static uint32_t collect(struct io *io)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < io->backgrounds;) {
		struct op *op = io->background[i];

		if (is_unwanted(io, op)) {
			bury_wire(io, op->end);
		} else if (op_step(op)) {
			const port value = op_result(op, &io->draft);

			draft_link(&io->draft, op->end, value);
		} else {
			i++;
			continue;
		}
		forget(io, i);
		found++;
	}
	return found;
}

/* The root stays what it is, through one variable more. */
static void keep_root(struct io *io)
{
	draft_link(&io->draft, piece_var(0), io->root);
}

/* ---- calls -------------------------------------------------------------------------------------------- */

/* λt.(t 1 magic name argument continuation)? Then its cells are gone and the last three in @field. */
static bool read_call(struct io *io, struct spot *field)
{
	struct reader_ctr ctr;
	struct spot magic[2];
	port value[2];
	bool good;

	io->reader.whole = true;
	good = reader_ctr(&io->reader, (struct spot){ io->root, NULL }, &ctr);
	io->reader.whole = false;
	if (!good)
		return false;
	if (ctr.tag == IO_CALL && ctr.count == 4) {
		good = reader_tuple(&io->reader, ctr.field[0], magic, 2) == 2 &&
		       reader_number(&io->reader, magic[0], &value[0]) &&
		       reader_number(&io->reader, magic[1], &value[1]) &&
		       num_payload(value[0]) == IO_MAGIC_0 && num_payload(value[1]) == IO_MAGIC_1;
	} else {
		good = false;
		for (uint32_t i = 0; i < ctr.count; i++)
			reader_count(&io->reader, ctr.field[i]);
	}
	if (!good) {
		reader_undo(&io->reader);
		return false;
	}
	field[0] = ctr.field[1];
	field[1] = ctr.field[2];
	field[2] = ctr.field[3];
	return true;
}

/* The call is done and its result goes to the continuation, whose result is the root. Return: 0 or -errno. */
static int do_call(struct io *io, const struct spot *field)
{
	unsigned char *name;
	size_t length;
	port result;
	int ret = reader_bytes(&io->reader, field[0], &name, &length);

	if (ret == -EINVAL) {
		reader_drop(&io->reader, field[1]);
		result = draft_error(&io->draft, DRAFT_ERROR_NAME);
	} else if (ret < 0) {
		return ret;
	} else {
		result = io_call(io, (const char *)name, field[1]);
		free(name);
	}
	draft_link(&io->draft, field[2].p, draft_node(&io->draft, result, piece_var(0)));
	if (io->reader.error < 0 || io->stopped)
		return io->reader.error;
	ret = put_in(io, &io->draft);
	if (io->newest && ret == 0 && is_well(io)) {
		io->newest->end = net_held(io->net, 0);
		io->background[io->backgrounds++] = io->newest;
		io->newest = NULL;
	}
	return ret;
}

/* ---- the loop ------------------------------------------------------------------------------------------ */

/* Nothing was asked for: what the reader called meanwhile is freed, and all else stays as it is. */
static int tidy(struct io *io)
{
	if (io->draft.gone == 0)
		return 0;
	keep_root(io);
	return put_in(io, &io->draft);
}

/* One step. Return: 0 with *@next, or -errno. */
static int step(struct io *io, enum next *next)
{
	struct spot field[3];
	int ret;

	*next = NEXT_STEP;
	reader_start(&io->reader);
	io->root = net_root(io->net);
	if (collect(io) > 0) {
		keep_root(io);
		return put_in(io, &io->draft);
	}
	if (read_call(io, field))
		return do_call(io, field);
	if (io->reader.error < 0)
		return io->reader.error;
	ret = tidy(io);
	if (ret < 0 || !is_well(io))
		return ret;
	if (io->backgrounds == 0) {
		*next = NEXT_END;
		return 0;
	}
	ret = ops_wait(io->background, io->backgrounds, plx_now_ns() + LOOK_NS);
	return ret == -EINTR || ret == -ETIMEDOUT ? 0 : ret;
}

static void end(struct io *io)
{
	while (io->backgrounds > 0)
		forget(io, io->backgrounds - 1);
	free(io->newest);
	files_end(&io->files);
	topics_end(&io->topics);
	reader_free(&io->reader);
	draft_free(&io->draft);
	draft_free(&io->aside);
}

/* What our predecessor has counted and how long it ran, if there was one. */
static void take_over(struct io *io)
{
	const uint64_t begin = atomic_load_explicit(&io->log->begin_ns, memory_order_relaxed);

	if (begin == 0) {
		atomic_store_explicit(&io->log->begin_ns, io->begin_ns, memory_order_relaxed);
		return;
	}
	io->begin_ns = begin;
	io->reader.counted = atomic_load_explicit(&io->log->counted[net_orders(io->net) & 1],
						  memory_order_relaxed);
}

int io_run(struct net *net, const struct net_limits *limits, struct io_log *log, struct net_result *result,
	   struct io_stats *stats)
{
	struct io io = {
		.net = net,
		.limits = limits,
		.result = result,
		.stats = stats,
		.log = log,
		.begin_ns = plx_now_ns(),
	};
	enum next next = NEXT_STEP;
	int ret;

	*stats = (struct io_stats){ 0 };
	io.reader = (struct reader){ .net = net, .draft = &io.draft, .call = call_reference, .arg = &io };
	take_over(&io);
	files_start(&io.files);
	ret = net_wait_end(net, result);
	while (ret == 0 && is_well(&io) && next == NEXT_STEP && !io_stopped(&io))
		ret = step(&io, &next);
	if (ret == -ECANCELED && !is_well(&io))
		ret = 0; /* the result says why */
	if (ret == 0 && is_well(&io) && next == NEXT_STEP)
		net_abandon(net, plx_stop_signal() != 0 ? NET_CANCELLED : NET_TIME, result);
	stats->interactions = io.reader.counted;
	end(&io);
	return ret;
}
