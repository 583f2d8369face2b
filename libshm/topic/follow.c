/*
 * follow.c - a subscriber among those who follow the log, and no longer among them. All of it inside.
 *
 * While it follows it is heeded (the log waits for it, it is woken), and it is counted. When it parts, what it held is
 * free at once: nothing was counted that would have to be given back.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/mutant.h"
#include "base/sys.h"
#include "topic/member.h"
#include "topic/wire.h"

/* The user's thread looks at the number without the lock, and takes it before it looks further. */
static void set_sleepers(struct plx_publisher *pub, uint32_t sleepers)
{
	__atomic_store_n(&pub->writer.quick.sleepers, sleepers, __ATOMIC_RELAXED);
}

static int add_sleeper(struct plx_publisher *pub, struct plx_member *m)
{
	uint32_t sleepers = pub->writer.quick.sleepers;

	if (m->follower.polling)
		return 0;
	if (sleepers == pub->sleeper_capacity) {
		uint32_t more = pub->sleeper_capacity ? pub->sleeper_capacity * 2 : 8;
		struct plx_sleeper *grown = realloc(pub->sleeper, more * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		pub->sleeper = grown;
		pub->sleeper_capacity = more;
	}
	pub->sleeper[sleepers] = (struct plx_sleeper){ &m->follower.link->sleep, m };
	set_sleepers(pub, sleepers + 1);
	/* J2 barrier: pairs with J1; who publishes the short way sees it, or the grant goes out after the message is there */
	if (!plx_mutant(MUT_SLEEPER_UNFENCED))
		plx_bias_fence(pub->bias);
	return 0;
}

static void remove_sleeper(struct plx_publisher *pub, const struct plx_member *m)
{
	uint32_t sleepers = pub->writer.quick.sleepers;

	for (uint32_t i = 0; i < sleepers; i++) {
		if (pub->sleeper[i].member == m) {
			pub->sleeper[i] = pub->sleeper[sleepers - 1];
			set_sleepers(pub, sleepers - 1);
			return;
		}
	}
}

static void tell_counts(struct plx_publisher *pub)
{
	struct plx_topic_head *head = pub->writer.head;

	__atomic_store_n(&head->subscribers, pub->writer.count, __ATOMIC_RELAXED);
	__atomic_store_n(&head->joined, pub->joined, __ATOMIC_RELAXED);
	__atomic_store_n(&head->left, pub->left, __ATOMIC_RELAXED);
	__atomic_store_n(&head->lost, pub->lost, __ATOMIC_RELAXED);
	/* release: plx_publisher_wait_subscribers() looks again, inside */
	__atomic_store_n(&pub->changes, pub->changes + 1, __ATOMIC_RELEASE);
	(void)!plx_sys_futex_wake(&pub->changes, INT32_MAX);
}

int plx_member_join(struct plx_publisher *pub, struct plx_member *m)
{
	int ret = plx_writer_follow(&pub->writer, &m->follower);

	if (ret < 0)
		return ret;
	ret = add_sleeper(pub, m);
	if (ret < 0)
		plx_writer_forget(&pub->writer, &m->follower);
	return ret;
}

/* It never was. */
void plx_member_unjoin(struct plx_publisher *pub, struct plx_member *m)
{
	plx_writer_forget(&pub->writer, &m->follower);
	remove_sleeper(pub, m);
}

void plx_member_joined(struct plx_publisher *pub, struct plx_member *m)
{
	m->joined = true;
	pub->joined++;
	tell_counts(pub);
}

/* The oldest note is overwritten when nobody reads them. */
static void note_gone(struct plx_publisher *pub, const struct plx_member *m, int reason)
{
	uint32_t i = (pub->gone_first + pub->gone_count) % PLX_GONE_KEPT;

	pub->gone[i] = (struct plx_reader_end){
		.position = m->follower.cursor,
		.pid = (uint32_t)m->peer.pid,
		.reason = reason,
	};
	if (pub->gone_count < PLX_GONE_KEPT)
		pub->gone_count++;
	else
		pub->gone_first = (pub->gone_first + 1) % PLX_GONE_KEPT;
}

void plx_member_part(struct plx_publisher *pub, struct plx_member *m, int reason)
{
	bool all = plx_writer_hear(&pub->writer, &m->follower); /* its last word */

	m->joined = false;
	if (m->follower.reliable)
		note_gone(pub, m, reason);
	if (reason == -EPIPE && (!m->follower.reliable || all))
		pub->left++;
	else
		pub->lost++;
	plx_writer_forget(&pub->writer, &m->follower);
	remove_sleeper(pub, m);
	tell_counts(pub);
	/* a publisher that sleeps on this bell need not wait for its slice; waking works through a read-only map */
	(void)!plx_sys_futex_wake((uint32_t *)(uintptr_t)&m->follower.link->bell, 1);
}

void plx_member_let_go(struct plx_member *m, int error)
{
	struct plx_publisher *pub = m->pub;

	if (!m->joined)
		return;
	m->let_go = -error;
	/* in this order: when it sees that somebody was let go, its socket says that it was it */
	(void)!plx_wire_wake(m->fd, (unsigned char)error);
	plx_sys_shutdown(m->fd);
	plx_publisher_attend(pub, pub->attention + PLX_ATTENTION_LET_GO);
	plx_fence_full();
	plx_member_part(pub, m, -error);
}
