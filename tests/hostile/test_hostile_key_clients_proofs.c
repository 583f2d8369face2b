/*
 * test_hostile_key_clients_proofs.c - who is asked for a proof and has none, or another, or half of one. Timeout: 180
 *
 * See support/key_intruder.h.
 */
#include "tests/hostile/support/key_intruder.h"

#include "topic/admission.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* ---- asked for a proof ----------------------------------------------------------------------------- */

static void a_hello_without_keys_gets_a_question_and_nothing_more(void)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	struct door d;

	knock_at(&d);
	say_at(&d, bytes, liar_hello(bytes, crowd.topic, true));
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
	say_at(&other, &other.proof, PROOF_SIZE);
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
		say_at(&d, &d.proof, i);
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
		say_at(&d, bytes, sizes[i]);
		hangs_up(&d);
	}
}

static void a_proof_in_two_halves(void)
{
	struct door d;

	asked(&d);
	say_at(&d, &d.proof, PROOF_SIZE / 2);
	say_at(&d, (const char *)&d.proof + PROOF_SIZE / 2, PROOF_SIZE / 2);
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
	say_at(&d, bytes, liar_hello(bytes, crowd.topic, true));
	hangs_up(&d);
}

static void its_own_challenge_back(void)
{
	struct door d;

	asked(&d);
	say_at(&d, &d.asked, sizeof(d.asked));
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
	say_at(&d, bytes, plx_refuse_encode(bytes, &refusal));
	hangs_up(&d);
	asked(&d);
	say_at(&d, &grant, sizeof(grant));
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
	say_at(&d, &d.proof, PROOF_SIZE);
	go(&d);
}

/* ---- all of them ---------------------------------------------------------------------------------- */

static const struct attack ATTACKS[] = {
	ATTACK(a_hello_without_keys_gets_a_question_and_nothing_more),
	ATTACK(a_key_nobody_trusts),
	ATTACK(the_name_of_a_trusted_key_without_its_secret),
	ATTACK(a_proof_of_yesterday),
	ATTACK(a_signature_of_yesterday),
	ATTACK(the_proof_of_one_connection_on_another),
	ATTACK(the_proof_of_another_process),
	ATTACK(the_proof_of_a_process_out_of_sight),
	ATTACK(a_connection_that_is_handed_on),
	ATTACK(the_publishers_own_key_and_signature),
	ATTACK(a_signature_of_the_wrong_role),
	ATTACK(a_proof_with_any_byte_changed),
	ATTACK(a_proof_cut_at_any_byte),
	ATTACK(a_proof_with_something_behind_it),
	ATTACK(a_proof_in_two_halves),
	ATTACK(a_proof_that_brings_descriptors),
	ATTACK(a_second_hello_instead_of_a_proof),
	ATTACK(its_own_challenge_back),
	ATTACK(a_grant_or_a_refusal_instead_of_a_proof),
	ATTACK(gone_with_the_question_open),
};

int main(void)
{
	return KEY_INTRUDER_RUN("hostile clients without the right key: proofs", ATTACKS);
}
