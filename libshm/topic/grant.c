/*
 * grant.c - what a subscriber is given: a link of its own, an alarm, and a place in the log.
 *
 * Whatever is slow, the link segment above all, happens outside the lock. The last thing before it counts is one step for
 * the user's thread: nothing published after its start can be missed, nobody is counted (or let go) whose grant is not on
 * its way, and a grant that is on its way arrives even if we die next.
 */
#include <stdio.h>

#include <plx/subscriber.h>

#include "base/mutant.h"
#include "base/sys.h"
#include "topic/member.h"
#include "topic/wire.h"

/* What it asked for, if it asked for less than it may have. */
static uint32_t quota_of(const struct plx_member *m)
{
	uint32_t wanted = m->host.terms.quota;

	return wanted && wanted < m->pub->quota ? wanted : m->pub->quota;
}

/* A link segment for @m: mapped read-only here, @fd is for the subscriber. */
static int make_link(struct plx_member *m, int *fd, uint64_t *id)
{
	struct plx_publisher *pub = m->pub;
	const struct plx_block blocks[] = {
		{ .name = PLX_LINK_BLOCK_LINK, .size = sizeof(struct plx_link) },
		{ .name = PLX_LINK_BLOCK_PINS, .size = plx_topic_bitmap_size(pub->slots) },
	};
	struct plx_segment seg = PLX_SEGMENT_NONE;
	struct plx_segment_info info;
	struct plx_link *link;
	char name[PLX_TOPIC_MAX + 8];
	int ret, own = -1;

	*fd = -1;
	snprintf(name, sizeof(name), "link:%s", pub->topic);
	ret = plx_segment_create(&seg, "memfd", name, plx_segment_need(blocks, 2), 0);
	if (ret < 0)
		return ret;
	ret = plx_segment_format(&seg, PLX_KIND_LINK, PLX_LINK_VERSION, pub->topic, blocks, 2);
	if (ret < 0)
		goto out;
	link = plx_segment_block(&seg, PLX_LINK_BLOCK_LINK, NULL);
	link->publisher = pub->id;
	link->pid = m->peer.pid;
	link->reading = m->host.terms.reading;
	link->slots = pub->slots;
	link->quota = quota_of(m);
	ret = plx_segment_info(&seg, &info);
	if (ret == 0)
		ret = plx_segment_seal(&seg, PLX_SEAL_LINK);
	if (ret == 0)
		ret = *fd = plx_segment_export(&seg, true);
	if (ret >= 0)
		ret = own = plx_segment_export(&seg, false);
	if (ret >= 0)
		ret = plx_segment_attach(&m->link, own, seg.size, PLX_KIND_LINK, 0);
	if (ret < 0)
		goto out;
	plx_sys_close(own); /* the map is enough: with thousands of subscribers descriptors run out first */
	m->link.fd = own = -1;
	*id = info.id;
out:
	plx_sys_close(own);
	if (ret < 0) {
		plx_sys_close(*fd);
		*fd = -1;
	}
	plx_segment_close(&seg);
	return ret;
}

/*
 * What wakes @m: an eventfd that stays here, and an epoll descriptor for it that travels. An eventfd's O_NONBLOCK
 * belongs to the open file: who has it can make us block. Who has only what polls it cannot.
 */
static int make_alarm(struct plx_member *m, int *fd)
{
	int ret = *fd = plx_sys_epoll();

	if (ret < 0 || m->host.terms.polling)
		return ret;
	ret = m->alarm = plx_sys_eventfd();
	return ret < 0 ? ret : plx_sys_epoll_add(*fd, m->alarm, EPOLLIN | EPOLLET, 0);
}

/*
 * Put it among the followers and send it the grant. Where it starts is decided here, and nothing after that can be
 * missed. What fails before the grant is made can still be told.
 */
int plx_member_let_in(struct plx_member *m, struct plx_step *step, struct plx_grant *grant, const int *fds)
{
	struct plx_publisher *pub = m->pub;
	int ret;

	if (plx_mutant(MUT_START_OUTSIDE))
		grant->start = plx_writer_start(&pub->writer, m->host.terms.history);
	plx_bias_claim(pub->bias);
	if (!plx_mutant(MUT_START_OUTSIDE))
		grant->start = plx_writer_start(&pub->writer, m->host.terms.history);
	m->follower = (struct plx_follower){
		.link = plx_segment_block(&m->link, PLX_LINK_BLOCK_LINK, NULL),
		.pins = plx_segment_block(&m->link, PLX_LINK_BLOCK_PINS, NULL),
		.cursor = grant->start,
		.start = grant->start,
		.quota = quota_of(m),
		.reliable = m->host.terms.reading == PLX_READ_RELIABLE,
		.polling = m->host.terms.polling,
		.patience_ns = m->host.terms.patience_ns,
	};
	ret = plx_member_join(pub, m);
	if (ret == 0) {
		plx_host_grant(&m->host, step, grant);
		ret = plx_wire_send(m->fd, step, fds);
		if (ret == 0)
			plx_member_joined(pub, m);
		else
			plx_member_unjoin(pub, m);
		m->followed = true;
	}
	plx_bias_yield(pub->bias);
	return ret;
}

/* Sign the grant, where nobody waits for it. */
static int seal(struct plx_member *m, const struct plx_grant *grant, const int *fds)
{
	struct plx_proof_files files;
	int ret = plx_wire_files(&files, fds);

	if (ret == 0)
		plx_host_seal(&m->host, grant, &files);
	return ret;
}

/* Terms are good: give it what it needs. @step says what came of it. Return: 0 when it has it. */
int plx_member_admit(struct plx_member *m, struct plx_step *step, const struct plx_offer *offer)
{
	int fds[PLX_GRANT_FDS] = { m->pub->data_fd, -1, -1 };
	struct plx_publisher *pub = m->pub;
	struct plx_grant grant = {
		.segment = pub->id,
		.data_size = pub->data.size,
		.slot_size = pub->slot_size,
		.depth = pub->depth,
		.slots = pub->slots,
		.history = pub->history,
		.quota = quota_of(m),
		.type = pub->type,
	};
	int ret = make_link(m, &fds[PLX_GRANT_FD_LINK], &grant.link);

	grant.link_size = m->link.size;
	if (ret >= 0)
		ret = make_alarm(m, &fds[PLX_GRANT_FD_ALARM]);
	if (ret >= 0)
		ret = plx_sys_epoll_add(pub->epoll, m->peer.pidfd, EPOLLIN, (uintptr_t)m | PLX_CONTROL_PIDFD);
	if (ret >= 0 && pub->keys)
		ret = seal(m, &grant, fds);
	if (ret >= 0)
		ret = plx_member_let_in(m, step, &grant, fds);
	if (ret < 0 && step->what == PLX_STEP_ADMIT)
		plx_host_refuse(&m->host, step, offer, -ret, "the publisher cannot make a link: %s",
				plx_strerror(ret));
	plx_sys_close(fds[PLX_GRANT_FD_LINK]);
	plx_sys_close(fds[PLX_GRANT_FD_ALARM]);
	return ret < 0 ? ret : 0;
}
