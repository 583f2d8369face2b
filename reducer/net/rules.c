/*
 * rules.c - what rules need seldom: room for expansions.
 */
#include <errno.h>

#include "reducer/net/queue.h"
#include "reducer/net/rules.h"

bool rules_room(struct worker *w, uint64_t nodes, uint64_t vars, uint64_t redexes)
{
	int ret = cells_tend(w, nodes, vars);

	if (ret == 0)
		ret = queue_room(w, redexes);
	if (ret < 0)
		worker_stop(w, NET_MEMORY, (uint64_t)-ret);
	return ret == 0;
}

bool rules_expand_large(struct worker *w, const struct code_def *def, uint32_t nodes, uint32_t vars)
{
	struct hot *h = &w->hot;

	for (uint32_t i = 0; i < nodes; i++) {
		if (i % RULES_LARGE == 0 && !rules_room(w, RULES_LARGE, 0, 0))
			return false;
		w->places[1 + i] = cells_take_node(h);
	}
	for (uint32_t i = 0; i < vars; i++) {
		if (i % RULES_LARGE == 0 && !rules_room(w, 0, RULES_LARGE, 0))
			return false;
		w->places[1 + def->nodes + i] = cells_new_var(h);
	}
	return rules_room(w, 0, 0, 0);
}
