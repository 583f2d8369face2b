/* key_pretender.c - a liar who publishes with the wrong key. */
#include "tests/hostile/support/key_pretender.h"

#include "tests/support/numbered.h"

#include "topic/admission.h"
#include "topic/wire.h"

#include <errno.h>
#include <plx/process.h>
#include <plx/subscriber.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>

#define LINES 64 /* connections that L keeps open */

struct plx_keys *pub_keys, *liar_keys;

static struct plx_keys *own;
static struct plx_subscriber *sub;
static uint64_t next_message; /* of P */

/* ---- L ------------------------------------------------------------------------------------------------------------ */

static struct plx_listener listener;
static uint64_t name; /* the id of its segment, it says */

void say_on(struct line *l, const void *bytes, size_t size)
{
	(void)!liar_send(l->fd, bytes, size, -1, 0);
}

static const struct plx_offer offer = { .topic = "hostile/keyed",
					.type = NUMBERED_TYPE,
					.subscribers_max = 9 };

void prepare(struct line *l, const struct plx_keys *keys)
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

bool ask(struct line *l)
{
	int fds[PLX_GRANT_FDS];
	ssize_t n;

	prepare(l, pub_keys);
	say_on(l, l->step.send, l->step.send_size);
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

void sign_grant(struct line *l)
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

void grant_with(struct line *l, const void *bytes, size_t size, const int *files, unsigned int n)
{
	(void)!liar_send_list(l->fd, bytes, size, files, n);
}

void send_grant(struct line *l)
{
	grant_with(l, l->step.send, l->step.send_size, l->files, PLX_GRANT_FDS);
}

void plain_grant(struct line *l)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	struct plx_grant grant = some_grant;
	int files[PLX_GRANT_FDS] = { 0, 1, 2 };

	grant.segment = name;
	grant_with(l, bytes, plx_grant_encode(bytes, &grant), files, PLX_GRANT_FDS);
}

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

	assert_true(kill(pid, SIGKILL) == 0);
	assert_int_equal(child_end(pid), 128 + SIGKILL); /* it did what it should */
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

void it_is_refused_and_the_honest_are_heard(void **state)
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
	crowd_is_alone(&crowd, 1); /* with us */
}

int key_pretender_open(void **state)
{
	struct plx_subscriber_options opt = { .type = NUMBERED_TYPE, .reading = PLX_READ_LOSSY };

	(void)state;
	crowd_open(&crowd, &(struct crowd_setup){ .topic = "hostile/keyed", .keyed = true });
	own = crowd_keys(&crowd, "sub");
	opt.keys = own;
	opt.directory = crowd.dir;
	assert_int_equal(plx_subscriber_open(&sub, crowd.topic, &opt), 0);
	assert_true(WITHIN(10000, (hear(), publishers() == 1)));
	return 0;
}

int key_pretender_close(void **state)
{
	(void)state;
	plx_subscriber_close(sub);
	plx_keys_close(own);
	crowd_close(&crowd);
	return 0;
}

void key_pretender_ends_well(void **state)
{
	(void)state;
	plx_subscriber_close(sub);
	sub = NULL;
	crowd_is_looked_at(&crowd);
	crowd_ends_well(&crowd);
}
