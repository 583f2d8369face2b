/*
 * seat.c - who has an end of a channel.
 *
 *	free --take--> taken --leave--> free
 *	                 |
 *	                 +--bury, when the holder died--> free
 *
 * One word says process, start time and generation, so each arrow is one compare-and-swap, and a process that is killed
 * leaves a seat that is free or taken, nothing between. Whether a holder lives is asked of /proc: the pid exists, is no
 * zombie, and began when it says. That costs some microseconds, and is asked only by who has waited for long, and by who
 * finds no free seat.
 */
#include "chan/seat.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mutant.h"
#include "base/sys.h"
#include "chan/cell.h"
#include "chan/wait.h"

/* ---- is it alive? ---------------------------------------------------------------------------------- */

/* Start time of a process, its low 26 bits; -1: there is no such process, or it has ended. -2: cannot be told. */
static int32_t start_of(uint32_t pid)
{
	char path[32], text[512], state, *at;
	uint64_t threads = 1;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	fd = plx_sys_open(AT_FDCWD, path, O_RDONLY, 0);
	if (fd < 0)
		return fd == -ENOENT || fd == -ESRCH ? -1 : -2;
	n = plx_sys_read(fd, text, sizeof(text) - 1);
	plx_sys_close(fd);
	if (n <= 0)
		return n == -ESRCH ? -1 : -2;
	text[n] = '\0';
	at = strrchr(text, ')'); /* the name may hold anything */
	if (!at || at[1] == '\0')
		return -2;
	state = at[2];
	for (int field = 2; field < 22 && at; field++) {
		at = strchr(at + 1, ' ');
		if (at && field + 1 == 20)
			threads = strtoull(at + 1, NULL, 10);
	}
	/* a first thread that has ended is a zombie, too, while others run */
	if (state == 'X' || (state == 'Z' && threads <= 1))
		return -1;
	return at ? (int32_t)(strtoull(at + 1, NULL, 10) & 0x3ffffff) : -2;
}

/* Our own half of an owner word; asked of /proc once in each process. */
static uint64_t ourselves(void)
{
	static uint64_t cached;
	uint32_t pid = (uint32_t)plx_sys_pid();
	uint64_t owner = plx_read_once(&cached); /* relaxed: whoever sets it sets the same */
	int32_t start;

	if (PLX_OWNER_PID(owner) == pid)
		return owner;
	start = start_of(pid);
	owner = pid | (start < 0 ? 0 : (uint64_t)start << 22);
	plx_write_once(&cached, owner);
	return owner;
}

bool plx_owner_alive(uint64_t owner)
{
	uint32_t pid = PLX_OWNER_PID(owner);
	int32_t start;

	if (pid == 0)
		return false;
	if (((owner ^ ourselves()) & 0xffffffffffffull) == 0)
		return true;
	start = start_of(pid);
	if (start == -2)
		return true; /* better wait for the dead than bury the living */
	return start >= 0 && (plx_mutant(MUT_CHAN_PID_IS_ENOUGH) || PLX_OWNER_START(owner) == 0 ||
			      (uint32_t)start == PLX_OWNER_START(owner));
}

/* ---- taking and leaving ---------------------------------------------------------------------------- */

static bool take(struct plx_seat *seat, uint64_t *owner)
{
	uint64_t old = plx_read_once(&seat->owner);

	*owner = ourselves() | (((old >> 48) + 1) & 0xffff) << 48;
	/* SE1 acquire: pairs with SE2; what the holder before us did to its lane; seq_cst: before SE3 */
	return (PLX_OWNER_PID(old) == 0 || plx_mutant(MUT_CHAN_SEAT_SHARED)) &&
	       __atomic_compare_exchange_n(&seat->owner, &old, *owner, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_RELAXED);
}

/* SE2 release: pairs with SE1 */
static bool vacate(struct plx_seat *seat, uint64_t owner)
{
	return __atomic_compare_exchange_n(&seat->owner, &owner, owner >> 48 << 48, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

/* May its lane begin anew? A lane that has something in it still belongs to who has sent that. */
static bool drained(struct plx_channel *c, const struct plx_geometry *g, bool sender, uint32_t number)
{
	uint32_t per = g->kind == PLX_CHANNEL_PRIORITY ? 4 : 1;

	if (!sender ||
	    (g->kind != PLX_CHANNEL_MPSC && g->kind != PLX_CHANNEL_POST && g->kind != PLX_CHANNEL_PRIORITY))
		return true;
	for (uint32_t i = 0; i < per; i++) {
		struct plx_lane *lane = plx_lane_at(c, g, number * per + i);

		if (plx_lane_sent(g, lane) != plx_read_once(&lane->taken))
			return false;
	}
	return true;
}

static int look(struct plx_end *end, struct plx_channel *c, const struct plx_geometry *g, bool sender,
		uint32_t from, uint32_t to, uint32_t source)
{
	for (uint32_t i = from; i < to; i++) {
		struct plx_seat *seat = plx_seat_at(c, sender, i, g->senders);
		uint64_t owner;

		if (!drained(c, g, sender, i) || !take(seat, &owner))
			continue;
		plx_write_once(&seat->source, source);
		if (sender)
			plx_write_once(&c->died, 0);
		plx_write_once(&seat->bell, 0);
		*end = (struct plx_end){ .channel = c,
					 .seat = seat,
					 .number = i,
					 .generation = PLX_OWNER_GEN(owner),
					 .sends = sender,
					 .bell = -1,
					 .bell_write = -1 };
		return 0;
	}
	return -EBUSY;
}

int plx_seat_take(struct plx_end *end, struct plx_channel *c, const struct plx_geometry *g, bool sender,
		  uint32_t from, uint32_t to, uint32_t source)
{
	uint64_t attention = __atomic_load_n(&c->to_senders, __ATOMIC_ACQUIRE);
	int ret;

	plx_chan_prepare();
	if (sender && (attention & PLX_CHANNEL_CLOSED))
		return -ESHUTDOWN;
	if (attention & PLX_CHANNEL_GONE)
		return -EPIPE;
	ret = look(end, c, g, sender, from, to, source);
	if (ret == -EBUSY && plx_channel_bury(c, 0) > 0)
		ret = look(end, c, g, sender, from, to, source);
	/*
	 * SE3 seq_cst: closed between our look and our seat. A receiver that saw the channel closed before it saw the seat taken has gone,
	 * or will; so either we see that it is closed, or it sees us (SE4) and waits until we know.
	 */
	if (ret == 0 && sender && (__atomic_load_n(&c->to_senders, __ATOMIC_SEQ_CST) & PLX_CHANNEL_CLOSED)) {
		plx_seat_leave(end);
		ret = -ESHUTDOWN;
	}
	return ret;
}

void plx_seat_leave(struct plx_end *end)
{
	uint64_t owner;

	if (!end->channel)
		return;
	plx_chan_unring(end);
	if (end->sends) /* whoever died before, the last one has left */
		plx_write_once(&end->channel->died, 0);
	owner = plx_read_once(&end->seat->owner);
	if (PLX_OWNER_GEN(owner) == end->generation && PLX_OWNER_PID(owner) == (uint32_t)plx_sys_pid())
		(void)!vacate(end->seat, owner);
	/* who waits for the other side to end has to look again */
	plx_chan_wake_all(end->channel, !end->sends);
	end->channel = NULL;
	end->seat = NULL;
}

uint32_t plx_seats_taken(const struct plx_channel *c, const struct plx_geometry *g, bool sender)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < (sender ? g->senders : g->receivers); i++)
		n += PLX_OWNER_PID(plx_read_once(&plx_seat_at(c, sender, i, g->senders)->owner)) != 0;
	return n;
}

/* ---- burying --------------------------------------------------------------------------------------- */

static bool bury(struct plx_channel *c, const struct plx_geometry *g, bool sender, uint32_t number,
		 uint32_t pid)
{
	struct plx_seat *seat = plx_seat_at(c, sender, number, g->senders);
	uint64_t owner = __atomic_load_n(&seat->owner, __ATOMIC_ACQUIRE), bit = 1ull << number;

	if (PLX_OWNER_PID(owner) == 0 || (pid != 0 && PLX_OWNER_PID(owner) != pid) || plx_owner_alive(owner))
		return false;
	/* its cells first: when the seat is free, whoever takes it must not find claims under its number */
	if (g->kind == PLX_CHANNEL_MPMC && !plx_mutant(MUT_CHAN_CELLS_STAY))
		plx_cells_bury(c, g, sender, number, PLX_OWNER_GEN(owner));
	__atomic_fetch_and(sender ? &c->to_receivers : &c->to_senders, ~bit, __ATOMIC_RELAXED);
	if (!vacate(seat, owner))
		return false; /* somebody else did */
	__atomic_fetch_add(&c->buried, 1, __ATOMIC_RELAXED);
	if (sender)
		plx_write_once(&c->died, 1);
	return true;
}

int plx_channel_bury(void *at, int32_t pid)
{
	struct plx_channel *c = (struct plx_channel *)at;
	struct plx_geometry g;
	int n = 0;

	if (plx_geometry_read(&g, at, UINT64_MAX) < 0)
		return 0;
	for (uint32_t i = 0; i < g.senders; i++)
		n += bury(c, &g, true, i, (uint32_t)pid);
	for (uint32_t i = 0; i < g.receivers; i++)
		n += bury(c, &g, false, i, (uint32_t)pid);
	if (n > 0) {
		plx_chan_wake_all(c, true);
		plx_chan_wake_all(c, false);
	}
	return n;
}
