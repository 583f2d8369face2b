/*
 * test_hostile_key_clients.c - who wants to read without the right key, one attack a test. Timeout: 180
 *
 *	this process    the liar: raw bytes at the door of a publisher that has keys
 *	its children    honest ones with keys (tests/support/crowd.h)
 *
 * Each attack says at which state of the handshake it is made, and what its answer must be: an errno and a sentence,
 * silence and a hang-up, or (nobody is hurt by it) what an honest one gets. Afterwards the publisher holds what it held
 * before, and the honest ones have not noticed.
 *
 *	HELLO ──► CHALLENGE ──► PROOF ──► GRANT ──► wake bytes
 *	   knocks()    asked()     proved()   let_in()
 */
#include "tests/support/crowd.h"

#include "topic/admission.h"
#include "topic/handshake_layout.h"
#include "topic/keys.h"

#include <errno.h>
#include <plx/process.h>
#include <plx/subscriber.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define PROOF_SIZE sizeof(struct plx_handshake_proof)

static struct crowd crowd;
static struct plx_keys *own, *nobodys; /* that of an honest subscriber, which P trusts; one it does not */
static struct plx_handshake_proof recorded; /* one that was good, once */

/* One connection of the liar. */
struct door {
	int fd;
	struct plx_guest guest;
	unsigned char hello[sizeof(struct plx_handshake_hello)];
	struct plx_handshake_challenge asked;
	struct plx_handshake_proof proof;
};

/* What came back. */
enum answer { SILENCE = 0, HUNG_UP = 1, ASKED = 2, GRANTED = 3 }; /* or a negative errno: refused with it */

/* ---- the honest half of what a liar does ---------------------------------------------------------- */

static void knock(struct door *d)
{
	memset(d, 0, sizeof(*d));
	d->fd = liar_connect(&crowd.place, 0);
	assert_true(d->fd >= 0);
}

static void say(const struct door *d, const void *bytes, size_t size)
{
	(void)!liar_send(d->fd, bytes, size, -1, 0); /* it may have hung up on us */
}

static int answer_in(struct door *d, int ms)
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

static int answer(struct door *d)
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
	say(d, step.send, step.send_size);
}

/* Said hello, was asked; the proof with these keys, by this process, is made and not sent. */
static void asked_by(struct door *d, const struct plx_keys *keys, struct plx_proof_self self)
{
	struct plx_step step;

	knock(d);
	hello_with(d, keys, self);
	assert_int_equal(answer(d), ASKED);
	plx_guest_input(&d->guest, &step, &d->asked, sizeof(d->asked), 0);
	assert_int_equal(step.what, PLX_STEP_SEND);
	assert_int_equal(step.send_size, PROOF_SIZE);
	memcpy(&d->proof, step.send, PROOF_SIZE);
}

static void asked(struct door *d)
{
	asked_by(d, own, plx_peer_self());
}

/* The proof says something else now: sign it anew. */
static void sign(struct door *d, const struct plx_keys *keys, enum plx_keys_role role)
{
	uint8_t digest[PLX_SIGN_DIGEST] = { 0 };

	plx_sign_mix(digest, d->hello, sizeof(d->hello));
	plx_sign_mix(digest, &d->asked, sizeof(d->asked));
	plx_sign_mix(digest, &d->proof, offsetof(struct plx_handshake_proof, signature));
	plx_keys_sign(keys, role, digest, d->proof.signature.bytes);
}

static int prove(struct door *d)
{
	say(d, &d->proof, PROOF_SIZE);
	return answer(d);
}

/* All the way: a good proof is let in. */
static void let_in(struct door *d)
{
	asked(d);
	assert_int_equal(prove(d), GRANTED);
}

static void go(struct door *d)
{
	close(d->fd);
	d->fd = -1;
}

/* After all that, nothing more comes but the end; what a publisher has to say to a reader may come before. */
static void hangs_up(struct door *d)
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

/* ---- before the challenge ------------------------------------------------------------------------- */

static void honest_way_in_is_open(void)
{
	struct door d;

	let_in(&d);
	go(&d);
}

static void a_proof_instead_of_a_hello(void)
{
	struct door d;

	knock(&d);
	say(&d, &recorded, PROOF_SIZE);
	hangs_up(&d);
}

static void a_challenge_instead_of_a_hello(void)
{
	struct door d, other;

	asked(&other);
	knock(&d);
	say(&d, &other.asked, sizeof(other.asked));
	hangs_up(&d);
	go(&other);
}

static void a_hello_in_an_older_version(void)
{
	struct plx_handshake_hello hello;
	struct door d;

	/* version 0 had no keys, a liar says: there is none below 1, and 1 has them */
	knock(&d);
	liar_hello((unsigned char *)&hello, crowd.topic, true);
	hello.version_min = hello.header.version = 0;
	say(&d, &hello, sizeof(hello));
	hangs_up(&d);
}

static void a_hello_in_a_version_to_come(void)
{
	struct plx_handshake_hello hello;
	struct door d;

	knock(&d);
	liar_hello((unsigned char *)&hello, crowd.topic, true);
	hello.version_min = hello.header.version = PLX_HANDSHAKE_VERSION_MAX + 1;
	say(&d, &hello, sizeof(hello));
	assert_int_equal(answer(&d), -EPROTO);
	hangs_up(&d);
}

static void a_hello_with_bits_that_might_mean_no_keys(void)
{
	for (unsigned int bit = 1; bit < 32; bit++) {
		struct plx_handshake_hello hello;
		struct door d;

		knock(&d);
		liar_hello((unsigned char *)&hello, crowd.topic, true);
		hello.flags |= 1u << bit;
		say(&d, &hello, sizeof(hello));
		hangs_up(&d);
	}
}

static void a_hello_that_brings_descriptors(void)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	struct door d;

	for (unsigned int n = 1; n <= LIAR_FDS_MAX; n = n * 3 + 1) {
		knock(&d);
		(void)!liar_send(d.fd, bytes, liar_hello(bytes, crowd.topic, true), 0, n);
		hangs_up(&d);
	}
}

static void the_name_of_another_topic(void)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	struct door d;

	knock(&d);
	say(&d, bytes, liar_hello(bytes, "another", true));
	assert_int_equal(answer(&d), -ENOENT); /* and no signature, no nonce */
	hangs_up(&d);
}

/* ---- asked for a proof ---------------------------------------------------------------------------- */

static void a_hello_without_keys_gets_a_question_and_nothing_more(void)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	struct door d;

	knock(&d);
	say(&d, bytes, liar_hello(bytes, crowd.topic, true));
	assert_int_equal(answer(&d), ASKED);
	assert_int_equal(answer_in(&d, 100), SILENCE);
	hangs_up(&d); /* when its time is up */
}

static void a_key_nobody_trusts(void)
{
	struct door d;

	asked_by(&d, nobodys, plx_peer_self());
	assert_int_equal(prove(&d), -EKEYREJECTED);
	hangs_up(&d);
}

static void the_name_of_a_trusted_key_without_its_secret(void)
{
	struct plx_public_key key = plx_keys_own(own);
	struct door d;

	asked_by(&d, nobodys, plx_peer_self());
	memcpy(d.proof.key, key.bytes, sizeof(d.proof.key));
	assert_int_equal(prove(&d), -EKEYREJECTED);
	hangs_up(&d);
}

static void a_proof_of_yesterday(void)
{
	struct door d;

	asked(&d);
	d.proof = recorded;
	assert_int_equal(prove(&d), -EKEYREJECTED);
	hangs_up(&d);
}

static void a_signature_of_yesterday(void)
{
	struct door d;

	asked(&d);
	d.proof.signature = recorded.signature;
	assert_int_equal(prove(&d), -EKEYREJECTED);
	hangs_up(&d);
}

static void the_proof_of_one_connection_on_another(void)
{
	struct door a, b;

	asked(&a);
	asked(&b);
	assert_memory_not_equal(a.asked.nonce, b.asked.nonce, sizeof(a.asked.nonce));
	b.proof = a.proof;
	assert_int_equal(prove(&b), -EKEYREJECTED);
	hangs_up(&b);
	assert_int_equal(prove(&a), GRANTED); /* where it belongs it is still good */
	go(&a);
}

/* A relay: the honest one proves itself to us, and we pass it on. */
static void the_proof_of_another_process(void)
{
	struct plx_proof_self other = plx_peer_self();
	struct door d;

	other.pid = crowd.honest[0];
	asked_by(&d, own, other);
	assert_int_equal(prove(&d), -EKEYREJECTED);
	hangs_up(&d);
}

static void the_proof_of_a_process_out_of_sight(void)
{
	struct door d;

	asked(&d);
	d.proof.space ^= 1; /* in another pid namespace, it says: /proc says otherwise */
	sign(&d, own, PLX_KEYS_SUBSCRIBER);
	assert_int_equal(prove(&d), -EKEYREJECTED);
	hangs_up(&d);
}

/* Who is connected is who connected, whoever has the socket now. */
static void a_connection_that_is_handed_on(void)
{
	struct door d;
	int status;
	pid_t pid;

	asked(&d);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		d.proof.pid = getpid();
		sign(&d, own, PLX_KEYS_SUBSCRIBER);
		_exit(liar_send(d.fd, &d.proof, PROOF_SIZE, -1, 0) != 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(answer(&d), -EKEYREJECTED);
	hangs_up(&d);
}

/* What P signs can be had by anybody it trusts: as a proof it is worth nothing. */
static void the_publishers_own_key_and_signature(void)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	struct plx_public_key pub;
	int fds[PLX_GRANT_FDS];
	struct door d, other;
	char path[4200];

	asked(&other);
	say(&other, &other.proof, PROOF_SIZE);
	assert_int_equal(liar_recv(other.fd, bytes, sizeof(bytes), fds, 10000),
			 sizeof(struct plx_handshake_grant) + sizeof(struct plx_handshake_signature));
	for (unsigned int i = 0; i < PLX_GRANT_FDS; i++)
		close(fds[i]);
	snprintf(path, sizeof(path), "%s/pub.key", crowd.dir);
	assert_int_equal(plx_key_public(path, &pub, NULL), 0);
	asked(&d);
	memcpy(d.proof.key, pub.bytes, sizeof(d.proof.key));
	memcpy(&d.proof.signature, bytes + sizeof(struct plx_handshake_grant), sizeof(d.proof.signature));
	assert_int_equal(prove(&d), -EKEYREJECTED);
	hangs_up(&d);
	go(&other);
}

/* Everything is right but the role: P's own key signs, as a publisher. */
static void a_signature_of_the_wrong_role(void)
{
	struct plx_keys *pub = crowd_keys(&crowd, "pub");
	struct door d;

	for (int role = PLX_KEYS_SUBSCRIBER; role <= PLX_KEYS_PUBLISHER; role++) {
		asked_by(&d, pub, plx_peer_self());
		sign(&d, pub, role);
		assert_int_equal(prove(&d), role == PLX_KEYS_PUBLISHER ? -EKEYREJECTED : GRANTED);
		go(&d);
	}
	plx_keys_close(pub);
}

static void a_proof_with_any_byte_changed(void)
{
	for (size_t i = 0; i < PROOF_SIZE; i++) {
		struct door d;
		int ret;

		asked(&d);
		((unsigned char *)&d.proof)[i] ^= (unsigned char)(1u << i % 8);
		ret = prove(&d);
		if (ret != -EKEYREJECTED && ret != HUNG_UP)
			fail_msg("byte %zu: %d", i, ret);
		go(&d);
	}
}

static void a_proof_cut_at_any_byte(void)
{
	for (size_t i = 0; i < PROOF_SIZE; i += i < 20 ? 1 : 7) {
		struct door d;

		asked(&d);
		say(&d, &d.proof, i);
		hangs_up(&d);
	}
}

static void a_proof_with_something_behind_it(void)
{
	static const size_t sizes[] = { PROOF_SIZE + 1, PROOF_SIZE * 2, PLX_HANDSHAKE_MAX,
					PLX_HANDSHAKE_MAX + 1, 65536 };
	static unsigned char bytes[65536];

	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		struct door d;

		asked(&d);
		memcpy(bytes, &d.proof, PROOF_SIZE);
		say(&d, bytes, sizes[i]);
		hangs_up(&d);
	}
}

static void a_proof_in_two_halves(void)
{
	struct door d;

	asked(&d);
	say(&d, &d.proof, PROOF_SIZE / 2);
	say(&d, (const char *)&d.proof + PROOF_SIZE / 2, PROOF_SIZE / 2);
	hangs_up(&d);
}

static void a_proof_that_brings_descriptors(void)
{
	for (unsigned int n = 1; n <= LIAR_FDS_MAX; n = n * 3 + 1) {
		struct door d;

		asked(&d);
		(void)!liar_send(d.fd, &d.proof, PROOF_SIZE, 0, n);
		hangs_up(&d);
	}
}

static void a_second_hello_instead_of_a_proof(void)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	struct door d;

	asked(&d);
	say(&d, bytes, liar_hello(bytes, crowd.topic, true));
	hangs_up(&d);
}

static void its_own_challenge_back(void)
{
	struct door d;

	asked(&d);
	say(&d, &d.asked, sizeof(d.asked));
	hangs_up(&d);
}

/* As if it were the other side: a grant and a refusal are a publisher's to say. */
static void a_grant_or_a_refusal_instead_of_a_proof(void)
{
	const struct plx_refusal refusal = {
		.error = EACCES, .version_min = 1, .version_max = 1, .text = "no"
	};
	const struct plx_handshake_grant grant = { .header = { PLX_HANDSHAKE_MAGIC, PLX_HANDSHAKE_GRANT, 1,
							       sizeof(grant), 0 } };
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	struct door d;

	asked(&d);
	say(&d, bytes, plx_refuse_encode(bytes, &refusal));
	hangs_up(&d);
	asked(&d);
	say(&d, &grant, sizeof(grant));
	hangs_up(&d);
}

static void gone_with_the_question_open(void)
{
	struct door d;

	asked(&d);
	go(&d);
	asked(&d);
	shutdown(d.fd, SHUT_WR);
	hangs_up(&d);
	asked(&d);
	shutdown(d.fd, SHUT_RD);
	say(&d, &d.proof, PROOF_SIZE);
	go(&d);
}

/* ---- proved, and after the grant ------------------------------------------------------------------ */

static void gone_before_the_grant(void)
{
	struct door d;

	for (int i = 0; i < 20; i++) {
		asked(&d);
		say(&d, &d.proof, PROOF_SIZE);
		go(&d);
	}
}

static void a_proof_said_twice_at_once(void)
{
	struct door d;

	asked(&d);
	say(&d, &d.proof, PROOF_SIZE);
	say(&d, &d.proof, PROOF_SIZE);
	assert_int_equal(answer(&d), GRANTED);
	hangs_up(&d);
}

static void anything_said_after_the_grant(void)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	struct door d;

	let_in(&d);
	say(&d, &d.proof, PROOF_SIZE);
	hangs_up(&d);
	let_in(&d);
	say(&d, bytes, liar_hello(bytes, crowd.topic, true));
	hangs_up(&d);
	let_in(&d);
	(void)!liar_send(d.fd, "", 1, 0, 3);
	hangs_up(&d);
}

/* ---- many, and slow ------------------------------------------------------------------------------- */

static void silence_at_every_state(void)
{
	struct door silent, after_hello, in;

	knock(&silent);
	asked(&after_hello);
	let_in(&in);
	hangs_up(&silent);
	hangs_up(&after_hello);
	assert_int_equal(answer_in(&in, 100), SILENCE); /* who is in may be silent */
	go(&in);
}

static void a_byte_now_and_then(void)
{
	struct door d;
	int i;

	asked(&d);
	for (i = 0; i < 100 && liar_send(d.fd, "P", 1, -1, 0) == 0; i++)
		sleep_ms(20);
	assert_in_range(i, 1, 50); /* one was enough */
	hangs_up(&d);
}

static void a_crowd_that_never_proves_anything(void)
{
	struct door many[200], d;

	for (size_t i = 0; i < COUNT_OF(many); i++)
		asked(&many[i]);
	let_in(&d);
	go(&d);
	for (size_t i = 0; i < COUNT_OF(many); i++)
		hangs_up(&many[i]);
}

/* ---- all of them ---------------------------------------------------------------------------------- */

struct attack {
	void (*run)(void);
};

static void no_harm_is_done(void **state)
{
	const struct attack *attack = *state;
	int fds = count_open_fds();

	attack->run();
	crowd_is_well(&crowd);
	assert_int_equal(count_open_fds(), fds);
	if (!WITHIN(10000, fds_of(crowd.publisher) == crowd.fds &&
				   maps_of(crowd.publisher, "memfd:plx:link") == crowd.links))
		fail_msg("the publisher has %d descriptors and %d links, not %d and %d",
			 fds_of(crowd.publisher), maps_of(crowd.publisher, "memfd:plx:link"), crowd.fds,
			 crowd.links);
}

static int open_all(void **state)
{
	struct door d;

	(void)state;
	crowd_open(&crowd, "hostile/keys", true);
	own = crowd_keys(&crowd, "sub");
	nobodys = crowd_keys(&crowd, "liar");
	let_in(&d);
	recorded = d.proof;
	go(&d);
	assert_true(WITHIN(10000, fds_of(crowd.publisher) == crowd.fds));
	return 0;
}

static int close_all(void **state)
{
	(void)state;
	plx_keys_close(own);
	plx_keys_close(nobodys);
	crowd_close(&crowd);
	return 0;
}

static void the_honest_end_well(void **state)
{
	(void)state;
	crowd_is_looked_at(&crowd);
	crowd_ends_well(&crowd);
}

#define ATTACKS(X)                                                                                           \
	X(honest_way_in_is_open)                                                                             \
	X(a_proof_instead_of_a_hello)                                                                        \
	X(a_challenge_instead_of_a_hello)                                                                    \
	X(a_hello_in_an_older_version)                                                                       \
	X(a_hello_in_a_version_to_come)                                                                      \
	X(a_hello_with_bits_that_might_mean_no_keys)                                                         \
	X(a_hello_that_brings_descriptors)                                                                   \
	X(the_name_of_another_topic)                                                                         \
	X(a_hello_without_keys_gets_a_question_and_nothing_more)                                             \
	X(a_key_nobody_trusts)                                                                               \
	X(the_name_of_a_trusted_key_without_its_secret)                                                      \
	X(a_proof_of_yesterday)                                                                              \
	X(a_signature_of_yesterday)                                                                          \
	X(the_proof_of_one_connection_on_another)                                                            \
	X(the_proof_of_another_process)                                                                      \
	X(the_proof_of_a_process_out_of_sight)                                                               \
	X(a_connection_that_is_handed_on)                                                                    \
	X(the_publishers_own_key_and_signature)                                                              \
	X(a_signature_of_the_wrong_role)                                                                     \
	X(a_proof_with_any_byte_changed)                                                                     \
	X(a_proof_cut_at_any_byte)                                                                           \
	X(a_proof_with_something_behind_it)                                                                  \
	X(a_proof_in_two_halves)                                                                             \
	X(a_proof_that_brings_descriptors)                                                                   \
	X(a_second_hello_instead_of_a_proof)                                                                 \
	X(its_own_challenge_back)                                                                            \
	X(a_grant_or_a_refusal_instead_of_a_proof)                                                           \
	X(gone_with_the_question_open)                                                                       \
	X(gone_before_the_grant)                                                                             \
	X(a_proof_said_twice_at_once)                                                                        \
	X(anything_said_after_the_grant)                                                                     \
	X(silence_at_every_state)                                                                            \
	X(a_byte_now_and_then)                                                                               \
	X(a_crowd_that_never_proves_anything)

#define WHICH(name) { name },
#define TEST(name)  { #name, no_harm_is_done, NULL, NULL, &runs[RUN_##name] },
#define RUN(name)   RUN_##name,

static struct attack runs[] = { ATTACKS(WHICH) };
enum { ATTACKS(RUN) };

int main(void)
{
	const struct CMUnitTest tests[] = {
		ATTACKS(TEST) cmocka_unit_test(the_honest_end_well),
	};

	return cmocka_run_group_tests_name("hostile clients without the right key", tests, open_all,
					   close_all);
}
