/*
 * member.c - the life of one subscriber, as its publisher sees it.
 *
 *	knocks -> HELLO (-> CHALLENGE -> PROOF) -> link made -> follows the log and is sent the GRANT, in one -> ... -> hangs up, dies, or is let go
 *
 *	knock.c  how many may shake hands, be connected     grant.c        the link, the grant
 *	follow.c joins, parts, is let go                    turned_away.c  is told why not
 *
 * A client that says nothing costs a descriptor, until its time is up or too many others do the same.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/mutant.h"
#include "base/sys.h"
#include "topic/member.h"
#include "topic/wire.h"

#define HANDSHAKE_NS UINT64_C(1000000000)

/* ---- what happens to it ---------------------------------------------------------------------------- */

void plx_member_leave(struct plx_member *m)
{
	struct plx_publisher *pub = m->pub;

	if (m->dead)
		return;
	m->dead = true;
	plx_member_shaken(m);
	plx_member_forget(m);
	if (m->followed) { /* else the user's thread need not be bothered: anybody can knock and leave, any number of times */
		plx_bias_claim(pub->bias);
		if (m->joined && !plx_mutant(MUT_DEAD_FOLLOWED))
			plx_member_part(pub, m, -EPIPE);
		plx_bias_yield(pub->bias);
	}
	if (m->peer.pidfd >= 0)
		plx_sys_epoll_del(pub->epoll, m->peer.pidfd);
	plx_peer_close(&m->peer);
	plx_sys_epoll_del(pub->epoll, m->fd);
	plx_sys_close(m->fd);
	plx_sys_close(m->alarm);
	m->fd = m->alarm = -1;
	plx_segment_close(&m->link);
	m->next = pub->dead;
	pub->dead = m;
}

void plx_member_bury(struct plx_publisher *pub)
{
	while (pub->dead) {
		struct plx_member *m = pub->dead;

		pub->dead = m->next;
		free(m);
	}
}

/* The machine says what to do; false when that was the end. @proving: it was asked for a key. */
static bool act(struct plx_member *m, struct plx_step *step, const struct plx_offer *offer, bool proving)
{
	if (step->what == PLX_STEP_WAIT)
		return true;
	if (step->what == PLX_STEP_SEND && plx_wire_send(m->fd, step, NULL) == 0)
		return true;
	if (step->what == PLX_STEP_ADMIT) {
		plx_member_shaken(m);
		if (plx_member_admit(m, step, offer) == 0)
			return true;
	}
	if (step->what == PLX_STEP_FAILED && proving)
		plx_member_refused(m, step->error, step->text);
	if (step->what == PLX_STEP_REFUSED) {
		plx_member_refused(m, step->error, step->text);
		(void)!plx_wire_send(m->fd, step, NULL); /* it has left, or will see that we hang up */
	}
	plx_member_leave(m);
	return false;
}

void plx_member_input(struct plx_member *m)
{
	struct plx_publisher *pub = m->pub;

	while (!m->dead) {
		struct plx_offer offer = {
			.topic = pub->topic,
			.type = pub->type,
			/* relaxed: only we make it grow; the user's thread may let one go meanwhile */
			.subscribers = (uint32_t)__atomic_load_n(&pub->writer.head->subscribers,
								 __ATOMIC_RELAXED),
			.subscribers_max = pub->subscribers_max,
		};
		const bool proving = m->host.state == PLX_HOST_PROOF;
		struct plx_datagram d;
		struct plx_step step;
		int ret = plx_wire_recv(m->fd, &d, false);

		if (ret == -EAGAIN)
			return;
		if (ret == 1 && m->denied)
			plx_member_deny(m, &step, &offer);
		else if (ret == 1)
			plx_host_input(&m->host, &step, &offer, d.bytes, d.size, d.fds);
		else
			plx_host_event(&m->host, &step,
				       ret == -EPROTO ? PLX_EVENT_TRUNCATED : PLX_EVENT_HANGUP);
		if (!act(m, &step, &offer, proving))
			return;
	}
}

/* It has to prove a key, and we ours. */
static int ask_for_key(struct plx_member *m)
{
	struct plx_publisher *pub = m->pub;
	struct plx_proof_setup setup = {
		.keys = pub->keys, .segment = pub->id, .self = pub->self, .seen = plx_peer_seen(&m->peer)
	};
	int ret = plx_sys_random(setup.nonce, sizeof(setup.nonce));

	if (ret == 0)
		plx_host_keys(&m->host, &setup);
	return ret;
}

static int receive(struct plx_member *m)
{
	struct plx_publisher *pub = m->pub;
	int ret = plx_peer_open(&m->peer, m->fd, &pub->admission);

	/* told when it has said hello: what we hang up on with a word unread loses our answer */
	m->denied = ret == -EACCES ? ret : 0;
	if (ret < 0 && !m->denied)
		return ret;
	plx_member_push_out(pub, m->peer.pid);
	plx_member_shaking(m);
	ret = plx_member_share(pub, m);
	if (ret == -EUSERS && !m->denied) {
		m->denied = ret;
		ret = 0;
	}
	if (ret == 0 && pub->keys && !m->denied)
		ret = ask_for_key(m);
	if (ret == 0)
		ret = plx_member_remember(pub, m);
	return ret < 0 ? ret
		       : plx_sys_epoll_add(pub->epoll, m->fd, EPOLLIN, (uintptr_t)m | PLX_CONTROL_SOCKET);
}

void plx_member_accept(struct plx_publisher *pub, int fd)
{
	struct plx_member *m = calloc(1, sizeof(*m));
	int ret;

	if (!m) {
		plx_sys_close(fd);
		return;
	}
	*m = (struct plx_member){
		.pub = pub, .fd = fd, .alarm = -1, .peer = PLX_PEER_NONE, .link = PLX_SEGMENT_NONE
	};
	plx_host_init(&m->host);
	m->deadline_ns = plx_now_ns() + HANDSHAKE_NS;
	ret = receive(m);
	if (ret < 0) {
		if (ret == -EMFILE || ret == -ENFILE || ret == -ENOMEM || ret == -ENOSPC || ret == -EUSERS)
			plx_member_say_why_not(m, ret);
		plx_member_refused(m, ret, "");
		plx_member_leave(m);
		return;
	}
	plx_member_input(m); /* who speaks at once is answered at once, and no crowd can push it out */
}

uint64_t plx_member_expire(struct plx_publisher *pub, uint64_t now_ns)
{
	struct plx_member *m = pub->first_shaking;
	struct plx_step step;

	while (m && m->deadline_ns <= now_ns) {
		const bool proving = m->host.state == PLX_HOST_PROOF;

		plx_host_event(&m->host, &step, PLX_EVENT_DEADLINE);
		act(m, &step, NULL, proving);
		m = pub->first_shaking;
	}
	return m ? m->deadline_ns - now_ns : UINT64_MAX;
}
