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
 *
 * With keys (the last two of eight) there is an honest machine at the other end as well:
 *
 *	0xfe N (AT XOR)*N      what it says next, with N bytes of it changed
 *
 * and the byte after the first says what is wrong with it: its key, its process, its namespace, its segment.
 */
#include "tests/fuzz/fuzz.h"

#include "topic/handshake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

/* ---- with keys ----------------------------------------------------------------------------------- */

static struct plx_keys *key_of(uint8_t byte)
{
	uint8_t seed[PLX_SIGN_SEED] = { byte };
	struct plx_keys *keys;

	HOLDS(plx_sign_start() == 0 && plx_keys_make(&keys, seed) == 0);
	return keys;
}

static void trust(struct plx_keys *who, const struct plx_keys *whom)
{
	struct plx_public_key key = plx_keys_own(whom);

	HOLDS(plx_keys_trust_key(who, &key) == 0);
}

/* Both machines; the one that is tried hears the other only through the script. */
struct pair {
	struct plx_host host;
	struct plx_guest guest;
	struct plx_step next; /* what the honest one says next */
	bool changed;         /* something else than that was said */
	bool wrong;           /* the honest one is not whom the other expects */
};

static const struct plx_proof_files FILES = { { { 1, 2 }, { 1, 3 } } };

static void pair_begin(struct pair *p, unsigned int what, bool host_tried)
{
	static struct plx_keys *pub, *sub, *bad;
	struct plx_proof_setup host = {
		.segment = 1, .self = { 9, 100 }, .seen = { 200, 0 }, .nonce = { 1 }
	};
	struct plx_proof_setup guest = {
		.segment = 1, .self = { 9, 200 }, .seen = { 100, 0 }, .nonce = { 2 }
	};
	struct plx_proof_setup *honest = host_tried ? &guest : &host, *tried = host_tried ? &host : &guest;

	if (!pub) {
		pub = key_of(1);
		sub = key_of(2);
		bad = key_of(3);
		trust(pub, sub);
		trust(sub, pub);
		trust(bad, pub);
		trust(bad, sub);
	}
	host.keys = pub;
	guest.keys = sub;
	if (what & 1)
		honest->keys = bad;
	if (what & 2)
		tried->seen.pid++;
	if (what & 4) { /* in a namespace below; what & 8: rightly told */
		honest->self = (struct plx_proof_self){ 10, 7 };
		tried->seen.inner = what & 8 ? 7 : what & 16 ? 8 : 0;
		honest->seen = (struct plx_proof_seen){ 0, 0 };
	}
	if (what & 32)
		tried->seen.pid = 0;
	if (what & 64)
		honest->segment++;
	if (what & 128)
		honest->keys = NULL;
	p->changed = false;
	p->wrong = what & (1 | 128) || (what & 64 && !host_tried) ||
		   (what & 4 ? !(what & 32) && !(what & 8) : what & (2 | 32));
	plx_host_init(&p->host);
	if (host.keys)
		plx_host_keys(&p->host, &host);
	plx_guest_init(&p->guest, &TERMS);
	if (guest.keys)
		plx_guest_keys(&p->guest, &guest);
	plx_guest_start(&p->guest, &p->next);
	if (!host_tried) {
		plx_host_input(&p->host, &p->next, &OFFER, p->next.send, p->next.send_size, 0);
		if (p->next.what == PLX_STEP_ADMIT) /* it has no keys */
			plx_host_grant(&p->host, &p->next, &GRANT);
	}
}

/* The next message of the script; false at its end. Events are given to the machine here. */
static bool pair_next(struct pair *p, struct event *e, unsigned char *said, const unsigned char **data,
		      size_t *left, unsigned int fds)
{
	unsigned int n, at;

	if (*left < 2 || (*data)[0] != 0xfe) {
		p->changed = true;
		return next_event(e, data, left);
	}
	n = (*data)[1];
	*data += 2;
	*left -= 2;
	memcpy(said, p->next.send, p->next.send_size);
	*e = (struct event){ .datagram = true, .fds = fds, .bytes = said, .size = p->next.send_size };
	for (; n > 0 && *left >= 2; n--, *data += 2, *left -= 2) {
		at = (*data)[0];
		if (at < e->size)
			said[at] ^= (*data)[1];
	}
	if (memcmp(said, p->next.send, e->size) != 0)
		p->changed = true;
	return true;
}

static void try_keyed_host(const unsigned char *data, size_t left, unsigned int what)
{
	unsigned char said[PLX_HANDSHAKE_MAX];
	struct plx_step step;
	struct event e;
	struct pair p;

	pair_begin(&p, what, true);
	while (pair_next(&p, &e, said, &data, &left, 0)) {
		enum plx_host_state before = p.host.state;

		if (e.datagram)
			plx_host_input(&p.host, &step, &OFFER, e.bytes, e.size, e.fds);
		else
			plx_host_event(&p.host, &step, e.event);
		check_step(&step);
		if (step.what == PLX_STEP_SEND) {
			HOLDS(before == PLX_HOST_HELLO && p.host.state == PLX_HOST_PROOF);
			plx_guest_input(&p.guest, &p.next, step.send, step.send_size, 0);
		} else if (step.what == PLX_STEP_ADMIT) {
			HOLDS(before == PLX_HOST_PROOF && !p.changed && !p.wrong);
			plx_host_seal(&p.host, &GRANT, &FILES);
			plx_host_grant(&p.host, &step, &GRANT);
			plx_guest_files(&p.guest, &FILES);
			plx_guest_input(&p.guest, &p.next, step.send, step.send_size, PLX_GRANT_FDS);
			HOLDS(p.next.what == PLX_STEP_GRANTED);
			p.next.send_size = 0;
		} else {
			HOLDS(step.what == PLX_STEP_REFUSED || step.what == PLX_STEP_FAILED ||
			      p.host.state == PLX_HOST_GRANTED);
		}
	}
}

static void try_keyed_guest(const unsigned char *data, size_t left, unsigned int what)
{
	unsigned char said[PLX_HANDSHAKE_MAX];
	struct plx_step step;
	struct event e;
	struct pair p;

	pair_begin(&p, what, false);
	while (pair_next(&p, &e, said, &data, &left, p.next.send_fds)) {
		enum plx_guest_state before = p.guest.state;

		plx_guest_files(&p.guest, &FILES);
		if (e.datagram)
			plx_guest_input(&p.guest, &step, e.bytes, e.size, e.fds);
		else
			plx_guest_event(&p.guest, &step, e.event);
		check_step(&step);
		if (step.what == PLX_STEP_SEND) {
			HOLDS(before == PLX_GUEST_ANSWER && p.guest.state == PLX_GUEST_PROVED);
			plx_host_input(&p.host, &p.next, &OFFER, step.send, step.send_size, 0);
			if (p.next.what == PLX_STEP_ADMIT) {
				plx_host_seal(&p.host, &GRANT, &FILES);
				plx_host_grant(&p.host, &p.next, &GRANT);
			}
		} else if (step.what == PLX_STEP_GRANTED) {
			HOLDS(before == PLX_GUEST_PROVED && !p.wrong);
			if (p.changed) { /* where reading starts is not signed */
				HOLDS(p.guest.grant.segment == GRANT.segment &&
				      p.guest.grant.slots == GRANT.slots &&
				      p.guest.grant.data_size == GRANT.data_size);
			}
		}
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
	case 6:
		if (size)
			try_keyed_host(copy + 1, size - 1, copy[0]);
		break;
	case 7:
		if (size)
			try_keyed_guest(copy + 1, size - 1, copy[0]);
		break;
	default: try_guest(copy, size, (how & 24) == 24); break;
	}
	free(copy);
	return 0;
}
