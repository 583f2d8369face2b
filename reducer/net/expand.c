/* expand.c - see expand.h. The tree is walked without recursion; what is yet to be visited is a stack of places. */
#include <errno.h>
#include <stdlib.h>

#include "reducer/net/expand.h"
#include "reducer/net/link.h"
#include "reducer/net/queue.h"

/* Places where a port lies. */
struct places {
	port **at;
	uint64_t count, room;
};

static int places_push(struct places *places, port *place)
{
	if (places->count == places->room) {
		const uint64_t room = places->room ? 2 * places->room : 1024;
		port **at = realloc(places->at, room * sizeof(*at));

		if (!at)
			return -ENOMEM;
		places->at = at;
		places->room = room;
	}
	places->at[places->count++] = place;
	return 0;
}

/* A tree has no more nodes than were ever taken: more visits than that are a circle. */
static uint64_t most_nodes(const struct worker *w)
{
	uint64_t nodes = 0;

	for (uint32_t i = 0; i < w->n; i++)
		nodes += arena_record(w->arena, i)->node_fresh - (arena_nodes_off(w->arena, i) >> 4);
	return nodes;
}

/* A fresh variable at @place, and the reference that was there on top of the redexes. */
static int expand_at(struct worker *w, port *place)
{
	const port ref = *place;
	int ret;

	if (w->hot.vars == w->var_mark || w->hot.top == w->limit || !batch_note_word(w, place)) {
		/* whoever has to do all this again finds a variable where we have been */
		batch_commit(w);
		ret = cells_tend(w, 0, 1);
		if (ret == 0)
			ret = queue_room(w, 1);
		if (ret < 0)
			return ret;
		batch_commit(w);
		(void)batch_note_word(w, place);
	}
	*place = cells_new_var(&w->hot);
	*w->hot.top++ = (struct pair){ ref, *place };
	return 0;
}

/* Follow variables to what hangs there; NULL when it is a free one. */
static port *follow(const struct worker *w, port *place)
{
	while (port_tag(*place) == TAG_VAR) {
		place = cells_var(&w->hot, *place);
		if (!link_is_bound(*place))
			return NULL;
	}
	return place;
}

void expand_result(struct worker *w)
{
	struct places places = { NULL, 0, 0 };
	uint64_t left = most_nodes(w);
	port root = w->arena->control->root;
	int ret = places_push(&places, &root);

	while (ret == 0 && places.count > 0) {
		port *place = follow(w, places.at[--places.count]);
		struct pair *cell;

		if (!place)
			continue;
		if (port_tag(*place) == TAG_REF) {
			ret = expand_at(w, place);
		} else if (port_is_node(*place) && left-- > 0) {
			cell = cells_node(&w->hot, *place);
			ret = places_push(&places, &cell->b);
			if (ret == 0)
				ret = places_push(&places, &cell->a);
		}
	}
	free(places.at);
	if (ret < 0)
		worker_stop(w, NET_MEMORY, (uint64_t)-ret);
}
