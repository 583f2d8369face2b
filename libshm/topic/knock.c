/*
 * knock.c - the control thread's lists: who shakes hands, who is connected, and whose turn it is to go when there are too many.
 *
 * Who says nothing costs a descriptor until its time is up. So there are never more than so many of them, and a process
 * that comes with a crowd pushes out its own first. Who is connected costs three. One process gets at most half of what
 * we may have, and some are left to the program that publishes: it opens files too.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/sys.h"
#include "topic/member.h"

#define SHAKING_MAX   64u /* the oldest one has to go when one more knocks */
#define SHAKING_EACH  16u /* the same for one process: it pushes out its own first */
#define MEMBER_FDS    3u  /* socket, pidfd, alarm */
#define RESERVE_SHARE 64u /* one of so many descriptors is not for subscribers */
#define RESERVE_MAX   64u

void plx_member_shaking(struct plx_member *m)
{
	struct plx_publisher *pub = m->pub;

	m->next = NULL;
	m->prev = pub->last_shaking;
	if (m->prev)
		m->prev->next = m;
	else
		pub->first_shaking = m;
	pub->last_shaking = m;
	pub->shaking++;
	m->shaking = true;
}

void plx_member_shaken(struct plx_member *m)
{
	struct plx_publisher *pub = m->pub;

	if (!m->shaking)
		return;
	if (m->prev)
		m->prev->next = m->next;
	else
		pub->first_shaking = m->next;
	if (m->next)
		m->next->prev = m->prev;
	else
		pub->last_shaking = m->prev;
	pub->shaking--;
	m->shaking = false;
}

/* Make room for one more. A crowd of one process is its own trouble. */
void plx_member_push_out(struct plx_publisher *pub, int32_t pid)
{
	struct plx_member *oldest = NULL;
	uint32_t same = 0;

	for (struct plx_member *m = pub->first_shaking; m; m = m->next) {
		if (m->peer.pid != pid ||
		    pid == 0) /* 0: any number of processes that cannot be seen from here */
			continue;
		if (same++ == 0)
			oldest = m;
	}
	if (same >= SHAKING_EACH)
		plx_member_leave(oldest);
	else if (pub->shaking >= SHAKING_MAX)
		plx_member_leave(pub->first_shaking);
}

int plx_member_remember(struct plx_publisher *pub, struct plx_member *m)
{
	if (pub->member_count == pub->member_capacity) {
		uint32_t more = pub->member_capacity ? pub->member_capacity * 2 : 8;
		struct plx_member **grown = realloc(pub->members, more * sizeof(struct plx_member *));

		if (!grown)
			return -ENOMEM;
		pub->members = grown;
		pub->member_capacity = more;
	}
	pub->members[pub->member_count++] = m;
	return 0;
}

void plx_member_forget(struct plx_member *m)
{
	struct plx_publisher *pub = m->pub;

	for (uint32_t i = 0; i < pub->member_count; i++) {
		if (pub->members[i] == m) {
			pub->members[i] = pub->members[--pub->member_count];
			return;
		}
	}
}

/* ---- descriptors ---------------------------------------------------------------------------------- */

/* Of the same process; or of the same user, when that is not ours: he can have as many processes as he likes. */
static uint32_t as_many_as(const struct plx_publisher *pub, const struct plx_member *m)
{
	bool foreign = m->peer.uid != (uint32_t)plx_sys_uid();
	uint32_t n = 0;

	for (uint32_t i = 0; i < pub->member_count; i++) {
		const struct plx_peer *peer = &pub->members[i]->peer;

		n += foreign ? peer->uid == m->peer.uid : peer->pid == m->peer.pid;
	}
	return n;
}

int plx_member_share(const struct plx_publisher *pub, const struct plx_member *m)
{
	uint64_t limit = plx_sys_fd_limit(), reserve = limit / RESERVE_SHARE, most = limit / 2 / MEMBER_FDS;

	if (reserve > RESERVE_MAX)
		reserve = RESERVE_MAX;
	/* the lowest number that was free: nearly all below are in use */
	if ((uint64_t)m->fd + MEMBER_FDS + reserve >= limit)
		return -EMFILE;
	return pub->member_count >= most && as_many_as(pub, m) >= most ? -EUSERS : 0;
}
