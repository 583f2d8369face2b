/*
 * test_doors.c - a publisher or a subscriber is killed at each door to the kernel, on its whole way. Timeout: 180
 *
 * What is stepped instruction by instruction makes no system calls; the rest of the way, from opening over the handshake to
 * closing, is nothing but system calls with a little between them. So here a child dies at the first door, the next one
 * at the second, ... until one comes through. The other side goes on, and afterwards holds what it held before: descriptors,
 * maps, slots; and a successor finds the place clean.
 */
#include "tests/libshm/topic/pair.h"

#include <dirent.h>
#include <sys/mman.h>

#include "base/sys.h"

#define MESSAGES 12u
#define DOORS    5000

static void fill(unsigned char *bytes, uint64_t number, uint64_t length)
{
	for (uint64_t i = 0; i < length; i++)
		bytes[i] = (unsigned char)(number * 31 + i + 1);
}

static uint64_t length_of(uint64_t number)
{
	return number % 2 ? 20 : 200;
}

static bool intact(const struct plx_buffer *b, uint64_t number)
{
	unsigned char bytes[256];

	fill(bytes, number, length_of(number));
	return b->length == length_of(number) && memcmp(b->data, bytes, b->length) == 0;
}

static int send_number(struct plx_publisher *pub, uint64_t number)
{
	unsigned char bytes[256];

	fill(bytes, number, length_of(number));
	return plx_publisher_send(pub, bytes, length_of(number));
}

/* Names in the directory of the topic; 0 also when there is none. */
static int names(void)
{
	char path[512];
	DIR *dir;
	int n = 0;

	snprintf(path, sizeof(path), "%s/test+topic", directory);
	dir = opendir(path);
	if (!dir)
		return 0;
	for (struct dirent *d = readdir(dir); d; d = readdir(dir))
		n += strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0;
	closedir(dir);
	return n;
}

static void die_at(int door)
{
	plx_fault_seen = 0;
	plx_fault_kill = 1;
	plx_fault_at = door;
}

/* Has it ended? Then *@how says how, as finish() would. */
static bool ended(pid_t pid, int *how)
{
	int status;

	if (waitpid(pid, &status, WNOHANG) != pid)
		return false;
	*how = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
	return true;
}

/* With keys each opens its own, after it was forked: a secret does not travel into a child. */
static bool keyed;

static struct plx_keys *keys_of(const char *name)
{
	struct plx_public_key key;
	struct plx_keys *keys;
	char path[600];

	if (!keyed)
		return NULL;
	snprintf(path, sizeof(path), "%s/%s.key", directory, name);
	if (plx_keys_open(&keys, path, NULL) < 0)
		abort();
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s.key", directory, i ? "pub" : "sub");
		if (plx_key_public(path, &key, NULL) < 0 || plx_keys_trust_key(keys, &key) < 0)
			abort();
	}
	return keys;
}

static struct plx_keys *pub_keys, *sub_keys; /* of the parent */

static int setup_with_keys(void **state)
{
	struct plx_public_key key;
	char path[600];

	if (pair_setup(state) < 0)
		return -1;
	keyed = true;

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s.key", directory, i ? "pub" : "sub");
		if (plx_key_create(path, &key) < 0)
			return -1;
	}
	pub_keys = keys_of("pub");
	sub_keys = keys_of("sub");
	return 0;
}

static int teardown_with_keys(void **state)
{
	plx_keys_close(pub_keys);
	plx_keys_close(sub_keys);
	pub_keys = sub_keys = NULL;
	keyed = false;
	return pair_teardown(state);
}

static uint64_t *sent; /* messages the child published, in memory we share with it */

/* ---- the publisher dies ------------------------------------------------------------------------------- */

static int publish(void *arg)
{
	struct plx_publisher_options opt = PLX_PUBLISHER_DEFAULTS;
	struct plx_publisher *pub = NULL;

	opt.directory = directory;
	opt.depth = 16; /* more than MESSAGES: nobody need read */
	opt.slots = 16;
	opt.slot_size = 256;
	opt.history = 4;
	opt.linger_ns = SECOND / 200;
	opt.keys = keys_of("pub");
	die_at(*(int *)arg);
	CHECK(plx_publisher_open(&pub, TOPIC, &opt) == 0);
	CHECK(plx_publisher_wait_subscribers(pub, 1, 10 * SECOND) == 0);
	for (uint64_t i = 0; i < MESSAGES; i++) {
		CHECK(send_number(pub, i) == 0);
		__atomic_store_n(sent, i + 1, __ATOMIC_RELAXED);
	}
	plx_publisher_end(pub, 0);
	plx_publisher_close(pub);
	return 0;
}

struct heard {
	uint64_t messages;
	int end; /* what take said last: 0 while there was no end */
};

/* Everything @sub can take now; false when it is wrong. */
static bool hear(struct plx_subscriber *sub, struct heard *h)
{
	struct plx_buffer b;
	int ret;

	while ((ret = plx_subscriber_take(sub, &b)) != 0) {
		if (ret < 0) {
			h->end = ret;
			return ret == -EPIPE || ret == -ESHUTDOWN;
		}
		if (b.sequence != h->messages || !intact(&b, h->messages))
			return false;
		h->messages++;
		plx_buffer_release(&b);
	}
	return true;
}

/* Until the child is gone, and with it its connection. @late: take nothing before. */
static void listen_to(struct plx_subscriber *sub, pid_t pid, struct heard *h, int *how, bool late)
{
	uint64_t end = plx_now_ns() + 20 * SECOND;
	struct plx_subscriber_stats stats;
	bool gone = false;

	for (;;) {
		bool was_gone = gone;

		if (late && !gone) {
			(void)!plx_subscriber_arm(sub); /* sees to the connection; waiting would not wait */
			usleep(200);
		} else {
			(void)!plx_subscriber_wait(sub, 1000 * 1000);
		}
		if ((gone || !late) && !hear(sub, h))
			fail_msg("after %llu messages: another one, or %s", (unsigned long long)h->messages,
				 plx_strerror(h->end));
		plx_subscriber_stats(sub, &stats);
		if (was_gone && stats.publishers == 0)
			return;
		gone = gone || ended(pid, how);
		if (plx_now_ns() > end)
			fail_msg("a dead publisher is still connected");
	}
}

static void successor_is_heard(struct plx_subscriber *sub)
{
	struct plx_publisher_options opt = PLX_PUBLISHER_DEFAULTS;
	struct plx_publisher *pub;
	struct heard h = { 0 };

	opt.slot_size = 256;
	opt.keys = pub_keys;
	pub = publisher(opt);
	assert_true(connected(sub, 1));
	assert_int_equal(send_number(pub, 0), 0);
	plx_publisher_close(pub);
	while (h.end == 0) {
		assert_true(hear(sub, &h));
		if (h.end == 0)
			(void)!plx_subscriber_wait(sub, SECOND);
	}
	assert_int_equal(h.end, -ESHUTDOWN);
	assert_int_equal(h.messages, 1);
}

/* Whoever comes next finds out which names are of the dead, and removes them. */
static void newcomer_tidies_up(void)
{
	struct plx_subscriber *sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);

	assert_int_equal(plx_subscriber_wait(sub, 1), -ETIMEDOUT);
	plx_subscriber_close(sub);
}

static void kill_publishers(bool late)
{
	int fds = count_open_fds(), maps = count_maps("memfd:"), how = -1, door;

	sent = mmap(NULL, sizeof(*sent), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(sent != MAP_FAILED);
	for (door = 0; how != 0 && door < DOORS; door++) {
		struct heard h = { 0 };
		struct plx_subscriber *sub;
		pid_t pid;

		*sent = 0;
		pid = start(publish, &door);
		sub = subscriber((struct plx_subscriber_options){ .keys = sub_keys });
		listen_to(sub, pid, &h, &how, late);
		if (how != 0 && how != -SIGKILL)
			fail_msg("door %d: the publisher ended with %d", door, how);
		if (how == 0 || h.end == -ESHUTDOWN) {
			assert_int_equal(h.messages, MESSAGES);
			assert_int_equal(h.end, -ESHUTDOWN);
		}
		if (h.end == -EPIPE && (h.messages < *sent || h.messages > *sent + 1))
			fail_msg("door %d: %llu messages were published, and %llu came", door,
				 (unsigned long long)*sent, (unsigned long long)h.messages);
		if (h.messages && h.end == 0)
			fail_msg("door %d: it died, and nobody said so", door);
		if (door % 8 == 0 || how == 0)
			successor_is_heard(sub);
		plx_subscriber_close(sub);
		newcomer_tidies_up();
		if (names() != 0)
			fail_msg("door %d: a name is left behind", door);
		assert_int_equal(count_open_fds(), fds);
		assert_int_equal(count_maps("memfd:"), maps);
	}
	assert_int_equal(how, 0);
	munmap(sent, sizeof(*sent));
	printf("doors: publisher%s: %d of %d doors survived\n", late ? ", read late" : "", door, door);
}

static void a_publisher_killed_at_any_door_costs_its_subscriber_nothing_but_the_rest(void **state)
{
	(void)state;
	kill_publishers(false);
}

static void what_it_published_is_there_also_for_who_reads_after_its_death(void **state)
{
	(void)state;
	kill_publishers(true);
}

/* ---- a subscriber dies ----------------------------------------------------------------------------------- */

static int subscribe(void *arg)
{
	struct plx_subscriber_options opt = PLX_SUBSCRIBER_DEFAULTS;
	struct plx_subscriber *sub = NULL;
	struct plx_buffer held[3];

	opt.directory = directory;
	opt.spin_ns = 0;
	opt.keys = keys_of("sub");
	die_at(*(int *)arg);
	CHECK(plx_subscriber_open(&sub, TOPIC, &opt) == 0);
	for (int i = 0; i < 3; i++)
		CHECK(take(sub, &held[i]) == 1);
	for (int i = 0; i < 4; i++) {
		struct plx_buffer b;

		CHECK(take(sub, &b) == 1);
		plx_buffer_release(&b);
	}
	for (int i = 0; i < 3; i++)
		plx_buffer_release(&held[i]);
	plx_subscriber_close(sub);
	return 0;
}

/* Publish on until the child is gone; the other subscriber must get it all. */
static int publish_on(struct plx_publisher *pub, struct plx_subscriber *other, uint64_t *number,
		      struct heard *h, pid_t pid)
{
	uint64_t end = plx_now_ns() + 20 * SECOND;
	int how = -1, more = 20;

	for (bool gone = false; more;) {
		int ret = send_number(pub, *number);

		if (ret == 0)
			++*number;
		else if (ret != -EAGAIN)
			fail_msg("publishing: %s", plx_strerror(ret));
		assert_true(hear(other, h));
		assert_int_equal(h->end, 0);
		plx_subscriber_flush(other);
		if (!gone)
			gone = ended(pid, &how);
		else if (ret == 0)
			more--;
		if (!gone || ret < 0)
			usleep(100);
		if (plx_now_ns() > end)
			fail_msg("a dead subscriber holds its publisher up");
	}
	return how;
}

static void alone_again(struct plx_publisher *pub, struct plx_subscriber *other, struct heard *h)
{
	struct plx_publisher_stats stats;
	struct plx_loan loans[9];
	uint64_t end = plx_now_ns() + 10 * SECOND;
	uint32_t n = 0;

	do {
		plx_publisher_stats(pub, &stats);
		usleep(100);
	} while (stats.subscribers != 1 && plx_now_ns() < end);
	assert_int_equal(stats.subscribers, 1);
	assert_true(hear(other, h));
	plx_subscriber_flush(other);
	while (n < COUNT_OF(loans) && plx_publisher_loan(pub, &loans[n]) == 0)
		n++;
	assert_int_equal(n, 8);
	while (n)
		plx_publisher_drop(pub, &loans[--n]);
}

static void a_publisher_with_keys_killed_at_any_door_costs_its_subscriber_nothing_but_the_rest(void **state)
{
	(void)state;
	kill_publishers(false);
}

static void a_subscriber_killed_at_any_door_leaves_everything_to_the_others(void **state)
{
	struct plx_publisher_options opt = PLX_PUBLISHER_DEFAULTS;
	struct plx_publisher *pub;
	struct plx_subscriber *other;
	struct heard h = { 0 };
	uint64_t number = 0;
	int fds, maps, how = -1, door;

	(void)state;
	opt.depth = 8;
	opt.slots = 8;
	opt.slot_size = 256;
	opt.full = PLX_FULL_FAIL;
	opt.keys = pub_keys;
	pub = publisher(opt);
	other = subscriber((struct plx_subscriber_options){ .keys = sub_keys });
	assert_true(connected(other, 1));
	for (int i = fds = 0; i < 5; i++) { /* the control thread closes what it has sent */
		sleep_ms(20);
		if (count_open_fds() != fds)
			i = 0;
		fds = count_open_fds();
	}
	maps = count_maps("memfd:");
	for (door = 0; how != 0 && door < DOORS; door++) {
		how = publish_on(pub, other, &number, &h, start(subscribe, &door));
		if (how != 0 && how != -SIGKILL)
			fail_msg("door %d: the subscriber ended with %d", door, how);
		alone_again(pub, other, &h);
		assert_int_equal(h.messages, number);
		for (int i = 0; count_open_fds() != fds && i < 30000; i++)
			sleep_ms(1); /* the control thread buries it */
		if (count_open_fds() != fds)
			fail_msg("door %d: %d descriptors, and %d before", door, count_open_fds(), fds);
		assert_int_equal(count_maps("memfd:"), maps);
	}
	assert_int_equal(how, 0);
	plx_publisher_close(pub);
	plx_subscriber_close(other);
	assert_int_equal(names(), 0);
	printf("doors: subscriber: %d of %d doors survived\n", door, door);
}

static void a_subscriber_with_keys_killed_at_any_door_leaves_everything_to_the_others(void **state)
{
	a_subscriber_killed_at_any_door_leaves_everything_to_the_others(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_publisher_killed_at_any_door_costs_its_subscriber_nothing_but_the_rest, pair_setup,
			pair_teardown),
		cmocka_unit_test_setup_teardown(what_it_published_is_there_also_for_who_reads_after_its_death,
						pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(
			a_subscriber_killed_at_any_door_leaves_everything_to_the_others, pair_setup,
			pair_teardown),
		cmocka_unit_test_setup_teardown(
			a_publisher_with_keys_killed_at_any_door_costs_its_subscriber_nothing_but_the_rest,
			setup_with_keys, teardown_with_keys),
		cmocka_unit_test_setup_teardown(
			a_subscriber_with_keys_killed_at_any_door_leaves_everything_to_the_others,
			setup_with_keys, teardown_with_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
