/* json.c - everything shmctl knows about a segment, as JSON; shmctl(1) documents the fields. */
#include "tools/shmctl/shmctl.h"

#include <inttypes.h>
#include <plx/channel.h>
#include <plx/mpmc.h>
#include <plx/table.h>
#include <stdlib.h>
#include <string.h>

typedef struct json_object json;

void ctl_json_text(json *object, const char *key, const char *value)
{
	char *clean = ctl_memory(malloc(strlen(value) + 1));

	json_object_object_add(object, key,
			       json_object_new_string(ctl_clean(value, clean, strlen(value) + 1)));
	free(clean);
}

void ctl_json_number(json *object, const char *key, uint64_t value)
{
	json_object_object_add(object, key, json_object_new_uint64(value));
}

static void put_flag(json *object, const char *key, bool value)
{
	json_object_object_add(object, key, json_object_new_boolean(value));
}

/* Numbers in JSON are exact up to 2^53 only. */
json *ctl_json_id(uint64_t id)
{
	char text[20];

	snprintf(text, sizeof(text), "%016" PRIx64, id);
	return json_object_new_string(text);
}

json *ctl_json_start(const char *command, uint64_t now_ns)
{
	json *object = json_object_new_object();

	ctl_json_text(object, "shmctl", plx_version());
	ctl_json_text(object, "command", command);
	ctl_json_number(object, "time_ns", now_ns);
	return object;
}

void ctl_json_end(json *object, const struct ctl_request *request)
{
	int flags = request->watch_ns ? JSON_C_TO_STRING_PLAIN
				      : JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED;

	fprintf(request->out, "%s\n",
		json_object_to_json_string_ext(object, flags | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}

/* ---- parts --------------------------------------------------------------------------------------- */

static json *json_holders(const struct plx_found *found)
{
	json *list = json_object_new_array();

	for (uint32_t i = 0; i < found->holder_count; i++) {
		const struct plx_found_holder *holder = &found->holders[i];
		json *object = json_object_new_object();

		ctl_json_number(object, "pid", (uint64_t)holder->pid);
		ctl_json_text(object, "comm", holder->comm);
		json_object_object_add(object, "fd", holder->fd < 0 ? NULL : json_object_new_int(holder->fd));
		put_flag(object, "mapped", holder->map[1] != 0);
		put_flag(object, "writes", holder->writes);
		json_object_array_add(list, object);
	}
	return list;
}

static json *json_creator(const struct ctl_scene *scene, const struct plx_found *found)
{
	json *object = json_object_new_object();
	char comm[24];

	ctl_json_number(object, "pid", found->info.creator);
	ctl_json_text(object, "comm", ctl_comm(scene, (int32_t)found->info.creator, comm));
	put_flag(object, "alive", found->creator_alive);
	return object;
}

static json *json_ranges(roaring_bitmap_t *set)
{
	json *list = json_object_new_array();
	roaring_uint32_iterator_t it;

	roaring_init_iterator(set, &it);
	while (it.has_value) {
		uint32_t from = it.current_value, to = from;
		json *pair = json_object_new_array();

		while (roaring_advance_uint32_iterator(&it) && it.current_value == to + 1)
			to++;
		json_object_array_add(pair, json_object_new_int64(from));
		json_object_array_add(pair, json_object_new_int64(to));
		json_object_array_add(list, pair);
	}
	roaring_bitmap_free(set);
	return list;
}

static json *json_slots(const struct plx_topic_view *topic, bool detail)
{
	json *object = json_object_new_object();
	uint32_t held = topic->slots_free + topic->slots_loaned + topic->slots_window + topic->slots_pinned;

	ctl_json_number(object, "total", topic->slots);
	ctl_json_number(object, "size", topic->slot_size);
	ctl_json_number(object, "free", topic->slots_free);
	ctl_json_number(object, "loaned", topic->slots_loaned);
	ctl_json_number(object, "window", topic->slots_window);
	ctl_json_number(object, "pinned", topic->slots_pinned);
	ctl_json_number(object, "returns", topic->slots - held);
	if (detail)
		ctl_json_text(object, "map", topic->slot_state);
	return object;
}

static json *json_topic(const struct ctl_item *item, bool detail)
{
	const struct plx_topic_view *topic = &item->topic;
	json *object = json_object_new_object();

	ctl_json_text(object, "state", ctl_ending(item));
	json_object_object_add(object, "end_reason",
			       topic->ended ? json_object_new_int(topic->end_reason) : NULL);
	ctl_json_number(object, "head", topic->head);
	ctl_json_number(object, "tail", topic->tail);
	ctl_json_number(object, "bytes", topic->bytes);
	ctl_json_number(object, "depth", topic->depth);
	ctl_json_number(object, "history", topic->history);
	ctl_json_number(object, "quota", topic->quota);
	ctl_json_number(object, "type", topic->type);
	put_flag(object, "stamped", topic->stamped);
	ctl_json_number(object, "waited", topic->waited);
	ctl_json_number(object, "woken", topic->woken);
	ctl_json_number(object, "subscribers", topic->subscribers);
	ctl_json_number(object, "subscribers_max", topic->subscribers_max);
	ctl_json_number(object, "joined", topic->joined);
	ctl_json_number(object, "left", topic->left);
	ctl_json_number(object, "lost", topic->lost);
	ctl_json_number(object, "refused", topic->refused);
	json_object_object_add(object, "slots", json_slots(topic, detail));
	return object;
}

static json *json_link(const struct ctl_scene *scene, const struct ctl_item *item, bool detail)
{
	const struct plx_link_view *link = &item->link;
	json *object = json_object_new_object(), *lag = NULL;
	char comm[24];

	if (item->publisher && item->publisher->topic.head >= link->cursor)
		lag = json_object_new_uint64(item->publisher->topic.head - link->cursor);
	json_object_object_add(object, "publisher_id", ctl_json_id(link->publisher_id));
	json_object_object_add(object, "pid", json_object_new_int(link->subscriber));
	ctl_json_text(object, "comm", ctl_comm(scene, link->subscriber, comm));
	put_flag(object, "connected", ctl_connected(item));
	ctl_json_text(object, "reading", ctl_reading(link->reading));
	ctl_json_number(object, "start", link->start);
	ctl_json_number(object, "cursor", link->cursor);
	json_object_object_add(object, "lag", lag);
	ctl_json_number(object, "taken", link->taken);
	ctl_json_number(object, "bytes", link->bytes);
	ctl_json_number(object, "lost", link->lost);
	ctl_json_number(object, "pins", link->pins);
	ctl_json_number(object, "quota", link->quota);
	put_flag(object, "sleeping", link->sleeping);
	if (detail)
		json_object_object_add(object, "pinned", json_ranges(ctl_slots_pinned(link)));
	return object;
}

/* ---- tables -------------------------------------------------------------------------------------- */

static const char *column_kind(int kind)
{
	static const char *const names[] = { "count", "gauge", "bytes", "ns", "pid", "state" };

	return kind >= 0 && (size_t)kind < sizeof(names) / sizeof(names[0]) ? names[kind] : "unknown";
}

static json *json_table(const struct plx_table *table, const char *block)
{
	json *object = json_object_new_object(), *columns = json_object_new_array(),
	     *rows = json_object_new_array();
	char title[32];

	plx_table_title(table, title);
	ctl_json_text(object, "block", block);
	ctl_json_text(object, "title", title);
	for (uint32_t i = 0; i < table->columns; i++) {
		json *column = json_object_new_object();
		char name[16], states[48];
		int kind = plx_table_column(table, i, name, states);

		ctl_json_text(column, "name", name);
		ctl_json_text(column, "kind", column_kind(kind));
		if (kind == PLX_COLUMN_STATE)
			ctl_json_text(column, "states", states);
		json_object_array_add(columns, column);
	}
	for (uint32_t i = 0; i < table->rows; i++) {
		json *row = json_object_new_array();

		for (uint32_t j = 0; j < table->columns; j++)
			json_object_array_add(row, json_object_new_uint64(plx_table_get(table, i, j)));
		json_object_array_add(rows, row);
	}
	json_object_object_add(object, "columns", columns);
	json_object_object_add(object, "rows", rows);
	return object;
}

static json *json_channel(const struct plx_channel_info *c, const char *block, int32_t holder)
{
	json *object = json_object_new_object();

	ctl_json_text(object, "block", block);
	ctl_json_text(object, "kind", ctl_channel(c->shape.kind));
	ctl_json_number(object, "size", c->shape.size);
	ctl_json_number(object, "count", c->shape.count);
	ctl_json_number(object, "lanes", c->lanes);
	ctl_json_number(object, "cells", c->cells);
	ctl_json_number(object, "per", c->per);
	ctl_json_number(object, "senders", c->senders);
	ctl_json_number(object, "senders_max", c->shape.senders);
	ctl_json_number(object, "receivers", c->receivers);
	ctl_json_number(object, "receivers_max", c->shape.receivers);
	json_object_object_add(object, "closed", json_object_new_boolean(c->closed));
	ctl_json_number(object, "sent", c->stats.sent);
	ctl_json_number(object, "received", c->stats.received);
	ctl_json_number(object, "full", c->stats.full);
	ctl_json_number(object, "empty", c->stats.empty);
	ctl_json_number(object, "parked", c->stats.parked);
	ctl_json_number(object, "woken", c->stats.woken);
	ctl_json_number(object, "skipped", c->stats.skipped);
	ctl_json_number(object, "buried", c->stats.buried);
	if (holder > 0) /* MPMC: who has had an element in hand for the longest */
		ctl_json_number(object, "holder", (uint64_t)holder);
	return object;
}

/* Blocks, and those of them that are tables or channels. */
static void add_blocks(json *object, struct plx_segment *seg, uint32_t count)
{
	json *blocks = json_object_new_array(), *tables = json_object_new_array(),
	     *channels = json_object_new_array();

	(void)!plx_inspect_rest(seg); /* what is left out is not shown */
	for (uint32_t i = 0; i < count; i++) {
		struct plx_channel_info channel;
		struct plx_table table;
		char name[16];
		uint64_t size;
		const unsigned char *at = plx_segment_block_at(seg, i, name, &size);
		json *block;

		if (!at)
			break;
		block = json_object_new_object();
		ctl_json_text(block, "name", name);
		ctl_json_number(block, "offset", (uint64_t)(at - (const unsigned char *)seg->base));
		ctl_json_number(block, "size", size);
		json_object_array_add(blocks, block);
		if (plx_table_attach(&table, at, size) == 0)
			json_object_array_add(tables, json_table(&table, name));
		if (plx_channel_info(at, size, &channel) == 0)
			json_object_array_add(channels,
					      json_channel(&channel, name, plx_mpmc_holder(at, size)));
	}
	json_object_object_add(object, "blocks", blocks);
	json_object_object_add(object, "tables", tables);
	json_object_object_add(object, "channels", channels);
}

json *ctl_json_segment(const struct ctl_scene *scene, const struct ctl_item *item, bool detail)
{
	const struct plx_found *found = item->found;
	json *object = json_object_new_object();

	ctl_json_text(object, "kind", ctl_kind(found->info.kind));
	ctl_json_text(object, "name", found->info.name);
	json_object_object_add(object, "id", ctl_json_id(found->info.id));
	ctl_json_number(object, "version", found->info.version);
	ctl_json_number(object, "size", found->bytes);
	ctl_json_number(object, "resident", found->resident);
	ctl_json_number(object, "created_ns", found->info.created_ns);
	ctl_json_number(object, "age_ns", ctl_since(scene, found->info.created_ns));
	json_object_object_add(object, "error",
			       item->error ? json_object_new_string(ctl_item_trouble(item)) : NULL);
	if (item->path)
		ctl_json_text(object, "file", item->path);
	json_object_object_add(object, "creator", json_creator(scene, found));
	json_object_object_add(object, "holders", json_holders(found));
	if (item->is_topic)
		json_object_object_add(object, "topic", json_topic(item, detail));
	if (item->is_link)
		json_object_object_add(object, "link", json_link(scene, item, detail));
	if (detail && item->seg.base) {
		struct plx_segment seg = item->seg;

		add_blocks(object, &seg, found->info.blocks);
	}
	return object;
}
