/*
 * test_trust.c - real publishers and subscribers that prove keys to each other, or belong to other users and groups.
 *
 * Other users are played by children that give up root; without root those tests are skipped. A child reaches the
 * directory through a descriptor, whatever the folders above it allow.
 */
#include "tests/support/support.h"

#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <plx/key.h>
#include <plx/process.h>
#include <plx/publisher.h>
#include <plx/subscriber.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define TOPIC    "trust/test"
#define NOBODY   65534u
#define GROUP    4242u
#define MESSAGES 6
#define SOON_NS  UINT64_C(5000000000)

static char *dir, *base;
static struct plx_keys *pub_keys, *sub_keys, *bad_keys;

static struct plx_keys *make_keys(const char *name)
{
	struct plx_public_key key;
	struct plx_keys *keys;
	char path[4200];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(plx_key_create(path, &key), 0);
	assert_int_equal(plx_keys_open(&keys, path, NULL), 0);
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
	dir = make_directory();
	assert_int_equal(chmod(dir, 0711), 0);
	assert_true(asprintf(&base, "%s/base", dir) > 0);
	pub_keys = make_keys("pub.key");
	sub_keys = make_keys("sub.key");
	bad_keys = make_keys("bad.key");
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
	free(base);
	drop_directory(dir);
	return 0;
}

static struct plx_publisher *publish(const struct plx_keys *keys, struct plx_admit admit)
{
	struct plx_publisher_options opt = {
		.slot_size = 64, .depth = 16, .history = 8, .directory = base, .keys = keys, .admit = admit
	};
	struct plx_publisher *pub;

	assert_int_equal(plx_publisher_open(&pub, TOPIC, &opt), 0);
	return pub;
}

/* ---- keys --------------------------------------------------------------------------------------- */

/* Both in this process: take until a message comes, or a refusal. */
static int first_message(struct plx_subscriber *sub)
{
	uint64_t until = plx_now_ns() + SOON_NS;
	struct plx_subscriber_stats stats;
	struct plx_buffer b;
	int ret;

	while (plx_now_ns() < until) {
		ret = plx_subscriber_take(sub, &b);
		if (ret == 1) {
			plx_buffer_release(&b);
			return 1;
		}
		plx_subscriber_stats(sub, &stats);
		if (stats.refused)
			return stats.refused_why;
		if (ret < 0)
			return ret;
		(void)!plx_subscriber_wait(sub, 10000000);
	}
	return -ETIMEDOUT;
}

static int talk(struct plx_publisher *pub, const struct plx_keys *keys, char *text)
{
	struct plx_subscriber_options opt = { .history = 1, .directory = base, .keys = keys };
	struct plx_subscriber *sub;
	int ret;

	assert_int_equal(plx_publisher_send(pub, "x", 1), 0);
	assert_int_equal(plx_subscriber_open(&sub, TOPIC, &opt), 0);
	ret = first_message(sub);
	snprintf(text, 300, "%s", plx_subscriber_refusal(sub));
	plx_subscriber_close(sub);
	return ret;
}

/* What the publisher has to say about it, within a while. */
static bool told(struct plx_publisher *pub, struct plx_refused *refused)
{
	for (int i = 0; i < 2000; i++) {
		if (plx_publisher_refused(pub, refused))
			return true;
		sleep_ms(1);
	}
	return false;
}

static void with_the_right_keys_messages_flow(void **state)
{
	struct plx_publisher *pub;
	struct plx_refused refused;
	char text[300];
	int fds = count_open_fds();

	(void)state;
	pub = publish(pub_keys, (struct plx_admit){ 0 });
	assert_int_equal(talk(pub, sub_keys, text), 1);
	assert_int_equal(talk(pub, sub_keys, text), 1); /* and again: fresh nonces each time */
	assert_false(plx_publisher_refused(pub, &refused));
	plx_publisher_close(pub);
	assert_int_equal(count_open_fds(), fds);
}

static void without_or_with_a_wrong_key_both_sides_are_told_why(void **state)
{
	struct plx_publisher *pub;
	struct plx_refused refused;
	struct plx_publisher_stats stats;
	char text[300];
	int fds = count_open_fds();

	(void)state;
	pub = publish(pub_keys, (struct plx_admit){ 0 });
	assert_int_equal(talk(pub, NULL, text), -EKEYREJECTED);
	assert_non_null(strstr(text, "asks for a key"));
	assert_true(told(pub, &refused));
	assert_int_equal(refused.reason, -EKEYREJECTED);
	assert_int_equal(refused.pid, getpid());
	assert_int_equal(refused.user, geteuid());
	assert_non_null(strstr(refused.text, "hung up"));

	assert_int_equal(talk(pub, bad_keys, text), -EKEYREJECTED);
	assert_non_null(strstr(text, "not among those the publisher trusts"));
	assert_true(told(pub, &refused));
	assert_non_null(strstr(refused.text, "not among those the publisher trusts"));
	assert_false(plx_publisher_refused(pub, &refused)); /* once */
	plx_publisher_stats(pub, &stats);
	assert_int_equal(stats.refused, 2);
	assert_int_equal(stats.joined, 0);
	plx_publisher_close(pub);

	pub = publish(NULL, (struct plx_admit){ 0 });
	assert_int_equal(talk(pub, sub_keys, text), -EKEYREJECTED);
	assert_non_null(strstr(text, "has no key"));
	plx_publisher_close(pub);

	pub = publish(bad_keys, (struct plx_admit){ 0 });
	assert_int_equal(talk(pub, sub_keys, text), -EKEYREJECTED);
	assert_non_null(strstr(text, "not among those we trust"));
	plx_publisher_close(pub);
	assert_int_equal(count_open_fds(), fds);
}

static void who_trusts_nobody_is_told_at_once(void **state)
{
	struct plx_keys *keys = make_keys("lonely.key");
	struct plx_publisher_options p = { .directory = base, .keys = keys };
	struct plx_subscriber_options s = { .directory = base, .keys = keys };
	struct plx_publisher *pub;
	struct plx_subscriber *sub;

	(void)state;
	assert_int_equal(plx_publisher_open(&pub, TOPIC, &p), -EINVAL);
	assert_int_equal(plx_subscriber_open(&sub, TOPIC, &s), -EINVAL);
	plx_keys_close(keys);
}

/* Whichever door is shut on either side, nothing leaks, and afterwards they find each other. */
static void keys_leak_nothing_whichever_door_is_shut(void **state)
{
	struct plx_publisher_options p = {
		.slot_size = 64, .depth = 16, .directory = base, .keys = pub_keys
	};
	struct plx_subscriber_options s = { .directory = base, .keys = sub_keys };
	struct plx_publisher *pub;
	struct plx_subscriber *sub;
	int at, i, fds = count_open_fds();

	(void)state;
	for (at = 0; at < 400; at++) {
		plx_fault_seen = 0;
		plx_fault_at = at;
		if (plx_publisher_open(&pub, TOPIC, &p) == 0) {
			if (plx_subscriber_open(&sub, TOPIC, &s) == 0) {
				for (i = 0; i < 20 && plx_publisher_wait_subscribers(pub, 1, 1000000) < 0;
				     i++)
					(void)!plx_subscriber_wait(sub, 1000000);
				plx_subscriber_close(sub);
			}
			plx_publisher_close(pub);
		}
		plx_fault_at = -1;
		assert_int_equal(count_open_fds(), fds);
		if (plx_fault_seen <= at)
			break;
	}
	assert_true(at >= 60);
	assert_true(at < 400);
}

/* ---- users and groups --------------------------------------------------------------------------- */

/* A subscriber who is somebody else. */
struct other {
	uint32_t user, group, extra; /* extra: a supplementary group, 0 for none */
	struct plx_admit admit;
	bool early; /* there before the publisher */
	int fd;     /* of dir */
};

/* 0: all messages came; 1: CHECK; 20: no way in; 22: refused for its user, or the publisher for its; 21: otherwise; 23: nothing came. */
static int other_subscribes(void *arg)
{
	const struct other *o = arg;
	struct plx_subscriber_options opt = { .history = MESSAGES, .admit = o->admit };
	uint64_t until = plx_now_ns() + 2000000000;
	struct plx_subscriber_stats stats;
	struct plx_subscriber *sub;
	struct plx_buffer b;
	gid_t extra = o->extra;
	char path[64];
	int ret, got = 0;

	CHECK(setgroups(o->extra ? 1 : 0, &extra) == 0);
	CHECK(setresgid(o->group, o->group, o->group) == 0);
	CHECK(setresuid(o->user, o->user, o->user) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d/base", o->fd);
	opt.directory = path;
	ret = plx_subscriber_open(&sub, TOPIC, &opt);
	if (ret < 0)
		return ret == -EACCES ? 20 : 1;
	while (got < MESSAGES && plx_now_ns() < until) {
		ret = plx_subscriber_take(sub, &b);
		if (ret == 1) {
			CHECK(b.length == 1 && *(const char *)b.data == 'a' + got);
			got++;
			plx_buffer_release(&b);
			continue;
		}
		plx_subscriber_stats(sub, &stats);
		if (stats.refused)
			return stats.refused_why == -EACCES ? 22 : 21;
		(void)!plx_subscriber_wait(sub, 20000000);
	}
	plx_subscriber_close(sub);
	return got == MESSAGES ? 0 : 23;
}

static int run_other(struct other o, struct plx_admit admit, struct plx_refused *refused)
{
	struct plx_publisher *pub = NULL;
	int code, status;
	pid_t pid = 0;

	o.fd = open(dir, O_RDONLY | O_DIRECTORY); /* inherited */
	assert_true(o.fd >= 0);
	if (o.early) {
		pub = publish(NULL, admit); /* makes base; the topic's directory goes with it */
		plx_publisher_close(pub);
		fflush(NULL);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			_exit(other_subscribes(&o));
		sleep_ms(150);
	}
	pub = publish(NULL, admit);
	for (char c = 'a'; c < 'a' + MESSAGES; c++)
		assert_int_equal(plx_publisher_send(pub, &c, 1), 0);
	if (o.early) {
		assert_int_equal(waitpid(pid, &status, 0), pid);
		code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	} else {
		code = run_in_child(other_subscribes, &o);
	}
	memset(refused, 0, sizeof(*refused));
	if (code == 22)
		(void)told(pub, refused);
	plx_publisher_close(pub);
	close(o.fd);
	return code;
}

#define NEEDS_ROOT()                                                                                         \
	do {                                                                                                 \
		if (geteuid() != 0)                                                                          \
			skip();                                                                              \
		drop_directory(strdup(base));                                                                \
	} while (0)

static const uint32_t root[] = { 0 }, nobody[] = { NOBODY }, one[] = { 1 }, group[] = { GROUP },
		      two[] = { GROUP, 5 };
#define USERS(list)  ((struct plx_admit){ .users = list, .user_count = COUNT_OF(list) })
#define GROUPS(list) ((struct plx_admit){ .groups = list, .group_count = COUNT_OF(list) })

static void modes_of_base(mode_t wanted, gid_t gid)
{
	struct stat st;

	assert_int_equal(stat(base, &st), 0);
	assert_int_equal(st.st_mode & 07777, wanted);
	assert_int_equal(st.st_gid, gid);
}

static void another_user_comes_in_when_both_say_so(void **state)
{
	struct other o = { .user = NOBODY, .group = NOBODY, .admit = USERS(root) };
	struct plx_refused refused;

	(void)state;
	NEEDS_ROOT();
	assert_int_equal(run_other(o, USERS(nobody), &refused), 0);
	modes_of_base(0755, getegid());
	o.early = true;
	assert_int_equal(run_other(o, USERS(nobody), &refused), 0);
}

static void another_user_stays_out_when_one_of_them_does_not_say_so(void **state)
{
	struct other o = { .user = NOBODY, .group = NOBODY, .admit = USERS(root) };
	struct plx_refused refused;

	(void)state;
	NEEDS_ROOT();
	assert_int_equal(run_other(o, USERS(one), &refused), 22);
	assert_int_equal(refused.reason, -EACCES);
	assert_int_equal(refused.user, NOBODY);
	o.admit = GROUPS(two); /* the publisher is in neither */
	assert_int_equal(run_other(o, USERS(nobody), &refused), 22);
	o.admit = (struct plx_admit){ 0 }; /* and the directory is not its own */
	assert_int_equal(run_other(o, USERS(nobody), &refused), 20);
}

static void a_group_comes_in_and_nobody_else_even_looks(void **state)
{
	struct other o = { .user = NOBODY, .group = NOBODY, .extra = GROUP, .admit = USERS(root) };
	struct plx_refused refused;

	(void)state;
	NEEDS_ROOT();
	assert_int_equal(run_other(o, GROUPS(group), &refused), 0); /* a supplementary one */
	modes_of_base(0750, GROUP);
	o.extra = 0;
	assert_int_equal(run_other(o, GROUPS(group), &refused), 20); /* not in it */
	o.group = GROUP;
	assert_int_equal(run_other(o, GROUPS(group), &refused), 0); /* its first one */
	o.early = true;
	assert_int_equal(run_other(o, GROUPS(group), &refused), 0);
}

static void of_several_groups_each_comes_in(void **state)
{
	struct other o = { .user = NOBODY, .group = NOBODY, .extra = 5, .admit = USERS(root) };
	struct plx_refused refused;

	(void)state;
	NEEDS_ROOT();
	assert_int_equal(run_other(o, GROUPS(two), &refused), 0);
	modes_of_base(0755, getegid());
	o.extra = 6;
	assert_int_equal(run_other(o, GROUPS(two), &refused), 22);
	assert_int_equal(refused.reason, -EACCES);
}

static void one_of_hundreds_of_groups_is_found(void **state)
{
	static gid_t many[300];
	int pair[2];

	(void)state;
	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < COUNT_OF(many); i++)
		many[i] = (gid_t)(10000 + i);
	many[299] = GROUP;
	assert_int_equal(setgroups(COUNT_OF(many), many), 0);
	assert_int_equal(plx_sys_socketpair(pair), 0);
	assert_int_equal(setgroups(0, NULL), 0);
	assert_int_equal(plx_sys_peer_groups(pair[0], group, 1), 1); /* as it was when they were made */
	assert_int_equal(plx_sys_peer_groups(pair[0], one, 1), 0);
	close(pair[0]);
	close(pair[1]);
}

static void a_directory_that_others_may_write_to_is_refused_whoever_owns_it(void **state)
{
	struct plx_publisher_options p = { .directory = base, .admit = USERS(nobody) };
	struct plx_subscriber_options s = { .directory = base, .admit = USERS(nobody) };
	struct plx_publisher *pub;
	struct plx_subscriber *sub;

	(void)state;
	drop_directory(strdup(base));
	assert_int_equal(plx_subscriber_open(&sub, TOPIC, &s), -ENOENT); /* not made for others */
	assert_int_equal(mkdir(base, 0700), 0);
	assert_int_equal(chmod(base, 0777), 0);
	assert_int_equal(plx_publisher_open(&pub, TOPIC, &p), -EACCES);
	assert_int_equal(plx_subscriber_open(&sub, TOPIC, &s), -EACCES);
	assert_int_equal(chmod(base, 0700), 0);
	if (geteuid() == 0) { /* of somebody who is not named */
		assert_int_equal(chown(base, 1, 1), 0);
		assert_int_equal(plx_subscriber_open(&sub, TOPIC, &s), -EACCES);
		assert_int_equal(chown(base, NOBODY, NOBODY), 0);
		assert_int_equal(plx_subscriber_open(&sub, TOPIC, &s), 0);
		plx_subscriber_close(sub);
		assert_int_equal(plx_publisher_open(&pub, TOPIC, &p),
				 -EACCES); /* a publisher needs its own */
		assert_int_equal(chown(base, 0, 0), 0);
	}
	assert_int_equal(rmdir(base), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(with_the_right_keys_messages_flow),
		cmocka_unit_test(without_or_with_a_wrong_key_both_sides_are_told_why),
		cmocka_unit_test(who_trusts_nobody_is_told_at_once),
		cmocka_unit_test(keys_leak_nothing_whichever_door_is_shut),
		cmocka_unit_test(another_user_comes_in_when_both_say_so),
		cmocka_unit_test(another_user_stays_out_when_one_of_them_does_not_say_so),
		cmocka_unit_test(a_group_comes_in_and_nobody_else_even_looks),
		cmocka_unit_test(of_several_groups_each_comes_in),
		cmocka_unit_test(one_of_hundreds_of_groups_is_found),
		cmocka_unit_test(a_directory_that_others_may_write_to_is_refused_whoever_owns_it),
	};

	return cmocka_run_group_tests(tests, start, end);
}
