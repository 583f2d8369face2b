/*
 * settle.h - before nodes go to another worker: put into them what their variables are bound to.
 *
 * A variable can only be looked into by its owner, so each one that goes along costs the receiver a message and the
 * owner an answer, and meanwhile the receiver works without knowing what it is working on. A node that hangs on one wire of ours is
 * ours to write: nobody else reaches it.
 */
#ifndef REDUCER_NET_SETTLE_H
#define REDUCER_NET_SETTLE_H

#include "reducer/net/link.h"

/* What a worker may spend on settling grows by this much with each tick, up to a limit. In nodes looked at. */
#define SETTLE_CREDIT     64u
#define SETTLE_CREDIT_MAX (1u << 17)

/*
 * settle_node() - settle one node and return its two ports in @ports. Works on w->hot, as all of these.
 * Return: false when @p is no node or not ours to look into.
 */
bool settle_node(struct worker *w, port p, struct pair *ports);

/* settle_tree() - settle all that hangs on @p, as far as credit goes. */
void settle_tree(struct worker *w, port p);

#endif
