/* test_hash.c - the hash is BLAKE2b-256, in whatever pieces the bytes come. */
#include "base/hash.h"

#include <errno.h>
#include <string.h>

#include "base/sys.h"
#include "tests/support/support.h"

static void sum_of(const char *bytes, size_t size, size_t piece, uint8_t sum[PLX_HASH_BYTES])
{
	struct plx_hash hash;

	assert_int_equal(plx_hash_begin(&hash), 0);
	for (size_t at = 0; at < size; at += piece)
		plx_hash_add(&hash, bytes + at, size - at < piece ? size - at : piece);
	plx_hash_end(&hash, sum);
}

static void the_sum_of_abc_is_the_one_everybody_gets(void **state)
{
	static const uint8_t known[PLX_HASH_BYTES] = { /* b2sum -l 256 */
						       0xbd, 0xdd, 0x81, 0x3c, 0x63, 0x42, 0x39, 0x72,
						       0x31, 0x71, 0xef, 0x3f, 0xee, 0x98, 0x57, 0x9b,
						       0x94, 0x96, 0x4e, 0x3b, 0xb1, 0xcb, 0x3e, 0x42,
						       0x72, 0x62, 0xc8, 0xc0, 0x68, 0xd5, 0x23, 0x19
	};
	uint8_t sum[PLX_HASH_BYTES];

	(void)state;
	sum_of("abc", 3, 3, sum);
	assert_memory_equal(sum, known, sizeof(sum));
}

static void pieces_do_not_matter_but_every_byte_does(void **state)
{
	char bytes[1000];
	uint8_t whole[PLX_HASH_BYTES], other[PLX_HASH_BYTES];

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	sum_of(bytes, sizeof(bytes), sizeof(bytes), whole);
	for (size_t piece = 1; piece < sizeof(bytes); piece = piece * 3 + 1) {
		sum_of(bytes, sizeof(bytes), piece, other);
		assert_memory_equal(whole, other, sizeof(whole));
	}
	bytes[500] ^= 1;
	sum_of(bytes, sizeof(bytes), sizeof(bytes), other);
	assert_memory_not_equal(whole, other, sizeof(whole));
}

static void a_hash_that_cannot_begin_says_so(void **state)
{
	struct plx_hash hash;

	(void)state;
	plx_fault_seen = 0;
	plx_fault_at = 0;
	assert_int_equal(plx_hash_begin(&hash), -EIO);
	plx_fault_at = -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sum_of_abc_is_the_one_everybody_gets),
		cmocka_unit_test(pieces_do_not_matter_but_every_byte_does),
		cmocka_unit_test(a_hash_that_cannot_begin_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
