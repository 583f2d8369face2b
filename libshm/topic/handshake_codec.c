/*
 * handshake_codec.c - between the bytes of a datagram and checked values in private memory.
 *
 * Decoding is the same for all three: exactly the size of the message, copied out once; the header; then every
 * field of the copy, the reserved ones and the bytes behind a text's end included. What is not used must be zero,
 * so that a later version can give it a meaning. Encoding starts from zeroes for the same reason.
 */
#include "topic/handshake.h"
#include "topic/name.h"

#include <assert.h>
#include <errno.h>
#include <plx/subscriber.h>
#include <string.h>

static void put_header(struct plx_handshake_header *header, uint16_t type, uint16_t version, size_t size)
{
	header->magic = PLX_HANDSHAKE_MAGIC;
	header->type = type;
	header->version = version;
	header->size = (uint32_t)size;
}

/* Copy a message of exactly @want bytes and check its header. */
static int take(void *copy, size_t want, uint16_t type, const void *bytes, size_t size)
{
	struct plx_handshake_header header;

	if (size < sizeof(header))
		return -EBADMSG;
	memcpy(&header, bytes, sizeof(header));
	if (header.magic != PLX_HANDSHAKE_MAGIC || header.type != type)
		return -EPROTO;
	if (size != want || header.size != want || header.reserved != 0)
		return -EBADMSG;
	memcpy(copy, bytes, want);
	return 0;
}

static bool all_zero(const void *bytes, size_t size)
{
	const unsigned char *b = bytes;
	size_t i;

	for (i = 0; i < size; i++)
		if (b[i] != 0)
			return false;
	return true;
}

/* Terminated, zero behind the end, and nothing in it that a terminal would obey. */
static bool text_ok(const char *text, size_t room)
{
	size_t i;

	for (i = 0; i < room && text[i] != '\0'; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			return false;
	return i < room && all_zero(text + i, room - i);
}

static bool terms_ok(const struct plx_terms *t)
{
	return t->version_min >= 1 && t->version_min <= t->version_max && t->reading <= PLX_READ_LOSSY &&
	       plx_topic_check(t->topic) == 0;
}

uint32_t plx_hello_encode(unsigned char *bytes, const struct plx_terms *terms)
{
	struct plx_handshake_hello m = { 0 };

	assert(terms_ok(terms));
	put_header(&m.header, PLX_HANDSHAKE_HELLO, terms->version_max, sizeof(m));
	m.version_min = terms->version_min;
	m.reading = terms->reading;
	m.flags = terms->polling ? PLX_HELLO_POLLING : 0;
	m.history = terms->history;
	m.type = terms->type;
	m.quota = terms->quota;
	m.patience_ns = terms->patience_ns;
	memcpy(m.topic, terms->topic, strlen(terms->topic));
	memcpy(bytes, &m, sizeof(m));
	return sizeof(m);
}

int plx_hello_decode(struct plx_terms *terms, const void *bytes, size_t size)
{
	struct plx_handshake_hello m;
	struct plx_terms t = { 0 };
	int ret = take(&m, sizeof(m), PLX_HANDSHAKE_HELLO, bytes, size);

	if (ret < 0)
		return ret;
	if ((m.flags & ~PLX_HELLO_FLAGS) || m.reserved0 != 0 || !all_zero(m.reserved, sizeof(m.reserved)) ||
	    !text_ok(m.topic, sizeof(m.topic)) || strlen(m.topic) > PLX_TOPIC_MAX)
		return -EBADMSG;
	t.version_min = m.version_min;
	t.version_max = m.header.version;
	t.reading = m.reading;
	t.polling = m.flags & PLX_HELLO_POLLING;
	t.history = m.history;
	t.type = m.type;
	t.quota = m.quota;
	t.patience_ns = m.patience_ns;
	memcpy(t.topic, m.topic, strlen(m.topic));
	if (!terms_ok(&t))
		return -EBADMSG;
	*terms = t;
	return 0;
}

static bool size_ok(uint64_t size, uint64_t most)
{
	return size > 0 && size <= most && size % PLX_GRANT_SIZE_UNIT == 0;
}

int plx_grant_check(const struct plx_grant *g, const char **why)
{
	const char *wrong = NULL;

	if (g->version < PLX_HANDSHAKE_VERSION_MIN || g->version > PLX_HANDSHAKE_VERSION_MAX)
		wrong = "version we do not speak";
	else if (g->segment == 0 || g->link == 0 || g->segment == g->link)
		wrong = "segment ids";
	else if (!size_ok(g->data_size, PLX_DATA_SIZE_MAX))
		wrong = "size of the data segment";
	else if (!size_ok(g->link_size, PLX_LINK_SIZE_MAX))
		wrong = "size of the link segment";
	else if (g->start > PLX_POSITION_MAX)
		wrong = "start position";
	else if (g->slot_size == 0 || g->slot_size > PLX_SLOT_SIZE_MAX)
		wrong = "slot size";
	else if (g->depth == 0 || g->depth > PLX_DEPTH_MAX || (g->depth & (g->depth - 1)))
		wrong = "depth of the log";
	else if (g->slots == 0 || g->slots > PLX_SLOTS_MAX)
		wrong = "number of slots";
	else if (g->history > g->depth)
		wrong = "history longer than the log";
	else if (g->quota > PLX_SLOTS_MAX)
		wrong = "quota";
	/* no overflow: 2^20 * 2^6 + 2^24 * 2^30 */
	else if (g->data_size < (uint64_t)g->depth * PLX_LINE + g->slots * g->slot_size)
		wrong = "data segment too small for its log and slots";
	else if (g->link_size < g->slots / 8)
		wrong = "link segment too small for its pins";
	if (wrong && why)
		*why = wrong;
	return wrong ? -EBADMSG : 0;
}

uint32_t plx_grant_encode(unsigned char *bytes, const struct plx_grant *grant)
{
	struct plx_handshake_grant m = { 0 };
	const char *why;

	assert(plx_grant_check(grant, &why) == 0);
	put_header(&m.header, PLX_HANDSHAKE_GRANT, grant->version, sizeof(m));
	m.segment = grant->segment;
	m.link = grant->link;
	m.data_size = grant->data_size;
	m.link_size = grant->link_size;
	m.start = grant->start;
	m.slot_size = grant->slot_size;
	m.depth = grant->depth;
	m.slots = grant->slots;
	m.history = grant->history;
	m.quota = grant->quota;
	m.type = grant->type;
	memcpy(bytes, &m, sizeof(m));
	return sizeof(m);
}

int plx_grant_decode(struct plx_grant *grant, const void *bytes, size_t size)
{
	struct plx_handshake_grant m;
	struct plx_grant g = { 0 };
	int ret = take(&m, sizeof(m), PLX_HANDSHAKE_GRANT, bytes, size);

	if (ret < 0)
		return ret;
	if (m.header.version < PLX_HANDSHAKE_VERSION_MIN || m.header.version > PLX_HANDSHAKE_VERSION_MAX)
		return -EPROTO;
	if (m.flags != 0 || !all_zero(m.reserved, sizeof(m.reserved)))
		return -EBADMSG;
	g.version = m.header.version;
	g.segment = m.segment;
	g.link = m.link;
	g.data_size = m.data_size;
	g.link_size = m.link_size;
	g.start = m.start;
	g.slot_size = m.slot_size;
	g.depth = m.depth;
	g.slots = m.slots;
	g.history = m.history;
	g.quota = m.quota;
	g.type = m.type;
	ret = plx_grant_check(&g, NULL);
	if (ret < 0)
		return ret;
	*grant = g;
	return 0;
}

static bool refusal_ok(const struct plx_refusal *r)
{
	return r->error > 0 && r->error <= PLX_REFUSE_ERROR_MAX && r->version_min >= 1 &&
	       r->version_min <= r->version_max;
}

uint32_t plx_refuse_encode(unsigned char *bytes, const struct plx_refusal *refusal)
{
	struct plx_handshake_refuse m = { 0 };

	assert(refusal_ok(refusal));
	put_header(&m.header, PLX_HANDSHAKE_REFUSE, 1, sizeof(m));
	m.error = refusal->error;
	m.version_min = refusal->version_min;
	m.version_max = refusal->version_max;
	m.type = refusal->type;
	memcpy(m.text, refusal->text, strnlen(refusal->text, PLX_REFUSE_TEXT_MAX));
	assert(text_ok(m.text, sizeof(m.text)));
	memcpy(bytes, &m, sizeof(m));
	return sizeof(m);
}

int plx_refuse_decode(struct plx_refusal *refusal, const void *bytes, size_t size)
{
	struct plx_handshake_refuse m;
	struct plx_refusal r = { 0 };
	int ret = take(&m, sizeof(m), PLX_HANDSHAKE_REFUSE, bytes, size);

	if (ret < 0)
		return ret;
	if (m.header.version != 1)
		return -EPROTO;
	if (m.reserved != 0 || !text_ok(m.text, sizeof(m.text)))
		return -EBADMSG;
	r.error = m.error;
	r.version_min = m.version_min;
	r.version_max = m.version_max;
	r.type = m.type;
	memcpy(r.text, m.text, sizeof(r.text));
	if (!refusal_ok(&r))
		return -EBADMSG;
	*refusal = r;
	return 0;
}
