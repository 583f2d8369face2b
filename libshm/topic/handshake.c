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

void plx_host_keys(struct plx_host *host, const struct plx_proof_setup *setup)
{
	assert(host->state == PLX_HOST_HELLO);
	plx_proof_init(&host->proof, setup);
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

static bool host_room(struct plx_host *host, struct plx_step *step, const struct plx_offer *offer)
{
	if (offer->subscribers < offer->subscribers_max)
		return true;
	host_refuse(host, step, offer, EUSERS, "topic %s has all the subscribers its publisher allows (%u)",
		    offer->topic, offer->subscribers_max);
	return false;
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
	if (!host_room(host, step, offer))
		return;
	host->version = terms->version_max < PLX_HANDSHAKE_VERSION_MAX ? terms->version_max
								       : PLX_HANDSHAKE_VERSION_MAX;
	if (host->proof.setup.keys) {
		plx_proof_said(&host->proof, bytes, size);
		host->state = PLX_HOST_PROOF;
		step_set(step, PLX_STEP_SEND, 0);
		step->send_size = plx_proof_challenge(&host->proof, step->send, host->version);
		return;
	}
	host->state = PLX_HOST_ADMIT;
	step_set(step, PLX_STEP_ADMIT, 0);
}

static void host_proof(struct plx_host *host, struct plx_step *step, const struct plx_offer *offer,
		       const void *bytes, size_t size)
{
	char name[PLX_PROOF_NAME];
	const char *why;
	int ret = plx_proof_check(&host->proof, bytes, size, &why);

	if (ret == -EKEYREJECTED) {
		host_refuse(host, step, offer, EKEYREJECTED, "topic %s: %s (key %s...)", offer->topic, why,
			    plx_proof_name(name, &host->proof.peer));
	} else if (ret < 0) {
		host_fail(host, step, ret, why);
	} else if (!host_room(host, step, offer)) { /* others came meanwhile */
	} else {
		host->state = PLX_HOST_ADMIT;
		step_set(step, PLX_STEP_ADMIT, 0);
	}
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
	case PLX_HOST_PROOF:
		if (fds != 0)
			host_fail(host, step, -EPROTO, "descriptors came with a proof");
		else
			host_proof(host, step, offer, bytes, size);
		break;
	case PLX_HOST_ADMIT:
		host_fail(host, step, -EPROTO, "the subscriber spoke before it was answered");
		break;
	case PLX_HOST_GRANTED: host_fail(host, step, -EPROTO, "the subscriber spoke after the grant"); break;
	default: host_fail(host, step, -EPROTO, "the connection is closed"); break;
	}
}

void plx_host_seal(struct plx_host *host, const struct plx_grant *grant, const struct plx_proof_files *files)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	struct plx_grant g = *grant;

	assert(host->state == PLX_HOST_ADMIT);
	if (!host->proof.setup.keys)
		return;
	g.version = host->version;
	g.start = 0;
	plx_grant_encode(bytes, &g);
	plx_proof_seal(&host->proof, bytes, files);
}

void plx_host_grant(struct plx_host *host, struct plx_step *step, const struct plx_grant *grant)
{
	struct plx_grant g = *grant;

	assert(host->state == PLX_HOST_ADMIT);
	g.version = host->version;
	host->state = PLX_HOST_GRANTED;
	step_set(step, PLX_STEP_GRANTED, 0);
	step->send_size = plx_grant_encode(step->send, &g);
	if (host->proof.setup.keys)
		step->send_size = plx_proof_grant(&host->proof, step->send);
	step->send_fds = PLX_GRANT_FDS;
}

void plx_host_refuse(struct plx_host *host, struct plx_step *step, const struct plx_offer *offer, int error,
		     const char *format, ...)
{
	va_list args;

	assert(host->state == PLX_HOST_ADMIT || host->state == PLX_HOST_HELLO);
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
	step_event(step, event, "subscriber");
	if (host->state == PLX_HOST_PROOF && event == PLX_EVENT_HANGUP)
		step_say(step, PLX_STEP_FAILED, -EKEYREJECTED,
			 "the subscriber hung up when it was asked for a key");
	host->state = PLX_HOST_CLOSED;
}

/* ---- subscriber's side ----------------------------------------------------------------------------------------- */

void plx_guest_init(struct plx_guest *guest, const struct plx_terms *terms)
{
	memset(guest, 0, sizeof(*guest));
	guest->terms = *terms;
	guest->terms.version_min = PLX_HANDSHAKE_VERSION_MIN;
	guest->terms.version_max = PLX_HANDSHAKE_VERSION_MAX;
}

void plx_guest_keys(struct plx_guest *guest, const struct plx_proof_setup *setup)
{
	assert(guest->state == PLX_GUEST_NEW);
	plx_proof_init(&guest->proof, setup);
}

void plx_guest_files(struct plx_guest *guest, const struct plx_proof_files *files)
{
	guest->files = *files;
}

void plx_guest_start(struct plx_guest *guest, struct plx_step *step)
{
	assert(guest->state == PLX_GUEST_NEW);
	guest->state = PLX_GUEST_ANSWER;
	step_set(step, PLX_STEP_SEND, 0);
	step->send_size = plx_hello_encode(step->send, &guest->terms);
	if (guest->proof.setup.keys)
		plx_proof_said(&guest->proof, step->send, step->send_size);
}

static void guest_fail(struct plx_guest *guest, struct plx_step *step, int error, const char *text)
{
	guest->state = PLX_GUEST_CLOSED;
	step_say(step, PLX_STEP_FAILED, error, text);
}

/* The user sees which key it was: the beginning of what he can compare. */
static void guest_reject(struct plx_guest *guest, struct plx_step *step, int error, const char *why)
{
	char name[PLX_PROOF_NAME];

	guest_fail(guest, step, error, why);
	if (error == -EKEYREJECTED)
		snprintf(step->text, sizeof(step->text), "%s (key %s...)", why,
			 plx_proof_name(name, &guest->proof.peer));
}

static void guest_challenged(struct plx_guest *guest, struct plx_step *step, const void *bytes, size_t size,
			     unsigned int fds)
{
	const char *why;
	int ret;

	if (fds != 0) {
		guest_fail(guest, step, -EPROTO, "descriptors came with the publisher's challenge");
		return;
	}
	if (!guest->proof.setup.keys) {
		guest_fail(guest, step, -EKEYREJECTED, "the publisher asks for a key, and we have none");
		return;
	}
	step_set(step, PLX_STEP_SEND, 0);
	ret = plx_proof_answer(&guest->proof, bytes, size, step->send, &step->send_size, &why);
	if (ret < 0)
		guest_reject(guest, step, ret, why);
	else
		guest->state = PLX_GUEST_PROVED;
}

static void guest_granted(struct plx_guest *guest, struct plx_step *step, const void *bytes, size_t size,
			  unsigned int fds)
{
	unsigned char plain[PLX_HANDSHAKE_MAX];
	struct plx_grant grant;
	const char *why;
	uint32_t plain_size;
	int ret;

	if (fds != PLX_GRANT_FDS) {
		guest_fail(guest, step, -EPROTO,
			   "the publisher's grant came with a wrong number of descriptors");
		return;
	}
	if (guest->state == PLX_GUEST_PROVED) {
		ret = plx_proof_granted(&guest->proof, bytes, size, &guest->files, plain, &plain_size, &why);
		if (ret < 0) {
			guest_reject(guest, step, ret, why);
			return;
		}
		bytes = plain;
		size = plain_size;
	} else if (guest->proof.setup.keys) {
		guest_fail(guest, step, -EKEYREJECTED,
			   "the publisher has no key, and we take nothing without");
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
		if (guest->state == PLX_GUEST_ANSWER)
			guest_challenged(guest, step, bytes, size, fds);
		else
			guest_fail(guest, step, -EPROTO, "the publisher challenges us twice");
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
	case PLX_GUEST_ANSWER:
	case PLX_GUEST_PROVED: guest_answer(guest, step, bytes, size, fds); break;
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
