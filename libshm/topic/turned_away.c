/*
 * turned_away.c - who is not let in: what it is told, and what the user is.
 *
 * The last refusal is kept for the user's thread, which may ask at any time: the control thread writes it, neither waits
 * for the other.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/sys.h"
#include "topic/fence.h"
#include "topic/member.h"
#include "topic/wire.h"

/* ---- the user is told ------------------------------------------------------------------------------ */

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

void plx_member_refused(struct plx_member *m, int error, const char *text)
{
	struct plx_publisher *pub = m->pub;
	struct plx_refused note = { .pid = (uint32_t)m->peer.pid, .user = m->peer.uid, .reason = error };

	pub->refused++;
	__atomic_store_n(&pub->writer.head->refused, pub->refused, __ATOMIC_RELAXED);
	snprintf(note.text, sizeof(note.text), "%s", text[0] ? text : plx_strerror(error));
	note_refused(pub, &note);
}

/* ---- it is told ------------------------------------------------------------------------------------ */

/* It may know why, as anybody who can reach the socket; what it said does not count. */
void plx_member_deny(struct plx_member *m, struct plx_step *step, const struct plx_offer *offer)
{
	if (m->denied == -EACCES)
		plx_host_refuse(&m->host, step, offer, EACCES,
				"topic %s: user %u is not admitted, nor are its groups", offer->topic,
				m->peer.uid);
	else
		plx_host_refuse(&m->host, step, offer, -m->denied,
				"topic %s: process %d has its share of what the publisher can hold",
				offer->topic, m->peer.pid);
}

/*
 * We are out of something: who has just come is told so, and need not guess. Its HELLO is taken first: closing with
 * something unread would reset the connection, and the answer with it.
 */
void plx_member_say_why_not(struct plx_member *m, int error)
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
	plx_member_say_why_not(&m, error);
	plx_member_refused(&m, error, "");
	plx_sys_close(fd);
}
