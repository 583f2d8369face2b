/* test_handshake_codec.c - every byte of a handshake message that is wrong is refused. */
#include "tests/libshm/topic/samples.h"

#include "tests/support/support.h"

#include "topic/handshake.h"

#include <errno.h>
#include <string.h>

/* One kind of message, so that one loop serves all three. */
struct message {
	const char *name;
	uint32_t (*encode)(unsigned char *bytes);
	int (*decode)(void *value, const void *bytes, size_t size);
	uint32_t (*again)(unsigned char *bytes, const void *value);
};

#define CODEC(name, sample)                                                                                  \
	static uint32_t encode_##name(unsigned char *b)                                                      \
	{                                                                                                    \
		return plx_##name##_encode(b, &(sample));                                                    \
	}                                                                                                    \
	static int decode_##name(void *v, const void *b, size_t n)                                           \
	{                                                                                                    \
		return plx_##name##_decode(v, b, n);                                                         \
	}                                                                                                    \
	static uint32_t again_##name(unsigned char *b, const void *v)                                        \
	{                                                                                                    \
		return plx_##name##_encode(b, v);                                                            \
	}
CODEC(hello, TERMS)
CODEC(grant, GRANT)
CODEC(refuse, REFUSAL)

static const struct message MESSAGES[] = {
	{ "HELLO", encode_hello, decode_hello, again_hello },
	{ "GRANT", encode_grant, decode_grant, again_grant },
	{ "REFUSE", encode_refuse, decode_refuse, again_refuse },
};

union value {
	struct plx_terms terms;
	struct plx_grant grant;
	struct plx_refusal refusal;
};

/* Decode from a heap block of exactly @size bytes, so that AddressSanitizer sees one read too many. */
static int decode_exact(const struct message *m, union value *value, const unsigned char *bytes, size_t size)
{
	unsigned char *copy = malloc(size ? size : 1);
	int ret;

	assert_non_null(copy);
	memcpy(copy, bytes, size);
	ret = m->decode(value, copy, size);
	free(copy);
	return ret;
}

static void what_is_encoded_decodes_to_the_same(void **state)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX], again[PLX_HANDSHAKE_MAX];
	union value value;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(MESSAGES); i++) {
		uint32_t size = MESSAGES[i].encode(bytes);

		assert_true(size <= PLX_HANDSHAKE_MAX);
		assert_int_equal(decode_exact(&MESSAGES[i], &value, bytes, size), 0);
		assert_int_equal(MESSAGES[i].again(again, &value), size);
		assert_memory_equal(bytes, again, size);
	}
}

static void every_truncation_and_every_extra_byte_is_refused(void **state)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX + 64] = { 0 };
	union value value;
	uint32_t size, wrong;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(MESSAGES); i++) {
		size = MESSAGES[i].encode(bytes);
		for (wrong = 0; wrong < sizeof(bytes); wrong++) {
			if (wrong == size)
				continue;
			assert_int_equal(decode_exact(&MESSAGES[i], &value, bytes, wrong), -EBADMSG);
			if (wrong < sizeof(struct plx_handshake_header))
				continue;
			memcpy(bytes + offsetof(struct plx_handshake_header, size), &wrong, sizeof(wrong));
			assert_int_equal(decode_exact(&MESSAGES[i], &value, bytes, wrong),
					 -EBADMSG); /* and says so */
			assert_int_equal(decode_exact(&MESSAGES[i], &value, bytes, size),
					 -EBADMSG); /* or lies */
			memcpy(bytes + offsetof(struct plx_handshake_header, size), &size, sizeof(size));
		}
	}
}

/* Whatever one flipped bit or byte does: refused, or a valid message in the one form it has. */
static void nothing_is_accepted_but_what_encode_would_write(void **state)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX], again[PLX_HANDSHAKE_MAX];
	unsigned int refused = 0, accepted = 0, flip, at;
	union value value, before;
	uint32_t size;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(MESSAGES); i++) {
		size = MESSAGES[i].encode(bytes);
		for (at = 0; at < size; at++) {
			for (flip = 1; flip < 256; flip++) {
				bytes[at] ^= (unsigned char)flip;
				memset(&value, 0xa5, sizeof(value));
				before = value;
				if (decode_exact(&MESSAGES[i], &value, bytes, size) == 0) {
					accepted++;
					assert_int_equal(MESSAGES[i].again(again, &value), size);
					assert_memory_equal(bytes, again, size);
				} else {
					refused++;
					assert_memory_equal(&value, &before, sizeof(value));
				}
				bytes[at] ^= (unsigned char)flip;
			}
		}
	}
	assert_true(refused > accepted);
}

/* One field set to a value it must not have. */
struct lie {
	const char *what;
	size_t off;
	size_t width;
	uint64_t value;
	int error;
};

#define LIE(s, f, v, e)                                                                                      \
	{                                                                                                    \
#f " = " #v, offsetof(struct s, f), sizeof(((struct s *)0)->f), (v), (e)                     \
	}
#define BYTE(s, f, i, v)                                                                                     \
	{                                                                                                    \
#f "[" #i "] = " #v, offsetof(struct s, f) + (i), 1, (v), -EBADMSG                           \
	}

static const struct lie HELLO_LIES[] = {
	LIE(plx_handshake_hello, header.magic, 0x12345678, -EPROTO),
	LIE(plx_handshake_hello, header.magic, 0x504c5853, -EPROTO), /* the other byte order */
	LIE(plx_handshake_hello, header.type, PLX_HANDSHAKE_GRANT, -EPROTO),
	LIE(plx_handshake_hello, header.type, 0, -EPROTO),
	LIE(plx_handshake_hello, header.type, PLX_HANDSHAKE_PROOF, -EPROTO),
	LIE(plx_handshake_hello, header.version, 0, -EBADMSG),
	LIE(plx_handshake_hello, header.size, 127, -EBADMSG),
	LIE(plx_handshake_hello, header.size, 0xffffffff, -EBADMSG),
	LIE(plx_handshake_hello, header.reserved, 1, -EBADMSG),
	LIE(plx_handshake_hello, version_min, 0, -EBADMSG),
	LIE(plx_handshake_hello, version_min, 2, -EBADMSG),
	LIE(plx_handshake_hello, reading, 2, -EBADMSG),
	LIE(plx_handshake_hello, reading, 0xffff, -EBADMSG),
	LIE(plx_handshake_hello, flags, 2, -EBADMSG),
	LIE(plx_handshake_hello, flags, 0x80000001, -EBADMSG),
	BYTE(plx_handshake_hello, topic, 0, 0),
	BYTE(plx_handshake_hello, topic, 0, '/'),
	BYTE(plx_handshake_hello, topic, 3, ' '),
	BYTE(plx_handshake_hello, topic, 3, '\n'),
	BYTE(plx_handshake_hello, topic, 3, 0x80),
	BYTE(plx_handshake_hello, topic, 3, 0),
	BYTE(plx_handshake_hello, topic, 12, '/'),
	BYTE(plx_handshake_hello, topic, 13, 'a'),
	BYTE(plx_handshake_hello, topic, 71, 'a'),
	LIE(plx_handshake_hello, reserved0, 1, -EBADMSG),
	BYTE(plx_handshake_hello, reserved, 0, 1),
	BYTE(plx_handshake_hello, reserved, 7, 0x80),
};

static const struct lie GRANT_LIES[] = {
	LIE(plx_handshake_grant, header.magic, 0, -EPROTO),
	LIE(plx_handshake_grant, header.type, PLX_HANDSHAKE_REFUSE, -EPROTO),
	LIE(plx_handshake_grant, header.version, 0, -EPROTO),
	LIE(plx_handshake_grant, header.version, 2, -EPROTO),
	LIE(plx_handshake_grant, header.size, 0, -EBADMSG),
	LIE(plx_handshake_grant, header.reserved, 0x100, -EBADMSG),
	LIE(plx_handshake_grant, segment, 0, -EBADMSG),
	LIE(plx_handshake_grant, link, 0, -EBADMSG),
	LIE(plx_handshake_grant, link, 0x1111222233334444, -EBADMSG), /* one segment for both */
	LIE(plx_handshake_grant, data_size, 0, -EBADMSG),
	LIE(plx_handshake_grant, data_size, (1 << 20) + 1, -EBADMSG),
	LIE(plx_handshake_grant, data_size, (UINT64_C(1) << 46) + 4096, -EBADMSG),
	LIE(plx_handshake_grant, data_size, UINT64_MAX - 4095, -EBADMSG),
	LIE(plx_handshake_grant, data_size, 4096,
	    -EBADMSG), /* too small for 256 entries and 64 slots of 4096 */
	LIE(plx_handshake_grant, data_size, 256 * 64 + 64 * 4096 - 4096, -EBADMSG),
	LIE(plx_handshake_grant, link_size, 0, -EBADMSG),
	LIE(plx_handshake_grant, link_size, 4095, -EBADMSG),
	LIE(plx_handshake_grant, link_size, (1 << 22) + 4096, -EBADMSG),
	LIE(plx_handshake_grant, start, (UINT64_C(1) << 62) + 1, -EBADMSG),
	LIE(plx_handshake_grant, start, UINT64_MAX, -EBADMSG),
	LIE(plx_handshake_grant, slot_size, 0, -EBADMSG),
	LIE(plx_handshake_grant, slot_size, (UINT64_C(1) << 30) + 1, -EBADMSG),
	LIE(plx_handshake_grant, slot_size, UINT64_C(1) << 58, -EBADMSG), /* times 64 it is 0 */
	LIE(plx_handshake_grant, slot_size, 65536, -EBADMSG),             /* does not fit */
	LIE(plx_handshake_grant, depth, 0, -EBADMSG),
	LIE(plx_handshake_grant, depth, 255, -EBADMSG),
	LIE(plx_handshake_grant, depth, 1 << 21, -EBADMSG),
	LIE(plx_handshake_grant, depth, 0x80000000, -EBADMSG),
	LIE(plx_handshake_grant, slots, 0, -EBADMSG),
	LIE(plx_handshake_grant, slots, (1 << 24) + 1, -EBADMSG),
	LIE(plx_handshake_grant, slots, 0xffffffff, -EBADMSG),
	LIE(plx_handshake_grant, slots, 65536, -EBADMSG), /* does not fit */
	LIE(plx_handshake_grant, history, 257, -EBADMSG),
	LIE(plx_handshake_grant, quota, 0xffffffff, -EBADMSG),
	LIE(plx_handshake_grant, flags, 1, -EBADMSG),
	BYTE(plx_handshake_grant, reserved, 0, 1),
	BYTE(plx_handshake_grant, reserved, 7, 1),
};

static const struct lie REFUSE_LIES[] = {
	LIE(plx_handshake_refuse, header.magic, 1, -EPROTO),
	LIE(plx_handshake_refuse, header.type, PLX_HANDSHAKE_HELLO, -EPROTO),
	LIE(plx_handshake_refuse, header.version, 2, -EPROTO),
	LIE(plx_handshake_refuse, header.size, 255, -EBADMSG),
	LIE(plx_handshake_refuse, header.reserved, 1, -EBADMSG),
	LIE(plx_handshake_refuse, error, 0, -EBADMSG),
	LIE(plx_handshake_refuse, error, 0xffffffff, -EBADMSG),
	LIE(plx_handshake_refuse, error, 0x80000000, -EBADMSG), /* has no positive counterpart */
	LIE(plx_handshake_refuse, error, 4096, -EBADMSG),
	LIE(plx_handshake_refuse, version_min, 0, -EBADMSG),
	LIE(plx_handshake_refuse, version_min, 2, -EBADMSG),
	LIE(plx_handshake_refuse, version_max, 0, -EBADMSG),
	LIE(plx_handshake_refuse, reserved, 1, -EBADMSG),
	BYTE(plx_handshake_refuse, text, 0, 0x1b), /* what a terminal would obey */
	BYTE(plx_handshake_refuse, text, 1, '\n'),
	BYTE(plx_handshake_refuse, text, 1, 0x7f),
	BYTE(plx_handshake_refuse, text, 1, 0xff),
	BYTE(plx_handshake_refuse, text, 8, 'x'), /* behind the end */
	BYTE(plx_handshake_refuse, text, 223, 'x'),
};

static void try_lies(const struct message *m, const struct lie *lies, size_t count)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	union value value;
	uint32_t size;
	size_t i;
	int ret;

	for (i = 0; i < count; i++) {
		size = m->encode(bytes);
		memcpy(bytes + lies[i].off, &lies[i].value,
		       lies[i].width); /* little endian, as the tests run */
		ret = decode_exact(m, &value, bytes, size);
		if (ret != lies[i].error)
			fail_msg("%s with %s: %d, not %d", m->name, lies[i].what, ret, lies[i].error);
	}
}

static void every_field_that_lies_is_refused(void **state)
{
	(void)state;
	try_lies(&MESSAGES[0], HELLO_LIES, COUNT_OF(HELLO_LIES));
	try_lies(&MESSAGES[1], GRANT_LIES, COUNT_OF(GRANT_LIES));
	try_lies(&MESSAGES[2], REFUSE_LIES, COUNT_OF(REFUSE_LIES));
}

static void a_text_without_an_end_is_refused(void **state)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	union value value;
	uint32_t size;

	(void)state;
	size = plx_refuse_encode(bytes, &REFUSAL);
	memset(bytes + offsetof(struct plx_handshake_refuse, text), 'x', PLX_REFUSE_TEXT_MAX + 1);
	assert_int_equal(plx_refuse_decode(&value.refusal, bytes, size), -EBADMSG);
	size = plx_hello_encode(bytes, &TERMS);
	memset(bytes + offsetof(struct plx_handshake_hello, topic), 'x', 72);
	assert_int_equal(plx_hello_decode(&value.terms, bytes, size), -EBADMSG);
	memset(bytes + offsetof(struct plx_handshake_hello, topic) + 65, 0, 7); /* 65 bytes: one too many */
	assert_int_equal(plx_hello_decode(&value.terms, bytes, size), -EBADMSG);
	memset(bytes + offsetof(struct plx_handshake_hello, topic) + 64, 0, 1);
	assert_int_equal(plx_hello_decode(&value.terms, bytes, size), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_encoded_decodes_to_the_same),
		cmocka_unit_test(every_truncation_and_every_extra_byte_is_refused),
		cmocka_unit_test(nothing_is_accepted_but_what_encode_would_write),
		cmocka_unit_test(every_field_that_lies_is_refused),
		cmocka_unit_test(a_text_without_an_end_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
