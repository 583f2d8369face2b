/*
 * inject.h - worker 0 puts in a piece that the supervisor left in the tray (piece.h).
 */
#ifndef REDUCER_NET_INJECT_H
#define REDUCER_NET_INJECT_H

#include "reducer/net/piece.h"
#include "reducer/net/worker.h"

/* In a message instead of a port: the variable is free, both its ends were read by the outside. No port has this tag. */
#define PORT_GONE ((port)15)

/* What lies in the tray: this, then nodes, redexes and dead of the piece. */
struct inject_tray {
	uint64_t vars, nodes, redexes, gone, held, reserved;
	struct pair pair[];
};
static_assert(sizeof(struct inject_tray) == 48, "protocol.md: net tray");

/* inject_bytes() - that a piece takes in the tray. */
uint64_t inject_bytes(const struct piece *piece);

/* inject_write() - the supervisor fills the tray at @to, inject_bytes() long. */
void inject_write(void *to, const struct piece *piece);

/* inject_piece() - put in what is in the tray. Nobody else may be busy. Works on w->hot. */
void inject_piece(struct worker *w);

#endif
