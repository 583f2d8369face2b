/* test_keys.c - key files: who may read them, what is wrong with them, and whom they trust. */
#include "tests/support/support.h"

#include "base/sys.h"
#include "topic/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static char *dir;
static char why[PLX_KEY_WHY];

static const char *in_dir(const char *name)
{
	static char paths[4][4200];
	static unsigned int turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

static int start(void **state)
{
	(void)state;
	dir = make_directory();
	return plx_sign_start();
}

static int end(void **state)
{
	(void)state;
	drop_directory(dir);
	return 0;
}

/* What a file holds, terminated. */
static size_t slurp(const char *path, char *text, size_t room)
{
	FILE *file = fopen(path, "re");
	size_t n;

	assert_non_null(file);
	n = fread(text, 1, room - 1, file);
	text[n] = '\0';
	fclose(file);
	return n;
}

static const char *put(const char *name, const char *text, size_t size, mode_t mode)
{
	const char *path = in_dir(name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, size), (ssize_t)size);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	return path;
}

static void a_new_key_is_for_our_eyes_only_and_reads_back(void **state)
{
	const char *path = in_dir("new.key");
	struct plx_public_key key, again, own;
	char text[PLX_KEY_TEXT], line[200];
	struct plx_keys *keys;
	struct stat st;
	mode_t mask = umask(0);
	int fds = count_open_fds();

	(void)state;
	assert_int_equal(plx_key_create(path, &key), 0);
	umask(mask);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(plx_key_create(path, &again), -EEXIST); /* and it is still the old one: */
	assert_int_equal(plx_key_public(path, &again, why), 0);
	assert_memory_equal(&again, &key, sizeof(key));
	assert_int_equal(plx_keys_open(&keys, path, why), 0);
	own = plx_keys_own(keys);
	assert_memory_equal(&own, &key, sizeof(key));
	assert_int_equal(plx_keys_count(keys), 0);
	plx_keys_close(keys);
	plx_keys_close(NULL);

	/* the public part of a public file is itself */
	plx_key_text(text, &key);
	snprintf(line, sizeof(line), "# ours\n\n%s camera in the hall\n", text);
	assert_int_equal(plx_key_public(put("a.pub", line, strlen(line), 0644), &again, why), 0);
	assert_memory_equal(&again, &key, sizeof(key));
	assert_int_equal(count_open_fds(), fds);
}

static void two_new_keys_differ(void **state)
{
	struct plx_public_key a, b;

	(void)state;
	assert_int_equal(plx_key_create(in_dir("one.key"), &a), 0);
	assert_int_equal(plx_key_create(in_dir("two.key"), &b), 0);
	assert_memory_not_equal(&a, &b, sizeof(a));
}

static void a_secret_that_others_can_read_is_refused(void **state)
{
	static const mode_t loose[] = { 0640, 0604, 0620, 0602, 0610, 0601, 0644, 0666, 0777 };
	const char *path = in_dir("loose.key");
	struct plx_public_key key;
	struct plx_keys *keys;

	(void)state;
	assert_int_equal(plx_key_create(path, &key), 0);
	for (size_t i = 0; i < COUNT_OF(loose); i++) {
		assert_int_equal(chmod(path, loose[i]), 0);
		assert_int_equal(plx_keys_open(&keys, path, why), -EACCES);
		assert_null(keys);
		assert_non_null(strstr(why, "chmod 600"));
		assert_int_equal(plx_key_public(path, &key, why), -EACCES);
	}
	assert_int_equal(chmod(path, 0400), 0);
	assert_int_equal(plx_keys_open(&keys, path, why), 0);
	plx_keys_close(keys);
}

static void what_is_no_plain_file_of_ours_is_refused(void **state)
{
	const char *path = in_dir("key.fifo");
	struct plx_public_key key;
	struct plx_keys *keys;

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0); /* and nobody writes: it must not hold us */
	assert_int_equal(plx_keys_open(&keys, path, why), -EACCES);
	assert_int_equal(plx_keys_open(&keys, dir, why), -EACCES);
	assert_int_equal(plx_keys_open(&keys, "/dev/null", why), -EACCES);
	assert_int_equal(plx_keys_open(&keys, in_dir("nothing"), why), -ENOENT);
	assert_true(why[0] != '\0');
	if (geteuid() != 0)
		return;
	path = in_dir("other.key");
	assert_int_equal(plx_key_create(path, &key), 0);
	assert_int_equal(chown(path, 65534, 65534), 0);
	assert_int_equal(plx_keys_open(&keys, path, why), -EACCES);
	assert_non_null(strstr(why, "65534"));
}

/* Wherever it is cut, and whichever byte of the key is another one: it is noticed. */
static void a_cut_or_damaged_key_is_refused_at_every_byte(void **state)
{
	char text[1024], bad[1024];
	struct plx_public_key key;
	struct plx_keys *keys;
	uint8_t seed[PLX_SIGN_SEED];
	const char *fault, *secret;
	size_t size, from;

	(void)state;
	assert_int_equal(plx_key_create(in_dir("whole.key"), &key), 0);
	size = slurp(in_dir("whole.key"), text, sizeof(text));
	secret = strstr(text, PLX_KEY_SECRET);
	assert_non_null(secret);
	from = (size_t)(secret - text);
	for (size_t cut = 0; cut + 1 < size; cut++) { /* without the last newline it is whole */
		assert_int_equal(plx_key_parse_secret(seed, text, cut, &fault), -EBADMSG);
		assert_non_null(fault);
		assert_int_equal(plx_keys_open(&keys, put("cut.key", text, cut, 0600), why), -EBADMSG);
		assert_true(why[0] != '\0');
	}
	assert_int_equal(plx_key_parse_secret(seed, text, size - 1, &fault), 0);
	for (size_t at = from; at + 1 < size; at++) {
		for (int bit = 0; bit < 8; bit++) {
			memcpy(bad, text, size);
			bad[at] ^= (char)(1 << bit);
			if (((bad[at] ^ text[at]) & 0xff) == 0x20 && bad[at] >= 'A' && bad[at] <= 'F')
				continue; /* a capital digit is the same digit */
			assert_int_equal(plx_key_parse_secret(seed, bad, size, &fault), -EBADMSG);
		}
	}
	/* twice the same is not one either */
	memcpy(bad, text + from, size - from);
	memcpy(bad + (size - from), text + from, size - from);
	assert_int_equal(plx_key_parse_secret(seed, bad, 2 * (size - from), &fault), -EBADMSG);
	/* nor a large file */
	memset(bad, '#', sizeof(bad));
	{
		static char large[PLX_KEY_SECRET_MAX + 1];

		memset(large, '\n', sizeof(large));
		assert_int_equal(plx_keys_open(&keys, put("large.key", large, sizeof(large), 0600), why),
				 -EBADMSG);
	}
}

static struct plx_keys *fresh_keys(const char *name)
{
	struct plx_public_key key;
	struct plx_keys *keys;

	assert_int_equal(plx_key_create(in_dir(name), &key), 0);
	assert_int_equal(plx_keys_open(&keys, in_dir(name), why), 0);
	return keys;
}

static void all_keys_of_a_file_are_trusted_or_none(void **state)
{
	struct plx_keys *keys = fresh_keys("trust.key");
	struct plx_public_key a, b, stranger;
	char text[512], ta[PLX_KEY_TEXT], tb[PLX_KEY_TEXT];
	int n;

	(void)state;
	assert_int_equal(plx_key_create(in_dir("a.key"), &a), 0);
	assert_int_equal(plx_key_create(in_dir("b.key"), &b), 0);
	assert_int_equal(plx_key_create(in_dir("c.key"), &stranger), 0);
	plx_key_text(ta, &a);
	plx_key_text(tb, &b);
	n = snprintf(text, sizeof(text), "%s\nnonsense\n%s\n", ta, tb);
	assert_int_equal(plx_keys_trust(keys, put("bad.pub", text, (size_t)n, 0644), why), -EBADMSG);
	assert_non_null(strstr(why, "line 2"));
	assert_int_equal(plx_keys_count(keys), 0);
	assert_false(plx_keys_trusts(keys, &a));

	n = snprintf(text, sizeof(text), "# both\r\n%s\r\n\n%s the other  \n%s again\n", ta, tb, ta);
	assert_int_equal(plx_keys_trust(keys, put("both.pub", text, (size_t)n, 0644), why), 0);
	assert_int_equal(plx_keys_count(keys), 2);
	assert_true(plx_keys_trusts(keys, &a));
	assert_true(plx_keys_trusts(keys, &b));
	assert_false(plx_keys_trusts(keys, &stranger));
	assert_int_equal(plx_key_public(in_dir("both.pub"), &a, why), -EBADMSG); /* which one? */

	assert_int_equal(plx_keys_trust(keys, put("none.pub", "# nobody\n", 9, 0644), why), -EBADMSG);
	assert_int_equal(plx_keys_trust(keys, put("empty.pub", "", 0, 0644), why), -EBADMSG);
	assert_int_equal(plx_keys_trust(keys, put("open.pub", text, (size_t)n, 0664), why), -EACCES);
	assert_non_null(strstr(why, "go-w"));
	assert_int_equal(plx_keys_trust(keys, in_dir("a.key"), why), -EBADMSG);
	assert_non_null(strstr(why, "secret key"));
	plx_keys_close(keys);

	/* and the other way round */
	assert_int_equal(plx_keys_open(&keys, put("pub.key", ta, strlen(ta), 0600), why), -EBADMSG);
	assert_non_null(strstr(why, "public key"));
}

/* Digits that are no point of the curve, or one of small order, would be proven by anybody. */
static void numbers_that_are_nobodys_key_are_not_trusted(void **state)
{
	static const char *const bad[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	};
	struct plx_keys *keys = fresh_keys("nobody.key");
	struct plx_public_key key = { { 0 } };
	char text[128];
	int n;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		n = snprintf(text, sizeof(text), PLX_KEY_PUBLIC " %s\n", bad[i]);
		assert_int_equal(plx_keys_trust(keys, put("x.pub", text, (size_t)n, 0644), why), -EBADMSG);
		assert_non_null(strstr(why, "line 1"));
	}
	assert_int_equal(plx_keys_trust_key(keys, &key), -EINVAL);
	assert_int_equal(plx_keys_count(keys), 0);
	plx_keys_close(keys);
}

static void a_signature_is_good_for_one_role_one_digest_one_key(void **state)
{
	struct plx_keys *keys = fresh_keys("sign.key"), *others = fresh_keys("other-sign.key");
	struct plx_public_key own = plx_keys_own(keys), other = plx_keys_own(others);
	uint8_t digest[PLX_SIGN_DIGEST] = { 1, 2, 3 }, signature[PLX_SIGN_SIGNATURE];

	(void)state;
	plx_keys_sign(keys, PLX_KEYS_SUBSCRIBER, digest, signature);
	assert_true(plx_keys_verify(&own, PLX_KEYS_SUBSCRIBER, digest, signature));
	assert_false(plx_keys_verify(&own, PLX_KEYS_PUBLISHER, digest, signature));
	assert_false(plx_keys_verify(&other, PLX_KEYS_SUBSCRIBER, digest, signature));
	digest[31] ^= 1;
	assert_false(plx_keys_verify(&own, PLX_KEYS_SUBSCRIBER, digest, signature));
	digest[31] ^= 1;
	signature[40] ^= 1;
	assert_false(plx_keys_verify(&own, PLX_KEYS_SUBSCRIBER, digest, signature));
	plx_keys_close(keys);
	plx_keys_close(others);
}

static int child_looks(void *secret)
{
	const uint8_t *bytes = secret;

	for (size_t i = 0; i < PLX_SIGN_SECRET; i++)
		CHECK(bytes[i] == 0);
	return 0;
}

static void a_forked_child_has_no_secret(void **state)
{
	void *secret;

	(void)state;
	assert_int_equal(plx_secret_new(&secret), 0);
	memset(secret, 0x5a, PLX_SIGN_SECRET);
	assert_int_equal(run_in_child(child_looks, secret), 0);
	assert_int_equal(*(uint8_t *)secret, 0x5a);
	plx_secret_free(secret);
	plx_secret_free(NULL);
}

/* Whichever call fails: an error, no file half written, nothing leaked. */
static void every_door_may_be_shut(void **state)
{
	struct plx_public_key key;
	struct plx_keys *keys = NULL;
	int at, ret, fds = count_open_fds();

	(void)state;
	for (at = 0;; at++) {
		plx_fault_seen = 0;
		plx_fault_at = at;
		ret = plx_key_create(in_dir("fault.key"), &key);
		plx_fault_at = -1;
		assert_int_equal(count_open_fds(), fds);
		if (ret == 0)
			break;
		assert_int_equal(access(in_dir("fault.key"), F_OK), -1);
	}
	assert_true(at >= 5);
	for (at = 0;; at++) {
		plx_fault_seen = 0;
		plx_fault_at = at;
		why[0] = '\0';
		ret = plx_keys_open(&keys, in_dir("fault.key"), why);
		plx_fault_at = -1;
		assert_int_equal(count_open_fds(), fds);
		assert_true(ret == 0 || why[0] != '\0');
		assert_true((ret == 0) == (keys != NULL));
		plx_keys_close(keys);
		if (ret == 0 && plx_fault_seen <= at)
			break;
	}
	assert_true(at >= 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_key_is_for_our_eyes_only_and_reads_back),
		cmocka_unit_test(two_new_keys_differ),
		cmocka_unit_test(a_secret_that_others_can_read_is_refused),
		cmocka_unit_test(what_is_no_plain_file_of_ours_is_refused),
		cmocka_unit_test(a_cut_or_damaged_key_is_refused_at_every_byte),
		cmocka_unit_test(all_keys_of_a_file_are_trusted_or_none),
		cmocka_unit_test(numbers_that_are_nobodys_key_are_not_trusted),
		cmocka_unit_test(a_signature_is_good_for_one_role_one_digest_one_key),
		cmocka_unit_test(a_forked_child_has_no_secret),
		cmocka_unit_test(every_door_may_be_shut),
	};

	return cmocka_run_group_tests(tests, start, end);
}
