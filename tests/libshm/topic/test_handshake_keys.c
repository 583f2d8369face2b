/* test_handshake_keys.c - both machines with keys: who proves what to whom, and every byte that could be another one. */
#include "tests/support/support.h"

#include "topic/admission.h"
#include "topic/handshake.h"

#include <errno.h>
#include <plx/subscriber.h>
#include <string.h>

static struct plx_keys *pub_keys, *sub_keys, *bad_keys;

static const struct plx_offer OFFER = { "robot/camera", 0xfeed, 3, 10 };
static const struct plx_terms TERMS = { .type = 0xfeed, .history = 3, .topic = "robot/camera" };
static const struct plx_grant GRANT = {
	.segment = 77,
	.link = 2,
	.data_size = 1 << 20,
	.link_size = 4096,
	.start = 5,
	.slot_size = 4096,
	.depth = 64,
	.slots = 64,
	.history = 4,
	.quota = 8,
	.type = 0xfeed,
};
static const struct plx_proof_files FILES = { { { 1, 11 }, { 1, 12 } } };

/* Process 100 publishes, process 200 subscribes, and the kernel tells each so. */
static struct plx_proof_setup host_setup(void)
{
	struct plx_proof_setup s = {
		.keys = pub_keys, .segment = 77, .self = { 9, 100 }, .seen = { 200, 0 }, .nonce = { 0xaa, 1 }
	};

	return s;
}

static struct plx_proof_setup guest_setup(void)
{
	struct plx_proof_setup s = {
		.keys = sub_keys, .segment = 77, .self = { 9, 200 }, .seen = { 100, 0 }, .nonce = { 0xbb, 2 }
	};

	return s;
}

static struct plx_keys *keys_of(uint8_t byte)
{
	uint8_t seed[PLX_SIGN_SEED];
	struct plx_keys *keys;

	memset(seed, byte, sizeof(seed));
	assert_int_equal(plx_keys_make(&keys, seed), 0);
	return keys;
}

static void trust(struct plx_keys *who, const struct plx_keys *whom)
{
	struct plx_public_key key = plx_keys_own(whom);

	assert_int_equal(plx_keys_trust_key(who, &key), 0);
}

static int start(void **state)
{
	(void)state;
	assert_int_equal(plx_sign_start(), 0);
	pub_keys = keys_of(1);
	sub_keys = keys_of(2);
	bad_keys = keys_of(3);
	trust(pub_keys, sub_keys);
	trust(sub_keys, pub_keys);
	trust(bad_keys, pub_keys);
	trust(bad_keys, sub_keys);
	return 0;
}

static int end(void **state)
{
	(void)state;
	plx_keys_close(pub_keys);
	plx_keys_close(sub_keys);
	plx_keys_close(bad_keys);
	return 0;
}

/* Both machines, and the last message. */
struct talk {
	struct plx_host host;
	struct plx_guest guest;
	struct plx_step step;
};

static void begin(struct talk *t, const struct plx_proof_setup *host, const struct plx_proof_setup *guest)
{
	plx_host_init(&t->host);
	if (host)
		plx_host_keys(&t->host, host);
	plx_guest_init(&t->guest, &TERMS);
	if (guest)
		plx_guest_keys(&t->guest, guest);
	plx_guest_start(&t->guest, &t->step);
}

static void to_host(struct talk *t)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	uint32_t size = t->step.send_size;

	memcpy(bytes, t->step.send, size);
	plx_host_input(&t->host, &t->step, &OFFER, bytes, size, 0);
}

static void to_guest(struct talk *t, unsigned int fds)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	uint32_t size = t->step.send_size;

	memcpy(bytes, t->step.send, size);
	plx_guest_input(&t->guest, &t->step, bytes, size, fds);
}

/* As far as the PROOF, which is in step. */
static void as_far_as_proof(struct talk *t)
{
	struct plx_proof_setup host = host_setup(), guest = guest_setup();

	begin(t, &host, &guest);
	to_host(t);
	assert_int_equal(t->step.what, PLX_STEP_SEND);
	assert_int_equal(t->host.state, PLX_HOST_PROOF);
	to_guest(t, 0);
	assert_int_equal(t->step.what, PLX_STEP_SEND);
	assert_int_equal(t->guest.state, PLX_GUEST_PROVED);
}

/* As far as the GRANT, which is in step. */
static void as_far_as_grant(struct talk *t)
{
	as_far_as_proof(t);
	to_host(t);
	assert_int_equal(t->step.what, PLX_STEP_ADMIT);
	plx_host_seal(&t->host, &GRANT, &FILES);
	plx_host_grant(&t->host, &t->step, &GRANT);
	assert_int_equal(t->step.what, PLX_STEP_GRANTED);
	plx_guest_files(&t->guest, &FILES);
}

static void both_prove_themselves_and_the_grant_arrives(void **state)
{
	struct talk t;

	(void)state;
	as_far_as_grant(&t);
	to_guest(&t, PLX_GRANT_FDS);
	assert_int_equal(t.step.what, PLX_STEP_GRANTED);
	assert_int_equal(t.guest.grant.start, 5);
	assert_int_equal(t.guest.grant.segment, 77);
	assert_int_equal(t.guest.grant.link, 2);
}

static void without_a_key_nobody_gets_anything(void **state)
{
	struct plx_proof_setup host = host_setup(), guest = guest_setup();
	struct talk t;

	(void)state;
	begin(&t, &host, NULL);
	to_host(&t);
	to_guest(&t, 0);
	assert_int_equal(t.step.what, PLX_STEP_FAILED);
	assert_int_equal(t.step.error, -EKEYREJECTED);
	plx_host_event(&t.host, &t.step, PLX_EVENT_HANGUP);
	assert_int_equal(t.step.error, -EKEYREJECTED);

	begin(&t, NULL, &guest); /* a publisher without keys grants at once: that is not enough */
	to_host(&t);
	assert_int_equal(t.step.what, PLX_STEP_ADMIT);
	plx_host_grant(&t.host, &t.step, &GRANT);
	to_guest(&t, PLX_GRANT_FDS);
	assert_int_equal(t.step.what, PLX_STEP_FAILED);
	assert_int_equal(t.step.error, -EKEYREJECTED);
}

static void a_key_that_is_not_trusted_is_refused_by_name(void **state)
{
	struct plx_proof_setup host = host_setup(), guest = guest_setup();
	struct talk t;

	(void)state;
	guest.keys = bad_keys;
	begin(&t, &host, &guest);
	to_host(&t);
	to_guest(&t, 0);
	assert_int_equal(t.step.what, PLX_STEP_SEND);
	to_host(&t);
	assert_int_equal(t.step.what, PLX_STEP_REFUSED);
	assert_int_equal(t.step.error, -EKEYREJECTED);
	assert_non_null(strstr(t.step.text, "not among those the publisher trusts (key "));
	to_guest(&t, 0); /* and it is told */
	assert_int_equal(t.step.what, PLX_STEP_REFUSED);
	assert_int_equal(t.step.error, -EKEYREJECTED);

	guest = guest_setup();
	host.keys = bad_keys;
	begin(&t, &host, &guest);
	to_host(&t);
	to_guest(&t, 0);
	assert_int_equal(t.step.what, PLX_STEP_FAILED);
	assert_int_equal(t.step.error, -EKEYREJECTED);
	assert_non_null(strstr(t.step.text, "not among those we trust (key "));
}

/* The challenge of the publisher's key, by somebody who has not got it. */
static void who_only_knows_the_public_key_proves_nothing(void **state)
{
	struct plx_proof_setup thief = host_setup(), guest = guest_setup();
	struct plx_handshake_challenge challenge;
	struct plx_public_key own = plx_keys_own(pub_keys);
	struct talk t;

	(void)state;
	thief.keys = bad_keys;
	begin(&t, &thief, &guest);
	to_host(&t);
	memcpy(&challenge, t.step.send, sizeof(challenge));
	memcpy(challenge.key, own.bytes, sizeof(challenge.key));
	memcpy(t.step.send, &challenge, sizeof(challenge));
	/* it goes on as if it had said so */
	memset(t.host.proof.digest, 0, sizeof(t.host.proof.digest));
	{
		struct talk again;

		begin(&again, NULL, &guest);
		plx_proof_said(&t.host.proof, again.step.send, again.step.send_size);
	}
	plx_sign_mix(t.host.proof.digest, &challenge, sizeof(challenge));
	to_guest(&t, 0);
	assert_int_equal(t.step.what, PLX_STEP_SEND);
	to_host(&t);
	assert_int_equal(t.step.what, PLX_STEP_ADMIT); /* it believes the subscriber, as it may */
	plx_host_seal(&t.host, &GRANT, &FILES);
	plx_host_grant(&t.host, &t.step, &GRANT);
	plx_guest_files(&t.guest, &FILES);
	to_guest(&t, PLX_GRANT_FDS);
	assert_int_equal(t.step.what, PLX_STEP_FAILED);
	assert_int_equal(t.step.error, -EKEYREJECTED);
}

static void a_proof_of_another_connection_is_worth_nothing(void **state)
{
	struct plx_proof_setup host = host_setup(), guest = guest_setup();
	struct talk first, second;
	unsigned char proof[PLX_HANDSHAKE_MAX], grant[PLX_HANDSHAKE_MAX];
	uint32_t proof_size, grant_size;

	(void)state;
	as_far_as_proof(&first);
	proof_size = first.step.send_size;
	memcpy(proof, first.step.send, proof_size);
	as_far_as_grant(&first);
	grant_size = first.step.send_size;
	memcpy(grant, first.step.send, grant_size);

	host.nonce[5] ^= 1; /* the next connection */
	begin(&second, &host, &guest);
	to_host(&second);
	plx_host_input(&second.host, &second.step, &OFFER, proof, proof_size, 0);
	assert_int_equal(second.step.what, PLX_STEP_REFUSED);
	assert_int_equal(second.step.error, -EKEYREJECTED);

	/* the publisher's part, again, to a subscriber that connects anew */
	host = host_setup();
	guest.nonce[5] ^= 1;
	begin(&second, &host, &guest);
	to_host(&second);
	to_guest(&second, 0);
	plx_guest_files(&second.guest, &FILES);
	plx_guest_input(&second.guest, &second.step, grant, grant_size, PLX_GRANT_FDS);
	assert_int_equal(second.step.what, PLX_STEP_FAILED);
	assert_int_equal(second.step.error, -EKEYREJECTED);

	/* and what the publisher itself sends, sent back to it, is no proof of a subscriber */
	begin(&second, &host, &guest);
	to_host(&second);
	to_host(&second);
	assert_int_equal(second.step.what, PLX_STEP_FAILED);
}

/* Somebody in between hands everything on as it is; but it is another process. */
static void a_relay_is_another_process(void **state)
{
	struct plx_proof_setup host, guest;
	struct talk t;

	(void)state;
	host = host_setup();
	host.seen.pid = 300; /* who connected to the publisher */
	guest = guest_setup();
	guest.seen.pid = 0; /* the subscriber cannot tell who listens */
	guest.self.space = 10;
	begin(&t, &host, &guest);
	to_host(&t);
	to_guest(&t, 0);
	assert_int_equal(t.step.what, PLX_STEP_SEND);
	to_host(&t); /* says it is in another space; process 300 is not */
	assert_int_equal(t.step.what, PLX_STEP_REFUSED);

	guest.self.space = 9;
	host.seen.pid = 200;
	guest.seen.pid = 300; /* who listens */
	begin(&t, &host, &guest);
	to_host(&t);
	to_guest(&t, 0);
	assert_int_equal(t.step.what, PLX_STEP_FAILED);
	assert_int_equal(t.step.error, -EKEYREJECTED);

	guest = guest_setup();
	host.seen.pid = 300;
	begin(&t, &host, &guest);
	to_host(&t);
	to_guest(&t, 0);
	to_host(&t);
	assert_int_equal(t.step.what, PLX_STEP_REFUSED);
	assert_int_equal(t.step.error, -EKEYREJECTED);
}

static void in_another_pid_namespace_the_inner_number_counts(void **state)
{
	struct plx_proof_setup host = host_setup(), guest = guest_setup();
	struct talk t;

	(void)state;
	guest.self = (struct plx_proof_self){ 10, 7 }; /* a container: 7 there, 200 here */
	guest.seen = (struct plx_proof_seen){ 0, 0 };  /* from where the publisher cannot be seen */
	host.seen = (struct plx_proof_seen){ 200, 7 };
	begin(&t, &host, &guest);
	to_host(&t);
	to_guest(&t, 0);
	to_host(&t);
	assert_int_equal(t.step.what, PLX_STEP_ADMIT);

	host.seen.inner = 8;
	begin(&t, &host, &guest);
	to_host(&t);
	to_guest(&t, 0);
	to_host(&t);
	assert_int_equal(t.step.what, PLX_STEP_REFUSED);

	host.seen.inner = 0; /* /proc does not say: no */
	begin(&t, &host, &guest);
	to_host(&t);
	to_guest(&t, 0);
	to_host(&t);
	assert_int_equal(t.step.what, PLX_STEP_REFUSED);

	host.seen = (struct plx_proof_seen){ 0, 0 }; /* side by side: nobody can tell */
	begin(&t, &host, &guest);
	to_host(&t);
	to_guest(&t, 0);
	to_host(&t);
	assert_int_equal(t.step.what, PLX_STEP_ADMIT);
}

static void the_number_in_the_innermost_namespace_is_read(void **state)
{
	(void)state;
	assert_int_equal(plx_peer_inner("Name:\tx\nNSpid:\t4711\t12\t1\nVm"), 1);
	assert_int_equal(plx_peer_inner("Name:\tx\nNSpid:\t4711\t12\n"), 12);
	assert_int_equal(plx_peer_inner("Name:\tx\nNSpid:\t4711\n"), 0);
	assert_int_equal(plx_peer_inner("Name:\tNSpid:\t1\t2\nPid:\t1\n"), 0);
	assert_int_equal(plx_peer_inner("Name:\tx\nNSpid:\t1\t99999999999999999999\n"), 0);
	assert_int_equal(plx_peer_inner("Name:\tx\nNSpid:\t1\t-2\n"), 0);
	assert_int_equal(plx_peer_inner("Name:\tx\nNSpid:"), 0);
	assert_int_equal(plx_peer_inner(""), 0);
}

static void a_challenge_about_another_segment_is_refused(void **state)
{
	struct plx_proof_setup host = host_setup(), guest = guest_setup();
	struct talk t;

	(void)state;
	guest.segment = 78; /* as the socket's name says */
	begin(&t, &host, &guest);
	to_host(&t);
	to_guest(&t, 0);
	assert_int_equal(t.step.what, PLX_STEP_FAILED);
	assert_int_equal(t.step.error, -EKEYREJECTED);
}

static void memory_that_was_exchanged_is_noticed(void **state)
{
	struct plx_proof_files files = FILES;
	struct talk t;

	(void)state;
	for (int i = 0; i < 4; i++) {
		as_far_as_grant(&t);
		files = FILES;
		files.id[i / 2][i % 2]++;
		plx_guest_files(&t.guest, &files);
		to_guest(&t, PLX_GRANT_FDS);
		assert_int_equal(t.step.what, PLX_STEP_FAILED);
		assert_int_equal(t.step.error, -EKEYREJECTED);
	}
}

/* One bit of one message is another one. Which message: 0 HELLO, 1 CHALLENGE, 2 PROOF, 3 GRANT. True: it came to a grant. */
static bool survives(int message, size_t at, int bit)
{
	struct plx_proof_setup host = host_setup(), guest = guest_setup();
	struct talk t;

	begin(&t, &host, &guest);
	for (int i = 0;; i++) {
		if (i == message) {
			if (at >= t.step.send_size)
				return false;
			t.step.send[at] ^= (unsigned char)(1 << bit);
		}
		if (i == 3) {
			plx_guest_files(&t.guest, &FILES);
			to_guest(&t, PLX_GRANT_FDS);
			return t.step.what == PLX_STEP_GRANTED;
		}
		if (i == 1)
			to_guest(&t, 0);
		else
			to_host(&t);
		if (t.step.what == PLX_STEP_ADMIT) {
			plx_host_seal(&t.host, &GRANT, &FILES);
			plx_host_grant(&t.host, &t.step, &GRANT);
		} else if (t.step.what != PLX_STEP_SEND) {
			return false;
		}
	}
}

static void no_bit_of_any_message_can_be_changed_on_the_way(void **state)
{
	static const size_t sizes[] = { 128, 128, 192, 160 };
	int message, bit;
	size_t at;

	(void)state;
	for (message = 0; message < 4; message++) {
		for (at = 0; at < sizes[message]; at++) {
			for (bit = 0; bit < 8; bit += message < 2 ? 1 : 3) {
				/* where a subscriber starts is decided after the publisher signed */
				if (message == 3 && at >= offsetof(struct plx_handshake_grant, start) &&
				    at < offsetof(struct plx_handshake_grant, start) + 8)
					continue;
				if (survives(message, at, bit))
					fail_msg("message %d, byte %zu, bit %d", message, at, bit);
			}
		}
	}
}

static void every_message_has_one_size_and_its_turn(void **state)
{
	unsigned char challenge[PLX_HANDSHAKE_MAX] = { 0 }, proof[PLX_HANDSHAKE_MAX] = { 0 };
	unsigned char grant[PLX_HANDSHAKE_MAX] = { 0 };
	struct plx_proof_setup host = host_setup(), guest = guest_setup();
	struct talk t;

	(void)state;
	begin(&t, &host, &guest);
	to_host(&t);
	memcpy(challenge, t.step.send, t.step.send_size);
	as_far_as_proof(&t);
	memcpy(proof, t.step.send, t.step.send_size);
	as_far_as_grant(&t);
	memcpy(grant, t.step.send, t.step.send_size);
	for (size_t size = 0; size <= PLX_HANDSHAKE_MAX; size++) {
		begin(&t, &host, &guest);
		plx_guest_input(&t.guest, &t.step, challenge, size, 0);
		assert_int_equal(t.step.what, size == 128 ? PLX_STEP_SEND : PLX_STEP_FAILED);
		as_far_as_proof(&t);
		plx_host_input(&t.host, &t.step, &OFFER, proof, size, 0);
		assert_int_equal(t.step.what, size == 192 ? PLX_STEP_ADMIT : PLX_STEP_FAILED);
		as_far_as_grant(&t);
		plx_guest_input(&t.guest, &t.step, grant, size, PLX_GRANT_FDS);
		assert_int_equal(t.step.what, size == 160 ? PLX_STEP_GRANTED : PLX_STEP_FAILED);
	}
	/* descriptors where none belong */
	begin(&t, &host, &guest);
	plx_guest_input(&t.guest, &t.step, challenge, 128, PLX_GRANT_FDS);
	assert_int_equal(t.step.what, PLX_STEP_FAILED);
	as_far_as_proof(&t);
	plx_host_input(&t.host, &t.step, &OFFER, proof, 192, 1);
	assert_int_equal(t.step.what, PLX_STEP_FAILED);
	/* out of turn: PROOF first, a second CHALLENGE, a second HELLO, a proof after the grant */
	plx_host_init(&t.host);
	plx_host_keys(&t.host, &host);
	plx_host_input(&t.host, &t.step, &OFFER, proof, 192, 0);
	assert_int_equal(t.step.what, PLX_STEP_FAILED);
	as_far_as_proof(&t);
	plx_guest_input(&t.guest, &t.step, challenge, 128, 0);
	assert_int_equal(t.step.what, PLX_STEP_FAILED);
	begin(&t, &host, &guest);
	to_host(&t);
	begin(&t, NULL, &guest);
	plx_host_keys(&t.host, &host);
	to_host(&t);
	plx_guest_init(&t.guest, &TERMS);
	plx_guest_start(&t.guest, &t.step);
	to_host(&t);
	assert_int_equal(t.step.what, PLX_STEP_FAILED);
	as_far_as_grant(&t);
	plx_host_input(&t.host, &t.step, &OFFER, proof, 192, 0);
	assert_int_equal(t.step.what, PLX_STEP_FAILED);
}

static void who_came_meanwhile_counts(void **state)
{
	struct plx_offer full = OFFER;
	struct talk t;

	(void)state;
	as_far_as_proof(&t);
	full.subscribers = full.subscribers_max;
	plx_host_input(&t.host, &t.step, &full, t.step.send, t.step.send_size, 0);
	assert_int_equal(t.step.what, PLX_STEP_REFUSED);
	assert_int_equal(t.step.error, -EUSERS);
}

static void a_stall_at_each_state_ends_with_a_reason(void **state)
{
	struct talk t;

	(void)state;
	as_far_as_proof(&t);
	plx_host_event(&t.host, &t.step, PLX_EVENT_DEADLINE);
	assert_int_equal(t.step.error, -ETIMEDOUT);
	assert_int_equal(t.host.state, PLX_HOST_CLOSED);
	plx_guest_event(&t.guest, &t.step, PLX_EVENT_DEADLINE);
	assert_int_equal(t.step.error, -ETIMEDOUT);
	assert_int_equal(t.guest.state, PLX_GUEST_CLOSED);
	as_far_as_proof(&t);
	plx_host_event(&t.host, &t.step, PLX_EVENT_TRUNCATED);
	assert_int_equal(t.step.error, -EBADMSG);
	plx_guest_event(&t.guest, &t.step, PLX_EVENT_HANGUP);
	assert_int_equal(t.step.error, -EPIPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_prove_themselves_and_the_grant_arrives),
		cmocka_unit_test(without_a_key_nobody_gets_anything),
		cmocka_unit_test(a_key_that_is_not_trusted_is_refused_by_name),
		cmocka_unit_test(who_only_knows_the_public_key_proves_nothing),
		cmocka_unit_test(a_proof_of_another_connection_is_worth_nothing),
		cmocka_unit_test(a_relay_is_another_process),
		cmocka_unit_test(in_another_pid_namespace_the_inner_number_counts),
		cmocka_unit_test(the_number_in_the_innermost_namespace_is_read),
		cmocka_unit_test(a_challenge_about_another_segment_is_refused),
		cmocka_unit_test(memory_that_was_exchanged_is_noticed),
		cmocka_unit_test(no_bit_of_any_message_can_be_changed_on_the_way),
		cmocka_unit_test(every_message_has_one_size_and_its_turn),
		cmocka_unit_test(who_came_meanwhile_counts),
		cmocka_unit_test(a_stall_at_each_state_ends_with_a_reason),
	};

	return cmocka_run_group_tests(tests, start, end);
}
