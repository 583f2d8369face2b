/* draft.c - see draft.h. */
#include "reducer/io/draft.h"

#include <stdlib.h>
#include <string.h>

/* Room for one more of @size bytes. */
static bool grow(struct draft *draft, void *array, uint64_t count, uint64_t *room, size_t size)
{
	uint64_t more = *room ? 2 * *room : 64;
	void **at = array, *moved;

	if (draft->failed)
		return false;
	if (count < *room)
		return true;
	moved = reallocarray(*at, more, size);
	if (!moved) {
		draft->failed = true;
		return false;
	}
	*at = moved;
	*room = more;
	return true;
}

void draft_clear(struct draft *draft)
{
	draft->nodes = draft->redexes = draft->gone = draft->held = 0;
	draft->vars = 1;
	draft->failed = false;
}

void draft_free(struct draft *draft)
{
	free(draft->node);
	free(draft->redex);
	free(draft->dead);
	*draft = (struct draft){ 0 };
}

struct piece draft_piece(const struct draft *draft)
{
	return (struct piece){
		.vars = draft->vars,
		.nodes = draft->nodes,
		.redexes = draft->redexes,
		.gone = draft->gone,
		.held = draft->held,
		.node = draft->node,
		.redex = draft->redex,
		.dead = draft->dead,
	};
}

port draft_var(struct draft *draft)
{
	return piece_var(draft->vars++);
}

port draft_node(struct draft *draft, port a, port b)
{
	if (!grow(draft, &draft->node, draft->nodes, &draft->node_room, sizeof(*draft->node)))
		return PORT_ERA;
	draft->node[draft->nodes] = (struct pair){ a, b };
	return piece_node(TAG_CON, draft->nodes++);
}

void draft_link(struct draft *draft, port a, port b)
{
	if (grow(draft, &draft->redex, draft->redexes, &draft->redex_room, sizeof(*draft->redex)))
		draft->redex[draft->redexes++] = (struct pair){ a, b };
}

void draft_gone(struct draft *draft, port p)
{
	if (grow(draft, &draft->dead, draft->gone, &draft->gone_room, sizeof(*draft->dead)))
		draft->dead[draft->gone++] = p;
}

port draft_ctr(struct draft *draft, uint32_t tag, const port *field, uint32_t count)
{
	const port var = draft_var(draft);
	port rest = var;

	for (uint32_t i = count; i > 0; i--)
		rest = draft_node(draft, field[i - 1], rest);
	return draft_node(draft, draft_node(draft, num_u24(tag), rest), var);
}

port draft_ok(struct draft *draft, port value)
{
	return draft_ctr(draft, DRAFT_OK, &value, 1);
}

port draft_error(struct draft *draft, uint32_t kind)
{
	const port error = draft_ctr(draft, kind, NULL, 0);

	return draft_ctr(draft, DRAFT_ERR, &error, 1);
}

port draft_errno(struct draft *draft, int number)
{
	const port inner = num_i24(number);
	const port error = draft_ctr(draft, DRAFT_ERROR_INNER, &inner, 1);

	return draft_ctr(draft, DRAFT_ERR, &error, 1);
}

port draft_bytes(struct draft *draft, const unsigned char *bytes, size_t count)
{
	port list = draft_ctr(draft, DRAFT_NIL, NULL, 0);

	for (size_t i = count; i > 0 && !draft->failed; i--) {
		const port field[2] = { num_u24(bytes[i - 1]), list };

		list = draft_ctr(draft, DRAFT_CONS, field, 2);
	}
	return list;
}
