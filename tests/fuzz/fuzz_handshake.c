/*
 * fuzz_handshake.c - whatever bytes come, in whatever order, the handshake answers and keeps its promises.
 *
 * libFuzzer's entry (make fuzz); test_fuzz_handshake.c calls it too. The first byte of an input picks what is tried: one
 * of the three decoders on the rest, or one of the machines on a script of events:
 *
 *	0xff KIND              deadline, hang-up or truncation
 *	FDS SIZE(2) BYTES      a datagram; SIZE is cut to what there is
 *
 * The publisher's machine is granted or refused as soon as it asks, by a bit of the first byte.
 */
#include "topic/handshake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

/* Not assert(): it must hold in every build. */
#define HOLDS(what)                                                                                          \
	do {                                                                                                 \
		if (!(what))                                                                                 \
			abort();                                                                             \
	} while (0)

static const struct plx_offer OFFER = { "robot/camera", 0xfeed, 3, 10 };
static const struct plx_offer FULL = { "robot/camera", 0xfeed, 10, 10 };
static const struct plx_terms TERMS = { .type = 0xfeed, .history = 3, .topic = "robot/camera" };
static const struct plx_grant GRANT = {
	.version = 1,
	.segment = 1,
	.link = 2,
	.data_size = 1 << 20,
	.link_size = 4096,
	.start = 5,
	.slot_size = 4096,
	.depth = 64,
	.slots = 64,
	.history = 4,
	.quota = 8,
	.type = 0xfeed,
};

static bool printable(const char *text)
{
	for (; *text; text++)
		if (*text < 0x20 || *text > 0x7e)
			return false;
	return true;
}

/* A message that is accepted is the one encoding of what it says. */
static void try_decode(unsigned int which, const unsigned char *data, size_t size)
{
	unsigned char again[PLX_HANDSHAKE_MAX];
	struct plx_refusal refusal;
	struct plx_grant grant;
	struct plx_terms terms;
	uint32_t n = 0;
	int ret;

	if (which == 0) {
		ret = plx_hello_decode(&terms, data, size);
		if (ret == 0)
			n = plx_hello_encode(again, &terms);
	} else if (which == 1) {
		ret = plx_grant_decode(&grant, data, size);
		if (ret == 0)
			n = plx_grant_encode(again, &grant);
	} else {
		ret = plx_refuse_decode(&refusal, data, size);
		if (ret == 0) {
			HOLDS(printable(refusal.text));
			n = plx_refuse_encode(again, &refusal);
		}
	}
	HOLDS(ret == 0 || ret == -EBADMSG || ret == -EPROTO);
	if (ret == 0)
		HOLDS(n == size && memcmp(again, data, size) == 0);
}

/* What holds of every step. */
static void check_step(const struct plx_step *step)
{
	bool over = step->what == PLX_STEP_REFUSED || step->what == PLX_STEP_LET_GO ||
		    step->what == PLX_STEP_FAILED;

	HOLDS(step->error <= 0 && step->error >= -PLX_REFUSE_ERROR_MAX);
	HOLDS((step->error < 0) == over);
	HOLDS(memchr(step->text, '\0', sizeof(step->text)) && printable(step->text));
	HOLDS(step->send_size <= PLX_HANDSHAKE_MAX);
	HOLDS(step->send_fds == 0 || (step->send_fds == PLX_GRANT_FDS && step->what == PLX_STEP_GRANTED));
	HOLDS(step->what != PLX_STEP_FAILED || step->send_size == 0);
}

static void check_host(const struct plx_host *host, const struct plx_step *step, enum plx_host_state before)
{
	struct plx_refusal refusal;

	check_step(step);
	switch (step->what) {
	case PLX_STEP_ADMIT:
		HOLDS(before == PLX_HOST_HELLO && host->state == PLX_HOST_ADMIT);
		HOLDS(strcmp(host->terms.topic, OFFER.topic) == 0);
		HOLDS(host->terms.type == 0 || host->terms.type == OFFER.type);
		HOLDS(host->version >= host->terms.version_min && host->version <= host->terms.version_max);
		HOLDS(host->version >= PLX_HANDSHAKE_VERSION_MIN &&
		      host->version <= PLX_HANDSHAKE_VERSION_MAX);
		break;
	case PLX_STEP_REFUSED:
		HOLDS(before == PLX_HOST_HELLO && host->state == PLX_HOST_CLOSED);
		HOLDS(plx_refuse_decode(&refusal, step->send, step->send_size) == 0);
		HOLDS(refusal.error == -step->error);
		break;
	case PLX_STEP_FAILED: HOLDS(host->state == PLX_HOST_CLOSED); break;
	default:
		HOLDS(step->what == PLX_STEP_WAIT && before == PLX_HOST_GRANTED && host->state == before);
		break;
	}
}

static void check_guest(const struct plx_guest *guest, const struct plx_step *step,
			enum plx_guest_state before, unsigned int fds)
{
	const char *why;

	check_step(step);
	HOLDS(step->send_size == 0);
	switch (step->what) {
	case PLX_STEP_GRANTED:
		HOLDS(before == PLX_GUEST_ANSWER && guest->state == PLX_GUEST_GRANTED &&
		      fds == PLX_GRANT_FDS);
		HOLDS(plx_grant_check(&guest->grant, &why) == 0);
		HOLDS(guest->grant.type == TERMS.type);
		break;
	case PLX_STEP_REFUSED: HOLDS(before == PLX_GUEST_ANSWER && guest->state == PLX_GUEST_CLOSED); break;
	case PLX_STEP_LET_GO: HOLDS(before == PLX_GUEST_GRANTED && guest->state == PLX_GUEST_CLOSED); break;
	case PLX_STEP_WAKE:
	case PLX_STEP_WAIT: HOLDS(before == PLX_GUEST_GRANTED && guest->state == before && fds == 0); break;
	default: HOLDS(step->what == PLX_STEP_FAILED && guest->state == PLX_GUEST_CLOSED); break;
	}
	HOLDS(before != PLX_GUEST_CLOSED || step->what == PLX_STEP_FAILED);
}

/* The next event of a script. */
struct event {
	bool datagram;
	enum plx_event event;
	unsigned int fds;
	const unsigned char *bytes;
	size_t size;
};

static bool next_event(struct event *e, const unsigned char **data, size_t *left)
{
	const unsigned char *d = *data;

	if (*left < 2)
		return false;
	if (d[0] == 0xff) {
		*e = (struct event){ .event = d[1] % 3 };
		*data += 2;
		*left -= 2;
		return true;
	}
	if (*left < 3)
		return false;
	*e = (struct event){
		.datagram = true, .fds = d[0], .bytes = d + 3, .size = d[1] | (size_t)d[2] << 8
	};
	if (e->size > *left - 3)
		e->size = *left - 3;
	*data += 3 + e->size;
	*left -= 3 + e->size;
	return true;
}

static void try_host(const unsigned char *data, size_t left, bool full, bool refuse)
{
	enum plx_host_state before;
	struct plx_grant granted;
	struct plx_host host;
	struct plx_step step;
	struct event e;

	plx_host_init(&host);
	while (next_event(&e, &data, &left)) {
		before = host.state;
		if (e.datagram)
			plx_host_input(&host, &step, full ? &FULL : &OFFER, e.bytes, e.size, e.fds);
		else
			plx_host_event(&host, &step, e.event);
		check_host(&host, &step, before);
		if (step.what != PLX_STEP_ADMIT)
			continue;
		HOLDS(!full);
		if (refuse) {
			plx_host_refuse(&host, &step, &OFFER, ENOMEM, "%s", "no memory");
			check_step(&step);
			HOLDS(step.what == PLX_STEP_REFUSED);
		} else {
			plx_host_grant(&host, &step, &GRANT);
			check_step(&step);
			HOLDS(step.what == PLX_STEP_GRANTED && step.send_fds == PLX_GRANT_FDS);
			HOLDS(plx_grant_decode(&granted, step.send, step.send_size) == 0);
		}
	}
}

static void try_guest(const unsigned char *data, size_t left, bool early)
{
	enum plx_guest_state before;
	struct plx_guest guest;
	struct plx_step step;
	struct event e;

	plx_guest_init(&guest, &TERMS);
	if (!early)
		plx_guest_start(&guest, &step);
	while (next_event(&e, &data, &left)) {
		before = guest.state;
		if (e.datagram)
			plx_guest_input(&guest, &step, e.bytes, e.size, e.fds);
		else
			plx_guest_event(&guest, &step, e.event);
		check_guest(&guest, &step, before, e.datagram ? e.fds : 0);
	}
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	unsigned char *copy;
	unsigned int how;

	if (size == 0)
		return 0;
	how = data[0];
	size--;
	copy = malloc(size ? size : 1); /* exactly as long, so that AddressSanitizer sees a byte too many */
	HOLDS(copy);
	memcpy(copy, data + 1, size);
	switch (how & 7) {
	case 0:
	case 1:
	case 2: try_decode(how & 7, copy, size); break;
	case 3:
	case 4: try_host(copy, size, how & 8, how & 16); break;
	default: try_guest(copy, size, (how & 24) == 24); break;
	}
	free(copy);
	return 0;
}
