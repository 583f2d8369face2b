/* test_handshake.c - the machines of both sides: an honest pair comes to a grant, every step out of turn is refused. */
#include "tests/libshm/topic/samples.h"

#include "tests/support/support.h"

#include "topic/handshake.h"

#include <errno.h>
#include <plx/subscriber.h>
#include <string.h>

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
	for (i = 0; i < COUNT_OF(events); i++) {
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
