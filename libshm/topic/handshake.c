/*
 * handshake.c - the two state machines of handshake.h.
 *
 * Both have the same shape: an input is judged by the state it meets, the first thing wrong ends the connection,
 * and a closed machine answers everything with FAILED. A peer that speaks well but asks for what it cannot have is
 * told why (REFUSE); one that does not speak the protocol gets no answer.
 */
#include "topic/handshake.h"

#include <assert.h>
#include <errno.h>
#include <plx/subscriber.h>
#include <plx/type.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void step_set(struct plx_step *step, enum plx_step_what what, int error)
{
	step->what = what;
	step->error = error;
	step->send_size = 0;
	step->send_fds = 0;
	step->text[0] = '\0';
}

static void step_say(struct plx_step *step, enum plx_step_what what, int error, const char *text)
{
	step_set(step, what, error);
	snprintf(step->text, sizeof(step->text), "%s", text);
}

/* What an event that ends a connection means; @peer is "subscriber" or "publisher". */
static void step_event(struct plx_step *step, enum plx_event event, const char *peer)
{
	switch (event) {
	case PLX_EVENT_DEADLINE:
		step_set(step, PLX_STEP_FAILED, -ETIMEDOUT);
		snprintf(step->text, sizeof(step->text), "the %s did not answer in time", peer);
		break;
	case PLX_EVENT_HANGUP:
		step_set(step, PLX_STEP_FAILED, -EPIPE);
		snprintf(step->text, sizeof(step->text), "the %s hung up", peer);
		break;
	default:
		step_set(step, PLX_STEP_FAILED, -EBADMSG);
		snprintf(step->text, sizeof(step->text), "the %s sent more than a message can hold", peer);
		break;
	}
}

/* ---- publisher's side ------------------------------------------------------------------------------------------ */

void plx_host_init(struct plx_host *host)
{
	memset(host, 0, sizeof(*host));
}

static void host_fail(struct plx_host *host, struct plx_step *step, int error, const char *text)
{
	host->state = PLX_HOST_CLOSED;
	step_say(step, PLX_STEP_FAILED, error, text);
}

static plx_printf(5, 0) void host_vrefuse(struct plx_host *host, struct plx_step *step,
					  const struct plx_offer *offer, int error, const char *format,
					  va_list args)
{
	struct plx_refusal refusal = {
		.error = error,
		.version_min = PLX_HANDSHAKE_VERSION_MIN,
		.version_max = PLX_HANDSHAKE_VERSION_MAX,
		.type = offer->type,
	};
	size_t i;

	host->state = PLX_HOST_CLOSED;
	vsnprintf(refusal.text, sizeof(refusal.text), format, args);
	for (i = 0; refusal.text[i] != '\0';
	     i++) /* a strerror() of another language must not undo the rest */
		if (refusal.text[i] < 0x20 || refusal.text[i] > 0x7e)
			refusal.text[i] = '?';
	step_say(step, PLX_STEP_REFUSED, -error, refusal.text);
	step->send_size = plx_refuse_encode(step->send, &refusal);
}

static plx_printf(5, 6) void host_refuse(struct plx_host *host, struct plx_step *step,
					 const struct plx_offer *offer, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	host_vrefuse(host, step, offer, error, format, args);
	va_end(args);
}

/*
 * The versions of a HELLO, whatever else it says: header and version_min are the same in every version. Called
 * before the rest is judged, because the rest may mean something else by then.
 */
static bool hello_versions(const void *bytes, size_t size, uint16_t *min, uint16_t *max)
{
	struct plx_handshake_hello hello;

	if (size != sizeof(hello))
		return false;
	memcpy(&hello, bytes, sizeof(hello));
	*min = hello.version_min;
	*max = hello.header.version;
	return hello.header.magic == PLX_HANDSHAKE_MAGIC && hello.header.type == PLX_HANDSHAKE_HELLO &&
	       hello.header.size == sizeof(hello) && *min >= 1 && *min <= *max;
}

static void host_hello(struct plx_host *host, struct plx_step *step, const struct plx_offer *offer,
		       const void *bytes, size_t size)
{
	const struct plx_terms *terms = &host->terms;
	uint16_t min, max;
	int ret;

	if (hello_versions(bytes, size, &min, &max) &&
	    (min > PLX_HANDSHAKE_VERSION_MAX || max < PLX_HANDSHAKE_VERSION_MIN)) {
		host_refuse(host, step, offer, EPROTO,
			    "the publisher speaks versions %u to %u of the protocol, the subscriber %u to %u",
			    PLX_HANDSHAKE_VERSION_MIN, PLX_HANDSHAKE_VERSION_MAX, min, max);
		return;
	}
	ret = plx_hello_decode(&host->terms, bytes, size);
	if (ret < 0) {
		host_fail(host, step, ret, "what came is not a well-formed hello");
		return;
	}
	if (strcmp(terms->topic, offer->topic) != 0) {
		host_refuse(host, step, offer, ENOENT, "the publisher has topic %s, not %s", offer->topic,
			    terms->topic);
		return;
	}
	if (terms->type != 0 && terms->type != offer->type) {
		const char *known = plx_type_known(offer->type); /* cut when it does not fit */

		host_refuse(host, step, offer, EPROTOTYPE,
			    "topic %s has messages of type 0x%08x, the subscriber wants type 0x%08x%s%s",
			    offer->topic, offer->type, terms->type, known ? "; here is " : "",
			    known ? known : "");
		return;
	}
	if (offer->subscribers >= offer->subscribers_max) {
		host_refuse(host, step, offer, EUSERS,
			    "topic %s has all the subscribers its publisher allows (%u)", offer->topic,
			    offer->subscribers_max);
		return;
	}
	host->version = terms->version_max < PLX_HANDSHAKE_VERSION_MAX ? terms->version_max
								       : PLX_HANDSHAKE_VERSION_MAX;
	host->state = PLX_HOST_ADMIT;
	step_set(step, PLX_STEP_ADMIT, 0);
}

void plx_host_input(struct plx_host *host, struct plx_step *step, const struct plx_offer *offer,
		    const void *bytes, size_t size, unsigned int fds)
{
	switch (host->state) {
	case PLX_HOST_HELLO:
		if (fds != 0)
			host_fail(host, step, -EPROTO, "descriptors came with a hello");
		else
			host_hello(host, step, offer, bytes, size);
		break;
	case PLX_HOST_ADMIT:
		host_fail(host, step, -EPROTO, "the subscriber spoke before it was answered");
		break;
	case PLX_HOST_GRANTED: host_fail(host, step, -EPROTO, "the subscriber spoke after the grant"); break;
	default: host_fail(host, step, -EPROTO, "the connection is closed"); break;
	}
}

void plx_host_grant(struct plx_host *host, struct plx_step *step, const struct plx_grant *grant)
{
	struct plx_grant g = *grant;

	assert(host->state == PLX_HOST_ADMIT);
	g.version = host->version;
	host->state = PLX_HOST_GRANTED;
	step_set(step, PLX_STEP_GRANTED, 0);
	step->send_size = plx_grant_encode(step->send, &g);
	step->send_fds = PLX_GRANT_FDS;
}

void plx_host_refuse(struct plx_host *host, struct plx_step *step, const struct plx_offer *offer, int error,
		     const char *format, ...)
{
	va_list args;

	assert(host->state == PLX_HOST_ADMIT);
	va_start(args, format);
	host_vrefuse(host, step, offer, error, format, args);
	va_end(args);
}

void plx_host_event(struct plx_host *host, struct plx_step *step, enum plx_event event)
{
	if (host->state == PLX_HOST_GRANTED && event == PLX_EVENT_DEADLINE) {
		step_set(step, PLX_STEP_WAIT, 0); /* the deadline was for the handshake */
		return;
	}
	host->state = PLX_HOST_CLOSED;
	step_event(step, event, "subscriber");
}

/* ---- subscriber's side ----------------------------------------------------------------------------------------- */

void plx_guest_init(struct plx_guest *guest, const struct plx_terms *terms)
{
	memset(guest, 0, sizeof(*guest));
	guest->terms = *terms;
	guest->terms.version_min = PLX_HANDSHAKE_VERSION_MIN;
	guest->terms.version_max = PLX_HANDSHAKE_VERSION_MAX;
}

void plx_guest_start(struct plx_guest *guest, struct plx_step *step)
{
	assert(guest->state == PLX_GUEST_NEW);
	guest->state = PLX_GUEST_ANSWER;
	step_set(step, PLX_STEP_SEND, 0);
	step->send_size = plx_hello_encode(step->send, &guest->terms);
}

static void guest_fail(struct plx_guest *guest, struct plx_step *step, int error, const char *text)
{
	guest->state = PLX_GUEST_CLOSED;
	step_say(step, PLX_STEP_FAILED, error, text);
}

static void guest_granted(struct plx_guest *guest, struct plx_step *step, const void *bytes, size_t size,
			  unsigned int fds)
{
	struct plx_grant grant;
	int ret;

	if (fds != PLX_GRANT_FDS) {
		guest_fail(guest, step, -EPROTO,
			   "the publisher's grant came with a wrong number of descriptors");
		return;
	}
	ret = plx_grant_decode(&grant, bytes, size);
	if (ret < 0) {
		guest_fail(guest, step, ret, "the publisher's grant is not well-formed");
		return;
	}
	if (guest->terms.type != 0 && grant.type != guest->terms.type) {
		guest->state = PLX_GUEST_CLOSED;
		step_set(step, PLX_STEP_FAILED, -EPROTOTYPE);
		snprintf(step->text, sizeof(step->text),
			 "the publisher granted messages of type 0x%08x, we want type 0x%08x", grant.type,
			 guest->terms.type);
		return;
	}
	guest->grant = grant;
	guest->state = PLX_GUEST_GRANTED;
	step_set(step, PLX_STEP_GRANTED, 0);
}

static void guest_refused(struct plx_guest *guest, struct plx_step *step, const void *bytes, size_t size,
			  unsigned int fds)
{
	int ret;

	if (fds != 0) {
		guest_fail(guest, step, -EPROTO, "descriptors came with the publisher's refusal");
		return;
	}
	ret = plx_refuse_decode(&guest->refusal, bytes, size);
	if (ret < 0) {
		guest_fail(guest, step, ret, "the publisher's refusal is not well-formed");
		return;
	}
	guest->state = PLX_GUEST_CLOSED;
	step_say(step, PLX_STEP_REFUSED, -guest->refusal.error, guest->refusal.text);
}

static uint16_t message_type(const void *bytes, size_t size)
{
	struct plx_handshake_header header;

	if (size < sizeof(header))
		return 0;
	memcpy(&header, bytes, sizeof(header));
	return header.magic == PLX_HANDSHAKE_MAGIC ? header.type : 0;
}

static void guest_answer(struct plx_guest *guest, struct plx_step *step, const void *bytes, size_t size,
			 unsigned int fds)
{
	switch (message_type(bytes, size)) {
	case PLX_HANDSHAKE_GRANT: guest_granted(guest, step, bytes, size, fds); break;
	case PLX_HANDSHAKE_REFUSE: guest_refused(guest, step, bytes, size, fds); break;
	case PLX_HANDSHAKE_CHALLENGE:
		guest_fail(guest, step, -EKEYREJECTED, "the publisher asks for a key, and we have none");
		break;
	default: guest_fail(guest, step, -EPROTO, "what answered does not speak the protocol"); break;
	}
}

static void guest_let_go(struct plx_guest *guest, struct plx_step *step, int error)
{
	const char *text;

	switch (error) {
	case ETIMEDOUT: text = "the publisher waited long enough for us to read, and let us go"; break;
	case EDQUOT: text = "the publisher let us go: we hold more slots than our quota"; break;
	case EPROTO:
	case EBADMSG: text = "the publisher let us go: it says that our link makes no sense"; break;
	default: text = "the publisher let us go"; break;
	}
	guest->state = PLX_GUEST_CLOSED;
	step_say(step, PLX_STEP_LET_GO, -error, text);
}

static void guest_wake(struct plx_guest *guest, struct plx_step *step, const void *bytes, size_t size,
		       unsigned int fds)
{
	unsigned char byte;

	if (size != 1 || fds != 0) {
		guest_fail(guest, step, -EPROTO, "the publisher sent something else than a wake-up");
		return;
	}
	memcpy(&byte, bytes, 1);
	if (byte == PLX_WAKE_LOOK)
		step_set(step, PLX_STEP_WAKE, 0);
	else
		guest_let_go(guest, step, byte);
}

void plx_guest_input(struct plx_guest *guest, struct plx_step *step, const void *bytes, size_t size,
		     unsigned int fds)
{
	switch (guest->state) {
	case PLX_GUEST_NEW: guest_fail(guest, step, -EPROTO, "the publisher spoke first"); break;
	case PLX_GUEST_ANSWER: guest_answer(guest, step, bytes, size, fds); break;
	case PLX_GUEST_GRANTED: guest_wake(guest, step, bytes, size, fds); break;
	default: guest_fail(guest, step, -EPROTO, "the connection is closed"); break;
	}
}

void plx_guest_event(struct plx_guest *guest, struct plx_step *step, enum plx_event event)
{
	if (guest->state == PLX_GUEST_GRANTED && event == PLX_EVENT_DEADLINE) {
		step_set(step, PLX_STEP_WAIT, 0);
		return;
	}
	guest->state = PLX_GUEST_CLOSED;
	step_event(step, event, "publisher");
}
