/*
 * member.c - the life of one subscriber, as its publisher sees it.
 *
 *	knocks -> HELLO (-> CHALLENGE -> PROOF) -> link made -> follows the log and is sent the GRANT, in one -> ... -> hangs up, dies, or is let go
 *
 * The last thing before it counts is one step for the user's thread: nothing published after its start can be missed,
 * nobody is counted (or let go) whose grant is not on its way, and a grant that is on its way arrives even if we die
 * next. Whatever is slow, the link segment above all, happens outside the lock. A client that says nothing costs a
 * descriptor, until its time is up or too many others do the same.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <plx/subscriber.h>

#include "base/mutant.h"
#include "base/sys.h"
#include "topic/publisher_state.h"
#include "topic/wire.h"

#define HANDSHAKE_NS UINT64_C(1000000000)
#define SHAKING_MAX  64u /* the oldest one has to go when one more knocks */
#define SHAKING_EACH 16u /* the same for one process: it pushes out its own first */

/* ---- the two lists of the control thread ---------------------------------------------------------- */

static void list_shaking(struct plx_member *m)
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

static void unlist_shaking(struct plx_member *m)
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
static void push_out(struct plx_publisher *pub, int32_t pid)
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

static int remember(struct plx_publisher *pub, struct plx_member *m)
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

static void forget(struct plx_member *m)
{
	struct plx_publisher *pub = m->pub;

	for (uint32_t i = 0; i < pub->member_count; i++) {
		if (pub->members[i] == m) {
			pub->members[i] = pub->members[--pub->member_count];
			return;
		}
	}
}

/* ---- joining and parting: inside ------------------------------------------------------------------ */

static int add_sleeper(struct plx_publisher *pub, struct plx_member *m)
{
	if (m->follower.polling)
		return 0;
	if (pub->sleepers == pub->sleeper_capacity) {
		uint32_t more = pub->sleeper_capacity ? pub->sleeper_capacity * 2 : 8;
		struct plx_sleeper *grown = realloc(pub->sleeper, more * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		pub->sleeper = grown;
		pub->sleeper_capacity = more;
	}
	pub->sleeper[pub->sleepers++] = (struct plx_sleeper){ &m->follower.link->sleep, m };
	return 0;
}

static void remove_sleeper(struct plx_publisher *pub, const struct plx_member *m)
{
	for (uint32_t i = 0; i < pub->sleepers; i++) {
		if (pub->sleeper[i].member == m) {
			pub->sleeper[i] = pub->sleeper[--pub->sleepers];
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

static int join(struct plx_publisher *pub, struct plx_member *m)
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
static void unjoin(struct plx_publisher *pub, struct plx_member *m)
{
	plx_writer_forget(&pub->writer, &m->follower);
	remove_sleeper(pub, m);
}

static void joined(struct plx_publisher *pub, struct plx_member *m)
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

static void part(struct plx_publisher *pub, struct plx_member *m, int reason)
{
	plx_writer_hear(&pub->writer); /* its last word */
	m->joined = false;
	if (m->follower.reliable)
		note_gone(pub, m, reason);
	if (reason == -EPIPE && (!m->follower.reliable || m->follower.cursor == pub->writer.head->head))
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
	part(pub, m, -error);
}

/* ---- admission ------------------------------------------------------------------------------------ */

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
static int let_in(struct plx_member *m, struct plx_step *step, struct plx_grant *grant, const int *fds)
{
	struct plx_publisher *pub = m->pub;
	int ret;

	plx_bias_claim(pub->bias);
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
	ret = join(pub, m);
	if (ret == 0) {
		plx_host_grant(&m->host, step, grant);
		ret = plx_wire_send(m->fd, step, fds);
		if (ret == 0)
			joined(pub, m);
		else
			unjoin(pub, m);
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
static int admit(struct plx_member *m, struct plx_step *step, const struct plx_offer *offer)
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
		ret = let_in(m, step, &grant, fds);
	if (ret < 0 && step->what == PLX_STEP_ADMIT)
		plx_host_refuse(&m->host, step, offer, -ret, "the publisher cannot make a link: %s",
				plx_strerror(ret));
	plx_sys_close(fds[PLX_GRANT_FD_LINK]);
	plx_sys_close(fds[PLX_GRANT_FD_ALARM]);
	return ret < 0 ? ret : 0;
}

/* ---- what happens to it ---------------------------------------------------------------------------- */

static void note_refused(struct plx_publisher *pub, const struct plx_refused *refused)
{
	uint64_t words[sizeof(*refused) / 8];
	uint32_t version = pub->note.version; /* only we write it */

	memcpy(words, refused, sizeof(words));
	__atomic_store_n(&pub->note.version, version + 1, __ATOMIC_RELAXED);
	/* N1 release: pairs with N2; who sees one of these words sees that they change */
	plx_fence_stores();
	for (size_t i = 0; i < sizeof(words) / 8; i++)
		__atomic_store_n(&pub->note.words[i], words[i], __ATOMIC_RELAXED);
	/* N3 release: pairs with N4; who sees this version sees its words */
	__atomic_store_n(&pub->note.version, version + 2, __ATOMIC_RELEASE);
}

bool plx_member_told(struct plx_publisher *pub, struct plx_refused *refused)
{
	uint64_t words[sizeof(*refused) / 8];
	uint32_t version;

	/* N4 acquire: pairs with N3 */
	version = __atomic_load_n(&pub->note.version, __ATOMIC_ACQUIRE);
	if (version == pub->note_told || version & 1) /* odd: next time */
		return false;
	for (size_t i = 0; i < sizeof(words) / 8; i++)
		words[i] = __atomic_load_n(&pub->note.words[i], __ATOMIC_RELAXED);
	/* N2 acquire: pairs with N1 */
	plx_fence_loads();
	if (__atomic_load_n(&pub->note.version, __ATOMIC_RELAXED) != version)
		return false;
	pub->note_told = version;
	memcpy(refused, words, sizeof(words));
	return true;
}

static void refused(struct plx_member *m, int error, const char *text)
{
	struct plx_publisher *pub = m->pub;
	struct plx_refused note = { .pid = (uint32_t)m->peer.pid, .user = m->peer.uid, .reason = error };

	pub->refused++;
	__atomic_store_n(&pub->writer.head->refused, pub->refused, __ATOMIC_RELAXED);
	snprintf(note.text, sizeof(note.text), "%s", text[0] ? text : plx_strerror(error));
	note_refused(pub, &note);
}

void plx_member_leave(struct plx_member *m)
{
	struct plx_publisher *pub = m->pub;

	if (m->dead)
		return;
	m->dead = true;
	unlist_shaking(m);
	forget(m);
	if (m->followed) { /* else the user's thread need not be bothered: anybody can knock and leave, any number of times */
		plx_bias_claim(pub->bias);
		if (m->joined && !plx_mutant(MUT_DEAD_FOLLOWED))
			part(pub, m, -EPIPE);
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
		unlist_shaking(m);
		if (admit(m, step, offer) == 0)
			return true;
	}
	if (step->what == PLX_STEP_FAILED && proving)
		refused(m, step->error, step->text);
	if (step->what == PLX_STEP_REFUSED) {
		refused(m, step->error, step->text);
		(void)!plx_wire_send(m->fd, step, NULL); /* it has left, or will see that we hang up */
	}
	plx_member_leave(m);
	return false;
}

/* It may know why, as anybody who can reach the socket; what it said does not count. */
static void deny(struct plx_member *m, struct plx_step *step, const struct plx_offer *offer)
{
	plx_host_refuse(&m->host, step, offer, EACCES,
			"topic %s: user %u is not admitted, nor are its groups", offer->topic, m->peer.uid);
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
			deny(m, &step, &offer);
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

	m->denied =
		ret ==
		-EACCES; /* when it has said hello: what we hang up on with a word unread loses our answer */
	if (ret < 0 && !m->denied)
		return ret;
	ret = 0;
	push_out(pub, m->peer.pid);
	list_shaking(m);
	if (pub->keys && !m->denied)
		ret = ask_for_key(m);
	if (ret == 0)
		ret = remember(pub, m);
	return ret < 0 ? ret
		       : plx_sys_epoll_add(pub->epoll, m->fd, EPOLLIN, (uintptr_t)m | PLX_CONTROL_SOCKET);
}

/*
 * We are out of something: who has just come is told so, and need not guess. Its HELLO is taken first: closing with
 * something unread would reset the connection, and the answer with it.
 */
static void say_why_not(struct plx_member *m, int error)
{
	struct plx_offer offer = { .topic = m->pub->topic, .type = m->pub->type };
	struct plx_datagram d;
	struct plx_step step;

	(void)!plx_wire_recv(m->fd, &d, false);
	plx_host_refuse(&m->host, &step, &offer, -error, "the publisher has no room for one more: %s",
			plx_strerror(error));
	(void)!plx_wire_send(m->fd, &step, NULL);
}

void plx_member_turn_away(struct plx_publisher *pub, int fd, int error)
{
	struct plx_member m = {
		.pub = pub, .fd = fd, .alarm = -1, .peer = PLX_PEER_NONE, .link = PLX_SEGMENT_NONE
	};

	plx_host_init(&m.host);
	say_why_not(&m, error);
	refused(&m, error, "");
	plx_sys_close(fd);
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
		if (ret == -EMFILE || ret == -ENFILE || ret == -ENOMEM || ret == -ENOSPC)
			say_why_not(m, ret);
		refused(m, ret, "");
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
