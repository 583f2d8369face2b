/*
 * publisher.c - a publisher opens, ends, closes.
 *
 * Everything is allocated here: the data segment to its last byte, so that nothing later can run out of memory. The
 * socket appears last: whoever sees it can connect, and finds a topic that is whole.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mutant.h"
#include "base/size.h"
#include "base/sys.h"
#include "topic/publisher_state.h"

#define DEFAULT_SLOT_SIZE   65536u
#define DEFAULT_DEPTH       256u
#define DEFAULT_SPARE       64u /* slots beyond depth: loans, pins */
#define DEFAULT_BYTES       (UINT64_C(256) << 20)
#define DEFAULT_SUBSCRIBERS 4096u
#define DEFAULT_QUOTA       16u

/* ---- options ------------------------------------------------------------------------------------- */

static uint32_t default_slots(uint32_t depth, uint64_t stride)
{
	uint64_t fit = DEFAULT_BYTES / stride;

	if (fit < 2)
		fit = 2;
	return fit < depth + DEFAULT_SPARE ? (uint32_t)fit : depth + DEFAULT_SPARE;
}

/* Subscribers take nothing but what is sealed, and neither of those can be. */
static int settle_backend(const char **backend)
{
	if (!*backend)
		*backend = "memfd";
	return strcmp(*backend, "heap") == 0 || strncmp(*backend, "file:", 5) == 0 ? -ENOTSUP : 0;
}

/* Fill in what is zero; -EINVAL for what cannot be. */
static int settle_options(struct plx_publisher_options *o, uint64_t *stride)
{
	if (!o->slot_size)
		o->slot_size = DEFAULT_SLOT_SIZE;
	if (!o->depth)
		o->depth = DEFAULT_DEPTH;
	if (o->slot_size > PLX_SLOT_SIZE_MAX || o->depth < PLX_DEPTH_MIN || o->depth > PLX_DEPTH_MAX ||
	    !plx_size_power_of_two(o->depth) || o->history >= o->depth || o->full > PLX_FULL_DROP ||
	    (o->keys && plx_keys_count(o->keys) == 0)) /* nobody could ever come in */
		return -EINVAL;
	*stride = (o->slot_size + PLX_LINE - 1) & ~(uint64_t)(PLX_LINE - 1);
	if (!o->slots)
		o->slots = default_slots(o->depth, *stride);
	if (!o->quota)
		o->quota = o->slots / 2 < DEFAULT_QUOTA ? (o->slots + 1) / 2 : DEFAULT_QUOTA;
	if (!o->subscribers_max)
		o->subscribers_max = DEFAULT_SUBSCRIBERS;
	if (o->slots > PLX_SLOTS_MAX || o->quota > PLX_SLOTS_MAX)
		return -EINVAL;
	return settle_backend(&o->backend);
}

/* ---- the data segment ----------------------------------------------------------------------------- */

static void fill_head(struct plx_topic_head *head, const struct plx_publisher_options *o, uint64_t stride,
		      bool fenced)
{
	head->depth = o->depth;
	head->slots = o->slots;
	head->slot_size = o->slot_size;
	head->stride = stride;
	head->history = o->history;
	head->type = o->type;
	head->flags = o->stamp ? PLX_TOPIC_STAMPED : 0;
	head->full = o->full;
	head->full_ns = o->full_ns;
	head->quota = o->quota;
	head->subscribers_max = o->subscribers_max;
	head->fenced = fenced;
}

static int make_data(struct plx_publisher *pub, const struct plx_publisher_options *o, uint64_t stride)
{
	const struct plx_block blocks[] = {
		{ .name = PLX_TOPIC_BLOCK_HEAD, .size = sizeof(struct plx_topic_head) },
		{ .name = PLX_TOPIC_BLOCK_LOG, .size = o->depth * sizeof(struct plx_entry) },
		{ .name = PLX_TOPIC_BLOCK_BITMAP, .size = 2 * plx_topic_bitmap_size(o->slots) },
		{ .name = PLX_TOPIC_BLOCK_SLOTS, .size = o->slots * stride, .align = PLX_PAGE },
	};
	struct plx_writer_blocks w;
	struct plx_segment_info info;
	uint64_t size = plx_segment_need(blocks, 4);
	char name[PLX_TOPIC_MAX + 8];
	int ret;

	snprintf(name, sizeof(name), "topic:%s", pub->topic);
	if (size == 0 || size > PLX_DATA_SIZE_MAX)
		return -EINVAL;
	ret = plx_segment_create(&pub->data, o->backend, name, size, 0);
	if (ret < 0)
		return ret;
	ret = plx_segment_format(&pub->data, PLX_KIND_TOPIC, PLX_TOPIC_VERSION, pub->topic, blocks, 4);
	if (ret < 0)
		return ret;
	w.head = plx_segment_block(&pub->data, PLX_TOPIC_BLOCK_HEAD, NULL);
	pub->bias = &w.head->bias;
	plx_bias_init(pub->bias);
	w.log = plx_segment_block(&pub->data, PLX_TOPIC_BLOCK_LOG, NULL);
	w.bitmap = plx_segment_block(&pub->data, PLX_TOPIC_BLOCK_BITMAP, NULL);
	w.slots = plx_segment_block(&pub->data, PLX_TOPIC_BLOCK_SLOTS, NULL);
	fill_head(w.head, o, stride, pub->fenced);
	ret = plx_writer_init(&pub->writer, &w);
	if (ret == 0)
		ret = plx_segment_info(&pub->data, &info);
	if (ret == 0)
		ret = plx_segment_seal(&pub->data, PLX_SEAL_DATA);
	if (ret < 0)
		return ret;
	pub->id = info.id;
	ret = pub->data_fd = plx_segment_export(&pub->data, false);
	return ret < 0 ? ret : 0;
}

/* ---- open ----------------------------------------------------------------------------------------- */

/* Born empty: plx_publisher_close() takes it in any state. */
static struct plx_publisher *make_empty(const char *topic, const struct plx_publisher_options *o)
{
	struct plx_publisher *pub = aligned_alloc(PLX_LINE,
						  (sizeof(*pub) + PLX_LINE - 1) / PLX_LINE * PLX_LINE);

	if (!pub)
		return NULL;
	memset(pub, 0, sizeof(*pub));
	pub->data = PLX_SEGMENT_NONE;
	pub->data_fd = pub->epoll = pub->bell = pub->spare = -1;
	pub->listener = PLX_LISTENER_NONE;
	pub->place = PLX_PLACE_NONE;
	memcpy(pub->topic, topic, strlen(topic));
	pub->slot_size = o->slot_size;
	pub->inside_max = o->stamp ? PLX_ENTRY_STAMPED : PLX_ENTRY_PAYLOAD;
	if (pub->inside_max > pub->slot_size)
		pub->inside_max = pub->slot_size;
	pub->type = o->type;
	pub->threads = o->threads;
	pub->stamp = o->stamp ? PLX_BUFFER_STAMPED : 0;
	pub->full = o->full;
	pub->full_ns = o->full_ns;
	pub->linger_ns = o->linger_ns;
	pub->history = o->history;
	pub->quota = o->quota;
	pub->depth = o->depth;
	pub->slots = o->slots;
	pub->subscribers_max = o->subscribers_max;
	pub->admission = PLX_ADMISSION_NONE;
	pub->keys = o->keys;
	if (pub->keys)
		pub->self = plx_peer_self();
	return pub;
}

int plx_publisher_open(struct plx_publisher **out, const char *topic, const struct plx_publisher_options *opt)
{
	struct plx_publisher_options o = opt ? *opt : PLX_PUBLISHER_DEFAULTS;
	struct plx_publisher *pub;
	uint64_t stride = 0;
	int ret = plx_topic_check(topic);

	*out = NULL;
	if (ret == 0)
		ret = settle_options(&o, &stride);
	if (ret < 0)
		return ret;
	pub = make_empty(topic, &o);
	if (!pub)
		return -ENOMEM;
	pub->own_fences = !(plx_sys_barriers() & PLX_SYS_BARRIER_GLOBAL) ||
			  plx_sys_barrier_register(PLX_SYS_BARRIER_GLOBAL) < 0;
	pub->fenced = pub->own_fences;
	ret = plx_admission_init(&pub->admission, &o.admit);
	if (ret == 0)
		ret = plx_place_open_for(&pub->place, o.directory, topic, &pub->admission, true);
	if (ret == 0)
		ret = make_data(pub, &o, stride);
	if (ret == 0)
		ret = plx_listener_open(&pub->listener, &pub->place, pub->id);
	if (ret == 0)
		ret = plx_control_start(pub);
	if (ret < 0) {
		plx_publisher_close(pub);
		return ret;
	}
	plx_publisher_quicken(pub);
	*out = pub;
	return 0;
}

/* ---- end ------------------------------------------------------------------------------------------ */

void plx_publisher_end(struct plx_publisher *pub, int reason)
{
	struct plx_topic_head *head = pub->writer.head;

	plx_publisher_enter(pub);
	if (pub->ended) {
		plx_publisher_leave(pub);
		return;
	}
	pub->ended = true;
	pub->writer.quick.on = 0;
	if (plx_mutant(MUT_END_BEFORE_REASON))
		plx_publisher_attend(pub, pub->attention | PLX_ATTENTION_ENDED);
	/* relaxed: ordered by W2 */
	__atomic_store_n(&head->end_position, pub->writer.head->head, __ATOMIC_RELAXED);
	__atomic_store_n(&head->end_reason, reason > 0 ? -reason : reason, __ATOMIC_RELAXED);
	plx_publisher_attend(pub, pub->attention | PLX_ATTENTION_ENDED);
	plx_publisher_wake(pub);
	plx_publisher_leave(pub);
}

void plx_publisher_close(struct plx_publisher *pub)
{
	if (!pub)
		return;
	if (pub->controlled) {
		plx_publisher_end(pub, 0);
		if (pub->linger_ns)
			(void)!plx_publisher_drain(pub, pub->linger_ns);
	}
	plx_listener_hide(&pub->listener, &pub->place); /* the control thread may be accepting */
	plx_control_stop(pub);
	plx_listener_close(&pub->listener, &pub->place);
	plx_place_close(&pub->place);
	plx_admission_fini(&pub->admission);
	plx_writer_fini(&pub->writer);
	plx_sys_close(pub->data_fd);
	plx_segment_close(&pub->data);
	free(pub->sleeper);
	free(pub->members);
	free(pub);
}

bool plx_publisher_refused(struct plx_publisher *pub, struct plx_refused *refused)
{
	return plx_member_told(pub, refused);
}

uint64_t plx_publisher_id(const struct plx_publisher *pub)
{
	return pub->id;
}

uint32_t plx_publisher_type(const struct plx_publisher *pub)
{
	return pub->type;
}

void plx_publisher_stats(struct plx_publisher *pub, struct plx_publisher_stats *stats)
{
	const struct plx_topic_head *head = pub->writer.head;

	/* relaxed: figures, each by itself */
	*stats = (struct plx_publisher_stats){
		.published = __atomic_load_n(&head->head, __ATOMIC_RELAXED),
		.bytes = __atomic_load_n(&head->bytes, __ATOMIC_RELAXED),
		.waited = __atomic_load_n(&head->waited, __ATOMIC_RELAXED),
		.woken = __atomic_load_n(&head->woken, __ATOMIC_RELAXED),
		.subscribers = (uint32_t)__atomic_load_n(&head->subscribers, __ATOMIC_RELAXED),
		.joined = (uint32_t)__atomic_load_n(&head->joined, __ATOMIC_RELAXED),
		.left = (uint32_t)__atomic_load_n(&head->left, __ATOMIC_RELAXED),
		.lost = (uint32_t)__atomic_load_n(&head->lost, __ATOMIC_RELAXED),
		.refused = (uint32_t)__atomic_load_n(&head->refused, __ATOMIC_RELAXED),
		.slots_free = plx_pool_free(&pub->writer.pool) +
			      (uint32_t)__builtin_popcount(
				      (uint32_t)__atomic_load_n(&head->hand, __ATOMIC_RELAXED)),
	};
}
