/* test_handshake.c - the codec refuses every byte that is wrong, the machines every step that is out of turn. */
#include "topic/handshake.h"

#include <errno.h>
#include <plx/subscriber.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct plx_terms TERMS = {
	.version_min = 1,
	.version_max = 1,
	.reading = PLX_READ_LOSSY,
	.polling = true,
	.history = 17,
	.type = 0xfeed,
	.quota = 3,
	.patience_ns = 1234567890123,
	.topic = "robot/camera",
};

static const struct plx_grant GRANT = {
	.version = 1,
	.segment = 0x1111222233334444,
	.link = 0x5555666677778888,
	.data_size = 1 << 20,
	.link_size = 4096,
	.start = 12345,
	.slot_size = 4096,
	.depth = 256,
	.slots = 64,
	.history = 16,
	.quota = 8,
	.type = 0xfeed,
};

static const struct plx_refusal REFUSAL = {
	.error = EUSERS,
	.version_min = 1,
	.version_max = 1,
	.type = 0xfeed,
	.text = "no room",
};

static const struct plx_offer OFFER = { "robot/camera", 0xfeed, 3, 10 };

/* One kind of message, so that one loop serves all three. */
struct message {
	const char *name;
	uint32_t (*encode)(unsigned char *bytes);
	int (*decode)(void *value, const void *bytes, size_t size);
	uint32_t (*again)(unsigned char *bytes, const void *value);
};

static uint32_t encode_hello(unsigned char *b)
{
	return plx_hello_encode(b, &TERMS);
}

static int decode_hello(void *v, const void *b, size_t n)
{
	return plx_hello_decode(v, b, n);
}

static uint32_t again_hello(unsigned char *b, const void *v)
{
	return plx_hello_encode(b, v);
}

static uint32_t encode_grant(unsigned char *b)
{
	return plx_grant_encode(b, &GRANT);
}

static int decode_grant(void *v, const void *b, size_t n)
{
	return plx_grant_decode(v, b, n);
}

static uint32_t again_grant(unsigned char *b, const void *v)
{
	return plx_grant_encode(b, v);
}

static uint32_t encode_refuse(unsigned char *b)
{
	return plx_refuse_encode(b, &REFUSAL);
}

static int decode_refuse(void *v, const void *b, size_t n)
{
	return plx_refuse_decode(v, b, n);
}

static uint32_t again_refuse(unsigned char *b, const void *v)
{
	return plx_refuse_encode(b, v);
}

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
	for (i = 0; i < COUNT(MESSAGES); i++) {
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
	for (i = 0; i < COUNT(MESSAGES); i++) {
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
	for (i = 0; i < COUNT(MESSAGES); i++) {
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
	try_lies(&MESSAGES[0], HELLO_LIES, COUNT(HELLO_LIES));
	try_lies(&MESSAGES[1], GRANT_LIES, COUNT(GRANT_LIES));
	try_lies(&MESSAGES[2], REFUSE_LIES, COUNT(REFUSE_LIES));
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

/* ---- the machines ---------------------------------------------------------------------------------------------- */

static void hello_of(unsigned char *bytes, const struct plx_terms *terms)
{
	memset(bytes, 0, PLX_HANDSHAKE_MAX);
	assert_int_equal(plx_hello_encode(bytes, terms), sizeof(struct plx_handshake_hello));
}

static void host_hears(struct plx_host *host, struct plx_step *step, const struct plx_terms *terms)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];

	plx_host_init(host);
	hello_of(bytes, terms);
	plx_host_input(host, step, &OFFER, bytes, sizeof(struct plx_handshake_hello), 0);
}

static void an_honest_pair_comes_to_a_grant(void **state)
{
	struct plx_guest guest;
	struct plx_host host;
	struct plx_step ask, answer, step;

	(void)state;
	plx_guest_init(&guest, &TERMS);
	plx_host_init(&host);

	plx_guest_start(&guest, &ask);
	assert_int_equal(ask.what, PLX_STEP_SEND);
	assert_int_equal(ask.send_fds, 0);
	plx_host_input(&host, &answer, &OFFER, ask.send, ask.send_size, 0);
	assert_int_equal(answer.what, PLX_STEP_ADMIT);
	assert_int_equal(answer.send_size, 0);
	assert_string_equal(host.terms.topic, TERMS.topic);
	assert_int_equal(host.terms.history, TERMS.history);
	assert_true(host.terms.polling);
	assert_int_equal(host.terms.reading, PLX_READ_LOSSY);

	plx_host_grant(&host, &answer, &GRANT);
	assert_int_equal(answer.what, PLX_STEP_GRANTED);
	assert_int_equal(answer.send_fds, PLX_GRANT_FDS);
	plx_guest_input(&guest, &step, answer.send, answer.send_size, PLX_GRANT_FDS);
	assert_int_equal(step.what, PLX_STEP_GRANTED);
	assert_int_equal(guest.grant.start, GRANT.start);
	assert_int_equal(guest.grant.segment, GRANT.segment);
	assert_int_equal(guest.grant.link, GRANT.link);
	assert_int_equal(guest.grant.version, 1);

	plx_guest_input(&guest, &step, "\0", 1, 0);
	assert_int_equal(step.what, PLX_STEP_WAKE);
	plx_guest_event(&guest, &step, PLX_EVENT_DEADLINE); /* was for the handshake */
	assert_int_equal(step.what, PLX_STEP_WAIT);
	plx_host_event(&host, &step, PLX_EVENT_DEADLINE);
	assert_int_equal(step.what, PLX_STEP_WAIT);
	plx_guest_input(&guest, &step, "\x6e", 1, 0);
	assert_int_equal(step.what, PLX_STEP_LET_GO);
	assert_int_equal(step.error, -110);
	plx_guest_input(&guest, &step, "\0", 1, 0);
	assert_int_equal(step.what, PLX_STEP_FAILED);
}

/* What the publisher cannot give, the subscriber is told in words. */
static void refusal_is(const struct plx_terms *terms, const struct plx_offer *offer, int error,
		       const char *text)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	struct plx_guest guest;
	struct plx_host host;
	struct plx_step step, heard;

	hello_of(bytes, terms);
	plx_host_init(&host);
	plx_host_input(&host, &step, offer, bytes, sizeof(struct plx_handshake_hello), 0);
	assert_int_equal(step.what, PLX_STEP_REFUSED);
	assert_int_equal(step.error, error);
	assert_int_equal(step.send_fds, 0);
	assert_string_equal(step.text, text);

	plx_guest_init(&guest, terms);
	plx_guest_start(&guest, &heard);
	plx_guest_input(&guest, &heard, step.send, step.send_size, 0);
	assert_int_equal(heard.what, PLX_STEP_REFUSED);
	assert_int_equal(heard.error, error);
	assert_string_equal(heard.text, text);

	plx_host_input(&host, &step, offer, bytes, sizeof(struct plx_handshake_hello),
		       0); /* no second chance */
	assert_int_equal(step.what, PLX_STEP_FAILED);
	plx_guest_input(&guest, &heard, bytes, sizeof(struct plx_handshake_refuse), 0);
	assert_int_equal(heard.what, PLX_STEP_FAILED);
}

static void what_cannot_be_is_refused_in_words(void **state)
{
	struct plx_terms terms = TERMS;
	struct plx_offer offer = OFFER;

	(void)state;
	terms.type = 0xbeef;
	refusal_is(
		&terms, &OFFER, -EPROTOTYPE,
		"topic robot/camera has messages of type 0x0000feed, the subscriber wants type 0x0000beef");
	terms = TERMS;
	offer.subscribers = offer.subscribers_max = 7;
	refusal_is(&terms, &offer, -EUSERS,
		   "topic robot/camera has all the subscribers its publisher allows (7)");
	snprintf(terms.topic, sizeof(terms.topic), "robot/arm");
	refusal_is(&terms, &OFFER, -ENOENT, "the publisher has topic robot/camera, not robot/arm");
	terms.version_min = 7;
	terms.version_max = 9;
	refusal_is(&terms, &OFFER, -EPROTO,
		   "the publisher speaks versions 1 to 1 of the protocol, the subscriber 7 to 9");
}

static void a_subscriber_of_a_later_version_that_still_speaks_ours_is_admitted(void **state)
{
	struct plx_terms terms = TERMS;
	struct plx_host host;
	struct plx_step step;

	(void)state;
	terms.version_max = 99;
	host_hears(&host, &step, &terms);
	assert_int_equal(step.what, PLX_STEP_ADMIT);
	assert_int_equal(host.version, PLX_HANDSHAKE_VERSION_MAX);
}

static void a_hello_of_another_age_is_answered_whatever_else_it_says(void **state)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	struct plx_handshake_hello hello;
	struct plx_host host;
	struct plx_step step;

	(void)state;
	hello_of(bytes, &TERMS);
	memcpy(&hello, bytes, sizeof(hello));
	hello.version_min = 2;
	hello.header.version = 3;
	memset(hello.topic, 0xff, sizeof(hello.topic));
	memset(hello.reserved, 0xff, sizeof(hello.reserved));
	plx_host_init(&host);
	plx_host_input(&host, &step, &OFFER, &hello, sizeof(hello), 0);
	assert_int_equal(step.what, PLX_STEP_REFUSED);
	assert_int_equal(step.error, -EPROTO);
}

static void a_subscriber_without_a_wish_takes_any_type(void **state)
{
	struct plx_terms terms = TERMS;
	struct plx_host host;
	struct plx_step step;

	(void)state;
	terms.type = 0;
	host_hears(&host, &step, &terms);
	assert_int_equal(step.what, PLX_STEP_ADMIT);
}

static void the_publisher_may_refuse_what_it_has_admitted(void **state)
{
	struct plx_host host;
	struct plx_step step;
	struct plx_refusal refusal;

	(void)state;
	host_hears(&host, &step, &TERMS);
	plx_host_refuse(&host, &step, &OFFER, ENOMEM, "no memory\n for %d\x80 more", 1);
	assert_int_equal(step.what, PLX_STEP_REFUSED);
	assert_int_equal(step.error, -ENOMEM);
	assert_int_equal(plx_refuse_decode(&refusal, step.send, step.send_size), 0);
	assert_string_equal(refusal.text, "no memory? for 1? more");
	host_hears(&host, &step, &TERMS);
	plx_host_refuse(&host, &step, &OFFER, ENOMEM, "%0400d", 1); /* longer than there is room for */
	assert_int_equal(plx_refuse_decode(&refusal, step.send, step.send_size), 0);
	assert_int_equal(strlen(refusal.text), PLX_REFUSE_TEXT_MAX);
}

static void a_hello_with_descriptors_gets_no_answer(void **state)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	struct plx_host host;
	struct plx_step step;
	unsigned int fds;

	(void)state;
	hello_of(bytes, &TERMS);
	for (fds = 1; fds < 5; fds++) {
		plx_host_init(&host);
		plx_host_input(&host, &step, &OFFER, bytes, sizeof(struct plx_handshake_hello), fds);
		assert_int_equal(step.what, PLX_STEP_FAILED);
		assert_int_equal(step.send_size, 0);
		assert_int_equal(step.error, -EPROTO);
	}
}

static void what_is_no_hello_gets_no_answer(void **state)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	struct plx_host host;
	struct plx_step step;
	size_t size;

	(void)state;
	for (size = 0; size <= PLX_HANDSHAKE_MAX; size++) {
		if (size == sizeof(struct plx_handshake_hello))
			continue;
		hello_of(bytes, &TERMS);
		plx_host_init(&host);
		plx_host_input(&host, &step, &OFFER, bytes, size, 0);
		assert_int_equal(step.what, PLX_STEP_FAILED);
		assert_int_equal(step.send_size, 0);
	}
	plx_host_init(&host);
	plx_host_input(&host, &step, &OFFER, "GET / HTTP/1.1\r\n\r\n", 18, 0);
	assert_int_equal(step.what, PLX_STEP_FAILED);
}

static void a_subscriber_that_speaks_out_of_turn_is_let_go(void **state)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	struct plx_host host;
	struct plx_step step;

	(void)state;
	hello_of(bytes, &TERMS);
	host_hears(&host, &step, &TERMS);
	plx_host_input(&host, &step, &OFFER, bytes, sizeof(struct plx_handshake_hello), 0);
	assert_int_equal(step.what, PLX_STEP_FAILED);
	assert_int_equal(step.error, -EPROTO);

	host_hears(&host, &step, &TERMS);
	plx_host_grant(&host, &step, &GRANT);
	plx_host_input(&host, &step, &OFFER, "\0", 1, 0);
	assert_int_equal(step.what, PLX_STEP_FAILED);
	assert_int_equal(step.error, -EPROTO);
}

/* A guest that said hello and hears @bytes. */
static void guest_hears(struct plx_guest *guest, struct plx_step *step, const void *bytes, size_t size,
			unsigned int fds)
{
	plx_guest_init(guest, &TERMS);
	plx_guest_start(guest, step);
	plx_guest_input(guest, step, bytes, size, fds);
}

static void a_grant_with_a_wrong_number_of_descriptors_is_refused(void **state)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	struct plx_guest guest;
	struct plx_step step;
	unsigned int fds;

	(void)state;
	plx_grant_encode(bytes, &GRANT);
	for (fds = 0; fds < 6; fds++) {
		guest_hears(&guest, &step, bytes, sizeof(struct plx_handshake_grant), fds);
		assert_int_equal(step.what, fds == PLX_GRANT_FDS ? PLX_STEP_GRANTED : PLX_STEP_FAILED);
		assert_int_equal(step.error, fds == PLX_GRANT_FDS ? 0 : -EPROTO);
	}
	plx_refuse_encode(bytes, &REFUSAL);
	for (fds = 0; fds < 4; fds++) {
		guest_hears(&guest, &step, bytes, sizeof(struct plx_handshake_refuse), fds);
		assert_int_equal(step.what, fds == 0 ? PLX_STEP_REFUSED : PLX_STEP_FAILED);
	}
}

static void a_grant_of_another_type_than_asked_for_is_refused(void **state)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	struct plx_grant grant = GRANT;
	struct plx_guest guest;
	struct plx_step step;

	(void)state;
	grant.type = 1;
	plx_grant_encode(bytes, &grant);
	guest_hears(&guest, &step, bytes, sizeof(struct plx_handshake_grant), PLX_GRANT_FDS);
	assert_int_equal(step.what, PLX_STEP_FAILED);
	assert_int_equal(step.error, -EPROTOTYPE);
	assert_string_equal(step.text,
			    "the publisher granted messages of type 0x00000001, we want type 0x0000feed");
}

static void what_is_no_answer_is_refused(void **state)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	struct plx_handshake_header header = { PLX_HANDSHAKE_MAGIC, PLX_HANDSHAKE_CHALLENGE, 1,
					       sizeof(header), 0 };
	struct plx_guest guest;
	struct plx_step step;

	(void)state;
	hello_of(bytes, &TERMS); /* an echo */
	guest_hears(&guest, &step, bytes, sizeof(struct plx_handshake_hello), 0);
	assert_int_equal(step.what, PLX_STEP_FAILED);
	assert_int_equal(step.error, -EPROTO);
	guest_hears(&guest, &step, "\0", 1, 0); /* a wake-up before the grant */
	assert_int_equal(step.what, PLX_STEP_FAILED);
	guest_hears(&guest, &step, bytes, 0, 0);
	assert_int_equal(step.what, PLX_STEP_FAILED);
	guest_hears(&guest, &step, &header, sizeof(header), 0);
	assert_int_equal(step.what, PLX_STEP_FAILED);
	assert_int_equal(step.error, -EKEYREJECTED);
	plx_guest_init(&guest, &TERMS); /* an answer before the question */
	plx_grant_encode(bytes, &GRANT);
	plx_guest_input(&guest, &step, bytes, sizeof(struct plx_handshake_grant), PLX_GRANT_FDS);
	assert_int_equal(step.what, PLX_STEP_FAILED);
}

static void after_the_grant_only_single_bytes_are_heard(void **state)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	struct plx_guest guest;
	struct plx_step step;
	unsigned int byte;
	size_t size;

	(void)state;
	plx_grant_encode(bytes, &GRANT);
	for (size = 0; size <= PLX_HANDSHAKE_MAX; size++) {
		guest_hears(&guest, &step, bytes, sizeof(struct plx_handshake_grant), PLX_GRANT_FDS);
		plx_guest_input(&guest, &step, bytes, size, 0);
		if (size != 1)
			assert_int_equal(step.what, PLX_STEP_FAILED);
	}
	for (byte = 0; byte < 256; byte++) {
		unsigned char b = (unsigned char)byte;

		guest_hears(&guest, &step, bytes, sizeof(struct plx_handshake_grant), PLX_GRANT_FDS);
		plx_guest_input(&guest, &step, &b, 1, 0);
		assert_int_equal(step.what, byte ? PLX_STEP_LET_GO : PLX_STEP_WAKE);
		assert_int_equal(step.error, -(int)byte);
		assert_true((step.text[0] != '\0') == (byte != 0));
	}
	guest_hears(&guest, &step, bytes, sizeof(struct plx_handshake_grant), PLX_GRANT_FDS);
	plx_guest_input(&guest, &step, "\0", 1, 2);
	assert_int_equal(step.what, PLX_STEP_FAILED);
}

static void an_event_ends_every_state_with_its_reason(void **state)
{
	static const struct {
		enum plx_event event;
		int error;
	} events[] = { { PLX_EVENT_DEADLINE, -ETIMEDOUT },
		       { PLX_EVENT_HANGUP, -EPIPE },
		       { PLX_EVENT_TRUNCATED, -EBADMSG } };
	struct plx_guest guest;
	struct plx_host host;
	struct plx_step step;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(events); i++) {
		plx_host_init(&host);
		plx_host_event(&host, &step, events[i].event);
		assert_int_equal(step.what, PLX_STEP_FAILED);
		assert_int_equal(step.error, events[i].error);
		assert_int_equal(host.state, PLX_HOST_CLOSED);
		host_hears(&host, &step, &TERMS);
		plx_host_event(&host, &step, events[i].event);
		assert_int_equal(step.error, events[i].error);

		plx_guest_init(&guest, &TERMS);
		plx_guest_start(&guest, &step);
		plx_guest_event(&guest, &step, events[i].event);
		assert_int_equal(step.what, PLX_STEP_FAILED);
		assert_int_equal(step.error, events[i].error);
		assert_int_equal(guest.state, PLX_GUEST_CLOSED);
		assert_true(step.text[0] != '\0');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_encoded_decodes_to_the_same),
		cmocka_unit_test(every_truncation_and_every_extra_byte_is_refused),
		cmocka_unit_test(nothing_is_accepted_but_what_encode_would_write),
		cmocka_unit_test(every_field_that_lies_is_refused),
		cmocka_unit_test(a_text_without_an_end_is_refused),
		cmocka_unit_test(an_honest_pair_comes_to_a_grant),
		cmocka_unit_test(what_cannot_be_is_refused_in_words),
		cmocka_unit_test(a_subscriber_of_a_later_version_that_still_speaks_ours_is_admitted),
		cmocka_unit_test(a_hello_of_another_age_is_answered_whatever_else_it_says),
		cmocka_unit_test(a_subscriber_without_a_wish_takes_any_type),
		cmocka_unit_test(the_publisher_may_refuse_what_it_has_admitted),
		cmocka_unit_test(a_hello_with_descriptors_gets_no_answer),
		cmocka_unit_test(what_is_no_hello_gets_no_answer),
		cmocka_unit_test(a_subscriber_that_speaks_out_of_turn_is_let_go),
		cmocka_unit_test(a_grant_with_a_wrong_number_of_descriptors_is_refused),
		cmocka_unit_test(a_grant_of_another_type_than_asked_for_is_refused),
		cmocka_unit_test(what_is_no_answer_is_refused),
		cmocka_unit_test(after_the_grant_only_single_bytes_are_heard),
		cmocka_unit_test(an_event_ends_every_state_with_its_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
