/* key_intruder.c - a liar at the door of a publisher with keys. */
#include "tests/hostile/support/key_intruder.h"

#include "topic/admission.h"

#include <errno.h>
#include <plx/subscriber.h>
#include <string.h>

struct plx_keys *own, *nobodys;
struct plx_handshake_proof recorded;

/* ---- the honest half of what a liar does -------------------------------------------------------------------------- */

void knock_at(struct door *d)
{
	memset(d, 0, sizeof(*d));
	d->fd = liar_connect(&crowd.place, 0);
	assert_true(d->fd >= 0);
}

void say_at(const struct door *d, const void *bytes, size_t size)
{
	(void)!liar_send(d->fd, bytes, size, -1, 0); /* it may have hung up on us */
}

int answer_in(struct door *d, int ms)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	struct plx_handshake_header header;
	struct plx_refusal refusal;
	int fds[PLX_GRANT_FDS];
	ssize_t n = liar_recv(d->fd, bytes, sizeof(bytes), fds, ms);

	for (unsigned int i = 0; i < PLX_GRANT_FDS; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	if (n == -EAGAIN)
		return SILENCE;
	if (n <= 0)
		return HUNG_UP;
	assert_true(n >= (ssize_t)sizeof(header));
	memcpy(&header, bytes, sizeof(header));
	if (header.type == PLX_HANDSHAKE_CHALLENGE) {
		assert_int_equal(n, sizeof(d->asked));
		memcpy(&d->asked, bytes, sizeof(d->asked));
		assert_int_equal(fds[0], -1);
		return ASKED;
	}
	if (header.type == PLX_HANDSHAKE_GRANT) {
		assert_int_equal(n,
				 sizeof(struct plx_handshake_grant) + sizeof(struct plx_handshake_signature));
		return GRANTED;
	}
	assert_int_equal(plx_refuse_decode(&refusal, bytes, (size_t)n), 0);
	assert_true(refusal.text[0] != '\0');
	assert_int_equal(fds[0], -1);
	return -refusal.error;
}

int answer(struct door *d)
{
	return answer_in(d, 10000);
}

static void hello_with(struct door *d, const struct plx_keys *keys, struct plx_proof_self self)
{
	struct plx_proof_setup setup = { .keys = keys, .self = self };
	struct plx_terms terms = { .reading = PLX_READ_LOSSY };
	struct plx_sightings list;
	struct plx_step step;

	assert_int_equal(plx_place_list(&crowd.place, &list), 0);
	assert_int_equal(list.count, 1);
	setup.segment = list.items[0].id;
	plx_sightings_free(&list);
	setup.seen.pid = crowd.publisher;
	memset(setup.nonce, 7, sizeof(setup.nonce)); /* what P is sure of is its own */
	snprintf(terms.topic, sizeof(terms.topic), "%s", crowd.topic);
	plx_guest_init(&d->guest, &terms);
	plx_guest_keys(&d->guest, &setup);
	plx_guest_start(&d->guest, &step);
	memcpy(d->hello, step.send, sizeof(d->hello));
	say_at(d, step.send, step.send_size);
}

void asked_by(struct door *d, const struct plx_keys *keys, struct plx_proof_self self)
{
	struct plx_step step;

	knock_at(d);
	hello_with(d, keys, self);
	assert_int_equal(answer(d), ASKED);
	plx_guest_input(&d->guest, &step, &d->asked, sizeof(d->asked), 0);
	assert_int_equal(step.what, PLX_STEP_SEND);
	assert_int_equal(step.send_size, PROOF_SIZE);
	memcpy(&d->proof, step.send, PROOF_SIZE);
}

void asked(struct door *d)
{
	asked_by(d, own, plx_peer_self());
}

void sign(struct door *d, const struct plx_keys *keys, enum plx_keys_role role)
{
	uint8_t digest[PLX_SIGN_DIGEST] = { 0 };

	plx_sign_mix(digest, d->hello, sizeof(d->hello));
	plx_sign_mix(digest, &d->asked, sizeof(d->asked));
	plx_sign_mix(digest, &d->proof, offsetof(struct plx_handshake_proof, signature));
	plx_keys_sign(keys, role, digest, d->proof.signature.bytes);
}

int prove(struct door *d)
{
	say_at(d, &d->proof, PROOF_SIZE);
	return answer(d);
}

void let_in(struct door *d)
{
	asked(d);
	assert_int_equal(prove(d), GRANTED);
}

void go(struct door *d)
{
	close(d->fd);
	d->fd = -1;
}

void hangs_up(struct door *d)
{
	unsigned char byte[PLX_HANDSHAKE_MAX];
	int fds[PLX_GRANT_FDS];
	ssize_t n;

	do
		n = liar_recv(d->fd, byte, sizeof(byte), fds, 10000);
	while (n == 1);
	assert_int_equal(n, 0);
	go(d);
}

/* ---- an attack ---------------------------------------------------------------------------------------------------- */

void no_harm_is_done(void **state)
{
	const struct attack *attack = *state;
	int fds = count_open_fds();

	attack->run();
	crowd_is_well(&crowd);
	assert_int_equal(count_open_fds(), fds);
	crowd_is_alone(&crowd, 0);
}

int key_intruder_open(void **state)
{
	struct door d;

	(void)state;
	crowd_open(&crowd, &(struct crowd_setup){ .topic = "hostile/keys", .keyed = true });
	own = crowd_keys(&crowd, "sub");
	nobodys = crowd_keys(&crowd, "liar");
	let_in(&d);
	recorded = d.proof;
	go(&d);
	assert_true(WITHIN(10000, fds_of(crowd.publisher) == crowd.fds));
	return 0;
}

int key_intruder_close(void **state)
{
	(void)state;
	plx_keys_close(own);
	plx_keys_close(nobodys);
	crowd_close(&crowd);
	return 0;
}

void key_intruder_ends_well(void **state)
{
	(void)state;
	crowd_is_looked_at(&crowd);
	crowd_ends_well(&crowd);
}
