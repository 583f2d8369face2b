/*
 * rules.c - what rules need seldom: to be put off until there is room.
 */
#include <signal.h>
#include <unistd.h>

#include "reducer/net/rules.h"

void rules_wait(struct worker *w, port a, port b, uint64_t nodes, uint64_t vars, uint64_t redexes)
{
	struct hot *h = &w->hot;

	if (redexes == CODE_POISON) { /* a test wants to see this redex kill */
		kill(getpid(), SIGILL);
		return;
	}
	*h->top++ = (struct pair){ a, b };
	w->want.nodes = nodes;
	w->want.vars = vars;
	w->want.redexes = redexes;
	rules_hurry(w, h);
	w->skipped++; /* not done yet, so not counted */
}
