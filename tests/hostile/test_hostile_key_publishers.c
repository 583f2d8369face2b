/*
 * test_hostile_key_publishers.c - who wants to be read without the right key, one attack a test. Timeout: 240
 *
 *	this process      a subscriber with keys, which must refuse the liar, say why, and go on hearing P
 *	its child, "L"    the liar: a socket in the topic's directory, and whatever its attack says
 *	its children      honest ones with keys (tests/support/crowd.h): their subscribers meet L too
 *
 * Each attack begins at a state of the handshake, up to which L does what an honest publisher does. For what comes after
 * the PROOF it even has the right key: what is wrong then is what somebody changed on the way, or kept from another time.
 *
 *	HELLO ──► CHALLENGE ──► PROOF ──► GRANT
 *	   (run)      ask()       ask()     sign_grant()
 */
#include "tests/support/crowd.h"
#include "tests/support/numbered.h"

#include "topic/admission.h"
#include "topic/handshake_layout.h"
#include "topic/wire.h"

#include <errno.h>
#include <plx/process.h>
#include <plx/subscriber.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define SIGNED_SIZE (sizeof(struct plx_handshake_grant) + sizeof(struct plx_handshake_signature))
#define LINES       64 /* connections that L keeps open */

static struct crowd crowd;
static struct plx_keys *own;
static struct plx_subscriber *sub;
static uint64_t next_message; /* of P */

/* ---- L -------------------------------------------------------------------------------------------- */

/* One connection of the liar. */
struct line {
	int fd;
	unsigned char hello[PLX_HANDSHAKE_MAX];
	uint32_t hello_size;
	struct plx_host host;
	struct plx_step step; /* what the honest half would send next */
	unsigned char proof[PLX_HANDSHAKE_MAX];
	int files[PLX_GRANT_FDS];
};

static struct plx_keys *pub_keys, *liar_keys;
static struct plx_listener listener;
static uint64_t name; /* the id of its segment, it says */

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "the liar cannot: %s: %s\n", what, strerror(errno));
	_exit(1);
}
#define MUST(what) must((what), #what)

static void say(struct line *l, const void *bytes, size_t size)
{
	(void)!liar_send(l->fd, bytes, size, -1, 0);
}

static const struct plx_offer offer = { .topic = "hostile/keyed",
					.type = NUMBERED_TYPE,
					.subscribers_max = 9 };

/* The honest half begins: the challenge is in step, and not sent. */
static void prepare(struct line *l, const struct plx_keys *keys)
{
	struct plx_admission anybody = PLX_ADMISSION_NONE;
	struct plx_peer peer = PLX_PEER_NONE;
	struct plx_proof_setup setup = { .keys = keys, .segment = name, .self = plx_peer_self() };

	MUST(plx_peer_open(&peer, l->fd, &anybody) == 0);
	setup.seen = plx_peer_seen(&peer);
	plx_peer_close(&peer);
	memset(setup.nonce, l->fd, sizeof(setup.nonce));
	plx_host_init(&l->host);
	plx_host_keys(&l->host, &setup);
	plx_host_input(&l->host, &l->step, &offer, l->hello, l->hello_size, 0);
	MUST(l->step.what == PLX_STEP_SEND);
}

/* Ask as an honest one, hear the proof; false when it left. */
static bool ask(struct line *l)
{
	int fds[PLX_GRANT_FDS];
	ssize_t n;

	prepare(l, pub_keys);
	say(l, l->step.send, l->step.send_size);
	n = liar_recv(l->fd, l->proof, sizeof(l->proof), fds, 5000);
	if (n <= 0)
		return false;
	plx_host_input(&l->host, &l->step, &offer, l->proof, (size_t)n, 0);
	MUST(l->step.what == PLX_STEP_ADMIT);
	return true;
}

static const struct plx_grant some_grant = { .version = 1,
					     .link = 77,
					     .data_size = 1 << 20,
					     .link_size = 4096,
					     .slot_size = 1024,
					     .depth = 64,
					     .slots = 64,
					     .quota = 4,
					     .type = NUMBERED_TYPE };

/* A grant that is signed as it should be, in step, for three files that mean nothing. */
static void sign_grant(struct line *l)
{
	struct plx_grant grant = some_grant;
	struct plx_proof_files files;

	grant.segment = name;
	for (unsigned int i = 0; i < PLX_GRANT_FDS; i++) {
		l->files[i] = memfd_create("liar", MFD_CLOEXEC);
		MUST(l->files[i] >= 0);
	}
	MUST(plx_wire_files(&files, l->files) == 0);
	plx_host_seal(&l->host, &grant, &files);
	plx_host_grant(&l->host, &l->step, &grant);
	MUST(l->step.send_size == SIGNED_SIZE);
}

static void grant_with(struct line *l, const void *bytes, size_t size, const int *files, unsigned int n)
{
	(void)!liar_send_list(l->fd, bytes, size, files, n);
}

static void send_grant(struct line *l)
{
	grant_with(l, l->step.send, l->step.send_size, l->files, PLX_GRANT_FDS);
}

/* The one without a signature. */
static void plain_grant(struct line *l)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	struct plx_grant grant = some_grant;
	int files[PLX_GRANT_FDS] = { 0, 1, 2 };

	grant.segment = name;
	grant_with(l, bytes, plx_grant_encode(bytes, &grant), files, PLX_GRANT_FDS);
}

/* ---- attacks: instead of a challenge -------------------------------------------------------------- */

static void a_grant_without_being_asked_for_a_key(struct line *l)
{
	plain_grant(l);
}

static void a_signed_grant_before_the_challenge(struct line *l)
{
	unsigned char bytes[SIGNED_SIZE] = { 0 };
	struct plx_handshake_header header = { PLX_HANDSHAKE_MAGIC, PLX_HANDSHAKE_GRANT, 1, SIGNED_SIZE, 0 };
	int files[PLX_GRANT_FDS] = { 0, 1, 2 };

	memcpy(bytes, &header, sizeof(header));
	grant_with(l, bytes, sizeof(bytes), files, PLX_GRANT_FDS);
}

static void a_wake_byte_instead_of_an_answer(struct line *l)
{
	say(l, "", 1);
}

static void its_own_hello_back(struct line *l)
{
	say(l, l->hello, l->hello_size);
}

static void nothing_at_all(struct line *l)
{
	(void)l;
}

static void a_hang_up_instead_of_a_challenge(struct line *l)
{
	shutdown(l->fd, SHUT_RDWR);
}

/* ---- attacks: the challenge ----------------------------------------------------------------------- */

static void a_challenge_by_a_key_nobody_trusts(struct line *l)
{
	prepare(l, liar_keys);
	say(l, l->step.send, l->step.send_size);
}

/* Changed, before it is sent. */
static void challenge(struct line *l, size_t at, uint64_t bits, unsigned int size)
{
	prepare(l, pub_keys);
	for (unsigned int i = 0; i < size; i++)
		l->step.send[at + i] ^= (unsigned char)(bits >> 8 * i);
	say(l, l->step.send, l->step.send_size);
}
#define CHALLENGE(field, bits)                                                                               \
	challenge(l, offsetof(struct plx_handshake_challenge, field), bits,                                  \
		  sizeof(((struct plx_handshake_challenge *)0)->field))

static void a_challenge_about_another_segment(struct line *l)
{
	CHALLENGE(segment, 1);
}

static void a_challenge_of_another_process(struct line *l)
{
	CHALLENGE(pid, 1);
}

static void a_challenge_from_another_namespace(struct line *l)
{
	CHALLENGE(space, 1);
}

static void a_challenge_of_version_zero(struct line *l)
{
	CHALLENGE(header.version, 1);
}

static void a_challenge_of_a_version_to_come(struct line *l)
{
	CHALLENGE(header.version, 8);
}

static void a_challenge_with_unknown_flags(struct line *l)
{
	CHALLENGE(flags, 1);
}

static void a_challenge_with_reserved_bytes(struct line *l)
{
	challenge(l, offsetof(struct plx_handshake_challenge, reserved), 1, 1);
}

static void a_challenge_cut_short(struct line *l)
{
	prepare(l, pub_keys);
	say(l, l->step.send, l->step.send_size - 1 - (unsigned int)l->fd % 100);
}

static void a_challenge_with_more_behind_it(struct line *l)
{
	prepare(l, pub_keys);
	say(l, l->step.send, l->step.send_size + 1);
}

static void a_challenge_larger_than_any_message(struct line *l)
{
	static unsigned char bytes[4096];

	prepare(l, pub_keys);
	memcpy(bytes, l->step.send, l->step.send_size);
	say(l, bytes, sizeof(bytes));
}

static void a_challenge_that_brings_descriptors(struct line *l)
{
	static const int files[PLX_GRANT_FDS] = { 0, 1, 2 };

	prepare(l, pub_keys);
	grant_with(l, l->step.send, l->step.send_size, files, PLX_GRANT_FDS);
}

static void two_challenges(struct line *l)
{
	prepare(l, pub_keys);
	say(l, l->step.send, l->step.send_size);
	say(l, l->step.send, l->step.send_size);
}

/* Whoever connects to P hears a challenge with P's name and key, and may say it again. */
static void the_honest_publishers_challenge(struct line *l)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	int fds[PLX_GRANT_FDS], fd = -1;
	struct plx_sightings list;
	ssize_t n;

	MUST(plx_place_list(&crowd.place, &list) == 0);
	for (size_t i = 0; i < list.count; i++) {
		if (list.items[i].pid == (uint32_t)crowd.publisher)
			MUST(plx_place_connect(&crowd.place, &list.items[i], &fd) == 0);
	}
	plx_sightings_free(&list);
	MUST(fd >= 0);
	MUST(liar_send(fd, l->hello, l->hello_size, -1, 0) == 0);
	n = liar_recv(fd, bytes, sizeof(bytes), fds, 5000);
	MUST(n == sizeof(struct plx_handshake_challenge));
	say(l, bytes, (size_t)n);
	close(fd);
}

/* ---- attacks: after the proof --------------------------------------------------------------------- */

static void nothing_after_the_proof(struct line *l)
{
	(void)!ask(l);
}

static void stopped_after_the_proof(struct line *l)
{
	static int asked;

	if (ask(l) && ++asked == 3) /* all three of them */
		raise(SIGSTOP);
}

static void a_hang_up_after_the_proof(struct line *l)
{
	if (ask(l))
		shutdown(l->fd, SHUT_RDWR);
}

static void another_challenge_after_the_proof(struct line *l)
{
	if (ask(l)) {
		prepare(l, pub_keys);
		say(l, l->step.send, l->step.send_size);
	}
}

static void their_own_proof_back(struct line *l)
{
	if (ask(l))
		say(l, l->proof, sizeof(struct plx_handshake_proof));
}

static void a_grant_that_is_not_signed_after_all(struct line *l)
{
	if (ask(l))
		plain_grant(l);
}

/* It says who P is, but has not P's secret. */
static void a_grant_signed_with_another_key(struct line *l)
{
	struct plx_public_key key = plx_keys_own(pub_keys);
	int fds[PLX_GRANT_FDS];

	prepare(l, liar_keys);
	memcpy(l->step.send + offsetof(struct plx_handshake_challenge, key), key.bytes, sizeof(key.bytes));
	say(l, l->step.send, l->step.send_size);
	if (liar_recv(l->fd, l->proof, sizeof(l->proof), fds, 5000) <= 0)
		return;
	l->host.proof.heard = true; /* it need not hold, for us */
	l->host.state = PLX_HOST_ADMIT;
	sign_grant(l);
	send_grant(l);
}

/* Of the subscriber's own making: signed by its role, not by ours. */
static void a_grant_with_their_own_signature(struct line *l)
{
	if (!ask(l))
		return;
	sign_grant(l);
	memcpy(l->step.send + sizeof(struct plx_handshake_grant),
	       l->proof + offsetof(struct plx_handshake_proof, signature),
	       sizeof(struct plx_handshake_signature));
	send_grant(l);
}

/* The first one that is connected is left waiting; what was signed for it is said to all others. */
static void a_grant_of_another_connection(struct line *l)
{
	static struct line first;

	if (!ask(l))
		return;
	if (!first.step.send_size) {
		sign_grant(l);
		first = *l;
	} else {
		grant_with(l, first.step.send, SIGNED_SIZE, first.files, PLX_GRANT_FDS);
	}
}

static void a_grant_with_a_byte_changed(struct line *l)
{
	static size_t at = 16;

	if (!ask(l))
		return;
	sign_grant(l);
	if (at >= offsetof(struct plx_handshake_grant, start) &&
	    at < offsetof(struct plx_handshake_grant, slot_size))
		at = offsetof(struct plx_handshake_grant, slot_size); /* start is not signed */
	l->step.send[at] ^= 1;
	at = (at + 7) % (SIGNED_SIZE - 16) + 16;
	send_grant(l);
}

/* The right words, with other memories. */
static void a_grant_with_one_file_exchanged(struct line *l)
{
	if (!ask(l))
		return;
	sign_grant(l);
	l->files[l->fd % PLX_GRANT_FDS] = memfd_create("another", MFD_CLOEXEC);
	send_grant(l);
}

static void a_grant_with_its_files_in_another_order(struct line *l)
{
	int kept;

	if (!ask(l))
		return;
	sign_grant(l);
	kept = l->files[PLX_GRANT_FD_DATA];
	l->files[PLX_GRANT_FD_DATA] = l->files[PLX_GRANT_FD_LINK];
	l->files[PLX_GRANT_FD_LINK] = kept;
	send_grant(l);
}

static void a_grant_without_descriptors(struct line *l)
{
	if (!ask(l))
		return;
	sign_grant(l);
	grant_with(l, l->step.send, l->step.send_size, NULL, 0);
}

static void a_grant_with_two_descriptors(struct line *l)
{
	if (!ask(l))
		return;
	sign_grant(l);
	grant_with(l, l->step.send, l->step.send_size, l->files, 2);
}

static void a_grant_with_a_hundred_descriptors(struct line *l)
{
	if (!ask(l))
		return;
	sign_grant(l);
	(void)!liar_send(l->fd, l->step.send, l->step.send_size, l->files[0], 100);
}

static void a_grant_cut_before_its_signature(struct line *l)
{
	if (!ask(l))
		return;
	sign_grant(l);
	grant_with(l, l->step.send, sizeof(struct plx_handshake_grant), l->files, PLX_GRANT_FDS);
}

static void a_grant_cut_within_its_signature(struct line *l)
{
	if (!ask(l))
		return;
	sign_grant(l);
	grant_with(l, l->step.send, SIGNED_SIZE - 1, l->files, PLX_GRANT_FDS);
}

/* All that was signed holds. It makes no memory of what is none. */
static void a_good_signature_below_bad_memory(struct line *l)
{
	if (!ask(l))
		return;
	sign_grant(l);
	send_grant(l);
}

static void a_refusal_after_the_proof(struct line *l)
{
	const struct plx_refusal refusal = {
		.error = EDQUOT, .version_min = 1, .version_max = 1, .text = "not today"
	};
	unsigned char bytes[PLX_HANDSHAKE_MAX];

	if (ask(l))
		say(l, bytes, plx_refuse_encode(bytes, &refusal));
}

static void a_refusal_that_brings_descriptors(struct line *l)
{
	const struct plx_refusal refusal = {
		.error = EDQUOT, .version_min = 1, .version_max = 1, .text = "no"
	};
	static const int files[PLX_GRANT_FDS] = { 0, 1, 2 };
	unsigned char bytes[PLX_HANDSHAKE_MAX];

	if (ask(l))
		grant_with(l, bytes, plx_refuse_encode(bytes, &refusal), files, PLX_GRANT_FDS);
}

/* ---- L's life ------------------------------------------------------------------------------------- */

static void play(void (*attack)(struct line *))
{
	static struct line lines[LINES];

	name = (uint64_t)getpid() << 32 | 0x1a1;
	pub_keys = crowd_keys(&crowd, "pub");
	liar_keys = crowd_keys(&crowd, "liar");
	MUST(plx_listener_open(&listener, &crowd.place, name) == 0);
	for (int i = 0;; i = (i + 1) % LINES) {
		struct pollfd p = { .fd = listener.fd, .events = POLLIN };
		struct line *l = &lines[i];
		int fds[PLX_GRANT_FDS];
		ssize_t n;

		if (l->fd > 0)
			close(l->fd);
		for (int k = 0; k < PLX_GRANT_FDS; k++) {
			if (l->files[k] > 0)
				close(l->files[k]);
		}
		*l = (struct line){ .fd = -1 };
		MUST(poll(&p, 1, 120000) == 1);
		MUST(plx_listener_accept(&listener, &l->fd) == 0);
		n = liar_recv(l->fd, l->hello, sizeof(l->hello), fds, 5000);
		if (n <= 0)
			continue;
		l->hello_size = (uint32_t)n;
		attack(l);
	}
}

/* ---- what must come of it ------------------------------------------------------------------------- */

struct attack {
	const char *name;
	void (*run)(struct line *);
	int error; /* why our subscriber refuses it */
};

static void hear(void)
{
	struct plx_buffer b;
	int ret;

	while ((ret = plx_subscriber_take(sub, &b)) == 1) {
		assert_true(numbered_good(&b));
		assert_true(b.sequence >= next_message);
		next_message = b.sequence + 1;
		plx_buffer_release(&b);
	}
	assert_int_equal(ret, 0);
	ret = plx_subscriber_wait(sub, 1000000);
	assert_true(ret == 0 || ret == -ETIMEDOUT);
}

static pid_t liar_start(const struct attack *attack)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	alarm(150);
	close_range(3, ~0u, 0); /* the subscriber's sockets above all */
	play(attack->run);
	_exit(1);
}

static void liar_end(pid_t pid)
{
	char command[4200];
	int status;

	assert_true(kill(pid, SIGKILL) == 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL); /* it did what it should */
	/* somebody may have found out before us that it is dead */
	snprintf(command, sizeof(command), "rm -f '%s/hostile+keyed/%d-'*", crowd.dir, (int)pid);
	assert_int_equal(system(command), 0);
}

static uint32_t publishers(void)
{
	struct plx_subscriber_stats stats;

	plx_subscriber_stats(sub, &stats);
	return stats.publishers;
}

static void it_is_refused_and_the_honest_are_heard(void **state)
{
	const struct attack *attack = *state;
	struct plx_subscriber_stats before, after;
	uint64_t message, end = plx_now_ns() + UINT64_C(30000000000);
	int fds = count_open_fds(), maps = count_maps("memfd:");
	pid_t liar;

	hear();
	plx_subscriber_stats(sub, &before);
	message = next_message;
	liar = liar_start(attack);
	do {
		hear();
		plx_subscriber_stats(sub, &after);
		/* on a busy machine a liar may be too slow for its own lie: it is asked again */
	} while ((after.refused == before.refused ||
		  (after.refused_why == -ETIMEDOUT && attack->error != -ETIMEDOUT)) &&
		 plx_now_ns() < end);
	if (after.refused == before.refused)
		fail_msg("%s: not refused", attack->name);
	if (after.refused_why != attack->error)
		fail_msg("%s: %s (%d), not %s", attack->name, plx_subscriber_refusal(sub), after.refused_why,
			 plx_strerror(attack->error));
	assert_true(plx_subscriber_refusal(sub)[0] != '\0');
	assert_int_equal(after.publishers, 1); /* P */
	while (next_message < message + 20 && plx_now_ns() < end)
		hear();
	assert_true(next_message >= message + 20);
	crowd_is_well(&crowd);
	liar_end(liar);
	while ((count_open_fds() != fds || count_maps("memfd:") != maps) && plx_now_ns() < end)
		hear();
	assert_int_equal(count_open_fds(), fds);
	assert_int_equal(count_maps("memfd:"), maps);
	if (!WITHIN(10000, fds_of(crowd.publisher) == crowd.fds + CROWD_FDS)) /* ours, beside theirs */
		fail_msg("P has %d descriptors, not %d", fds_of(crowd.publisher), crowd.fds + CROWD_FDS);
}

static int open_all(void **state)
{
	struct plx_subscriber_options opt = { .type = NUMBERED_TYPE, .reading = PLX_READ_LOSSY };

	(void)state;
	crowd_open(&crowd, "hostile/keyed", true);
	own = crowd_keys(&crowd, "sub");
	opt.keys = own;
	opt.directory = crowd.dir;
	assert_int_equal(plx_subscriber_open(&sub, crowd.topic, &opt), 0);
	assert_true(WITHIN(10000, (hear(), publishers() == 1)));
	return 0;
}

static int close_all(void **state)
{
	(void)state;
	plx_subscriber_close(sub);
	plx_keys_close(own);
	crowd_close(&crowd);
	return 0;
}

static void the_honest_end_well(void **state)
{
	(void)state;
	plx_subscriber_close(sub);
	sub = NULL;
	crowd_is_looked_at(&crowd);
	crowd_ends_well(&crowd);
}

/* clang-format off */
#define ATTACKS(X) \
	X(a_grant_without_being_asked_for_a_key, -EKEYREJECTED) \
	X(a_signed_grant_before_the_challenge, -EKEYREJECTED) \
	X(a_wake_byte_instead_of_an_answer, -EPROTO) \
	X(its_own_hello_back, -EPROTO) \
	X(nothing_at_all, -ETIMEDOUT) \
	X(a_hang_up_instead_of_a_challenge, -EPIPE) \
	X(a_challenge_by_a_key_nobody_trusts, -EKEYREJECTED) \
	X(a_challenge_about_another_segment, -EKEYREJECTED) \
	X(a_challenge_of_another_process, -EKEYREJECTED) \
	X(a_challenge_from_another_namespace, -EKEYREJECTED) \
	X(a_challenge_of_version_zero, -EPROTO) \
	X(a_challenge_of_a_version_to_come, -EPROTO) \
	X(a_challenge_with_unknown_flags, -EBADMSG) \
	X(a_challenge_with_reserved_bytes, -EBADMSG) \
	X(a_challenge_cut_short, -EBADMSG) \
	X(a_challenge_with_more_behind_it, -EBADMSG) \
	X(a_challenge_larger_than_any_message, -EBADMSG) \
	X(a_challenge_that_brings_descriptors, -EPROTO) \
	X(two_challenges, -EPROTO) \
	X(the_honest_publishers_challenge, -EKEYREJECTED) \
	X(nothing_after_the_proof, -ETIMEDOUT) \
	X(stopped_after_the_proof, -ETIMEDOUT) \
	X(a_hang_up_after_the_proof, -EPIPE) \
	X(another_challenge_after_the_proof, -EPROTO) \
	X(their_own_proof_back, -EPROTO) \
	X(a_grant_that_is_not_signed_after_all, -EKEYREJECTED) \
	X(a_grant_signed_with_another_key, -EKEYREJECTED) \
	X(a_grant_with_their_own_signature, -EKEYREJECTED) \
	X(a_grant_of_another_connection, -EKEYREJECTED) \
	X(a_grant_with_a_byte_changed, -EKEYREJECTED) \
	X(a_grant_with_one_file_exchanged, -EKEYREJECTED) \
	X(a_grant_with_its_files_in_another_order, -EKEYREJECTED) \
	X(a_grant_without_descriptors, -EPROTO) \
	X(a_grant_with_two_descriptors, -EBADMSG) \
	X(a_grant_with_a_hundred_descriptors, -EBADMSG) \
	X(a_grant_cut_before_its_signature, -EKEYREJECTED) \
	X(a_grant_cut_within_its_signature, -EKEYREJECTED) \
	X(a_good_signature_below_bad_memory, -EPERM) \
	X(a_refusal_after_the_proof, -EDQUOT) \
	X(a_refusal_that_brings_descriptors, -EPROTO)

#define ROW(name, error)   { #name, name, error },
#define INDEX(name, error) AT_##name,
#define TEST(name, error)  { #name, it_is_refused_and_the_honest_are_heard, NULL, NULL, &attacks[AT_##name] },
/* clang-format on */

static struct attack attacks[] = { ATTACKS(ROW) };
enum { ATTACKS(INDEX) };

int main(void)
{
	const struct CMUnitTest tests[] = {
		ATTACKS(TEST) cmocka_unit_test(the_honest_end_well),
	};

	return cmocka_run_group_tests_name("hostile publishers without the right key", tests, open_all,
					   close_all);
}
