/* inspect.c - shmctl inspect: all about some segments: header, log, slots as a picture, subscribers, tables. */
#include "tools/shmctl/shmctl.h"

#include <errno.h>
#include <inttypes.h>
#include <plx/channel.h>
#include <plx/mpmc.h>
#include <plx/table.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MAX 64u /* of a table; --json has all */

static void line(const struct ctl_request *request, const char *key, const char *format, ...)
	plx_printf(3, 4);

static void line(const struct ctl_request *request, const char *key, const char *format, ...)
{
	va_list args;

	fprintf(request->out, "  %s%-11s%s ", ctl_paint(request, DIM), key, ctl_paint(request, PLAIN));
	va_start(args, format);
	vfprintf(request->out, format, args);
	va_end(args);
	fputc('\n', request->out);
}

/* ---- every segment ------------------------------------------------------------------------------- */

static void show_holders(const struct ctl_request *request, const struct plx_found *found)
{
	char *text = NULL;
	size_t size;
	FILE *out = ctl_memory(open_memstream(&text, &size));

	for (uint32_t i = 0; i < found->holder_count; i++) {
		const struct plx_found_holder *holder = &found->holders[i];
		char comm[24];

		fprintf(out, "%s%d %s", i ? ", " : "", (int)holder->pid,
			ctl_clean(holder->comm, comm, sizeof(comm)));
		if (holder->fd >= 0)
			fprintf(out, " fd %d", (int)holder->fd);
		fprintf(out, " (%s)",
			holder->map[1] == 0 ? "open only"
			: holder->writes    ? "writes"
					    : "reads");
	}
	fclose(out);
	line(request, "holders", "%s", (char *)ctl_memory(text));
	free(text);
}

static void show_blocks(const struct ctl_request *request, const struct ctl_item *item)
{
	char *text = NULL;
	size_t size;
	FILE *out = ctl_memory(open_memstream(&text, &size));

	for (uint32_t i = 0; i < item->found->info.blocks; i++) {
		char name[16], clean[16], words[CTL_WORD];
		uint64_t bytes;
		const unsigned char *at = plx_segment_block_at(&item->seg, i, name, &bytes);

		if (!at)
			break;
		fprintf(out, "%s%s %s at %#" PRIx64, i ? ", " : "", ctl_clean(name, clean, sizeof(clean)),
			ctl_bytes(bytes, words), (uint64_t)(at - (const unsigned char *)item->seg.base));
	}
	fclose(out);
	line(request, "blocks", "%s", ((char *)ctl_memory(text))[0] ? text : "none");
	free(text);
}

static void show_header(const struct ctl_request *request, const struct ctl_scene *scene,
			const struct ctl_item *item)
{
	const struct plx_found *found = item->found;
	char name[80], comm[24], size[CTL_WORD], resident[CTL_WORD], age[CTL_WORD];

	fprintf(request->out, "%s%s %s%s\n", ctl_paint(request, BOLD), ctl_kind(found->info.kind),
		ctl_clean(found->info.name, name, sizeof(name)), ctl_paint(request, PLAIN));
	if (item->error)
		line(request, "trouble", "%s%s%s", ctl_paint(request, RED), ctl_item_trouble(item),
		     ctl_paint(request, PLAIN));
	if (item->path)
		line(request, "file", "%s", item->path);
	if (found->info.kind != PLX_KIND_NONE) {
		line(request, "id", "%016" PRIx64 ", layout version %u", found->info.id, found->info.version);
		if (item->path)
			line(request, "made", "by process %u, %s ago", found->info.creator,
			     ctl_age(ctl_since(scene, found->info.created_ns), age));
		else
			line(request, "made", "by %u %s, which %s, %s ago", found->info.creator,
			     ctl_comm(scene, (int32_t)found->info.creator, comm),
			     found->creator_alive ? "is alive" : "died",
			     ctl_age(ctl_since(scene, found->info.created_ns), age));
	}
	if (!item->path && !found->creator_alive && ctl_steward(item) > 0)
		line(request, "goes on", "under process %d; shmctl stop %d ends it", (int)ctl_steward(item),
		     (int)ctl_steward(item));
	line(request, "size", "%s, of which %s are in memory", ctl_bytes(found->bytes, size),
	     ctl_bytes(found->resident, resident));
	if (!item->path)
		show_holders(request, found);
	if (item->seg.base && found->info.kind != PLX_KIND_NONE)
		show_blocks(request, item);
}

/* ---- topics and links ---------------------------------------------------------------------------- */

static void show_topic(const struct ctl_request *request, const struct ctl_item *item)
{
	const struct plx_topic_view *topic = &item->topic;
	char bytes[CTL_WORD], size[CTL_WORD];

	line(request, "state", "%s", ctl_ending(item));
	if (topic->ended && topic->end_reason != 0)
		line(request, "reason", "%s", plx_strerror(topic->end_reason));
	line(request, "log", "%u entries, history %u, type %u%s", topic->depth, topic->history, topic->type,
	     topic->stamped ? ", stamped" : "");
	line(request, "messages", "%" PRIu64 " published (%s), %" PRIu64 " still in the log, from %" PRIu64,
	     topic->head, ctl_bytes(topic->bytes, bytes), topic->head - topic->tail, topic->tail);
	line(request, "slots", "%u of %s; one subscriber may keep %u", topic->slots,
	     ctl_bytes(topic->slot_size, size), topic->quota);
	line(request, "publisher", "waited %" PRIu64 " times, woke %" PRIu64 " times", topic->waited,
	     topic->woken);
	line(request, "readers", "%u of at most %u now; %u joined, %u left, %u lost, %u refused",
	     topic->subscribers, topic->subscribers_max, topic->joined, topic->left, topic->lost,
	     topic->refused);
	ctl_picture(request, topic);
}

static void add_reader(struct ctl_grid *grid, const struct ctl_scene *scene, const struct ctl_item *item)
{
	const struct plx_link_view *link = &item->link;
	uint64_t head = item->publisher ? item->publisher->topic.head : 0;
	roaring_bitmap_t *pins = ctl_slots_pinned(link);
	char comm[24], *ranges = ctl_ranges(pins, 4);

	ctl_grid_cell(grid, PLAIN, "%d", (int)link->subscriber);
	ctl_grid_cell(grid, BOLD, "%s", ctl_comm(scene, link->subscriber, comm));
	ctl_grid_cell(grid, PLAIN, "%s%s", ctl_reading(link->reading), link->sleeping ? ", asleep" : "");
	ctl_grid_cell(grid, PLAIN, "%" PRIu64, link->cursor);
	if (head >= link->cursor)
		ctl_grid_cell(grid, PLAIN, "%" PRIu64, head - link->cursor);
	else
		ctl_grid_cell(grid, PLAIN, "?");
	ctl_grid_cell(grid, PLAIN, "%" PRIu64, link->taken);
	ctl_grid_cell(grid, link->lost ? RED : PLAIN, "%" PRIu64, link->lost);
	ctl_grid_cell(grid, PLAIN, "%u of %u", link->pins, link->quota);
	if (ctl_connected(item) || item->path)
		ctl_grid_cell(grid, PLAIN, "%s", ranges);
	else
		ctl_grid_cell(grid, RED, "not connected");
	free(ranges);
	roaring_bitmap_free(pins);
}

static void reader_titles(struct ctl_grid *grid)
{
	static const char *const titles[] = { "PID",   "SUBSCRIBER", "READS", "CURSOR", "LAG",
					      "TAKEN", "LOST",       "PINS",  "" };

	ctl_grid_start(grid, "><<>>>>><");
	for (size_t i = 0; i < 9; i++)
		ctl_grid_cell(grid, DIM, "%s", titles[i]);
}

static void show_readers(const struct ctl_request *request, const struct ctl_scene *scene,
			 const struct ctl_item *topic)
{
	struct ctl_grid grid;
	size_t readers = 0;

	for (size_t i = 0; i < scene->count; i++) {
		if (scene->items[i].publisher != topic)
			continue;
		if (readers++ == 0)
			reader_titles(&grid);
		add_reader(&grid, scene, &scene->items[i]);
	}
	if (readers > 0)
		ctl_grid_end(&grid, request, "  ");
}

static void show_link(const struct ctl_request *request, const struct ctl_scene *scene,
		      const struct ctl_item *item)
{
	struct ctl_grid grid;

	line(request, "reads", "the topic segment %016" PRIx64 "%s", item->link.publisher_id,
	     item->publisher ? "" : ", which is not here");
	reader_titles(&grid);
	add_reader(&grid, scene, item);
	ctl_grid_end(&grid, request, "  ");
}

/* ---- tables -------------------------------------------------------------------------------------- */

/* The @index-th of the words separated by '|'. */
static void state_word(const char *states, uint64_t index, char *word, size_t size)
{
	const char *at = states;
	size_t n;

	for (; index > 0 && at; index--) {
		at = strchr(at, '|');
		at = at ? at + 1 : NULL;
	}
	n = at ? strcspn(at, "|") : 0;
	if (n == 0) {
		snprintf(word, size, "?");
		return;
	}
	snprintf(word, size, "%.*s", (int)n, at);
	ctl_clean(word, word, size);
}

static void add_value(struct ctl_grid *grid, int kind, const char *states, uint64_t value)
{
	char text[CTL_WORD], word[48];

	switch (kind) {
	case PLX_COLUMN_BYTES: ctl_grid_cell(grid, PLAIN, "%s", ctl_bytes(value, text)); break;
	case PLX_COLUMN_NS: ctl_grid_cell(grid, PLAIN, "%.3f ms", (double)value / 1e6); break;
	case PLX_COLUMN_STATE:
		state_word(states, value, word, sizeof(word));
		ctl_grid_cell(grid, PLAIN, "%s", word);
		break;
	case PLX_COLUMN_PID:
		if (value == 0)
			ctl_grid_cell(grid, DIM, "-");
		else
			ctl_grid_cell(grid, PLAIN, "%" PRIu64, value);
		break;
	default: ctl_grid_cell(grid, PLAIN, "%" PRIu64, value); break;
	}
}

static void show_table(const struct ctl_request *request, const struct plx_table *table)
{
	char align[GRID_COLUMNS + 1], title[32], clean[32], name[16], states[48];
	uint32_t columns = table->columns < GRID_COLUMNS - 1 ? table->columns : GRID_COLUMNS - 1;
	struct ctl_grid grid;

	memset(align, '>', columns + 1);
	align[columns + 1] = '\0';
	ctl_grid_start(&grid, align);
	plx_table_title(table, title);
	ctl_grid_cell(&grid, DIM, "%s", ctl_clean(title, clean, sizeof(clean)));
	for (uint32_t i = 0; i < columns; i++) {
		if (plx_table_column(table, i, name, states) < 0)
			strcpy(name, "?");
		ctl_grid_cell(&grid, DIM, "%s", ctl_clean(name, clean, sizeof(name)));
	}
	for (uint32_t i = 0; i < table->rows && i < ROWS_MAX; i++) {
		ctl_grid_cell(&grid, PLAIN, "%u", i);
		for (uint32_t j = 0; j < columns; j++)
			add_value(&grid, plx_table_column(table, j, name, states), states,
				  plx_table_get(table, i, j));
	}
	ctl_grid_end(&grid, request, "  ");
	if (table->rows > ROWS_MAX)
		fprintf(request->out, "  and %u more rows (--json has them all)\n", table->rows - ROWS_MAX);
}

static void show_tables(const struct ctl_request *request, const struct ctl_item *item)
{
	for (uint32_t i = 0; i < item->found->info.blocks; i++) {
		struct plx_table table;
		char name[16];
		uint64_t size;
		const void *at = plx_segment_block_at(&item->seg, i, name, &size);

		if (at && plx_table_attach(&table, at, size) == 0)
			show_table(request, &table);
	}
}

/* ---- channels ------------------------------------------------------------------------------------ */

static void show_channel(const struct ctl_request *request, const struct plx_channel_info *c, int32_t holder)
{
	const struct plx_channel_stats *s = &c->stats;
	/* loaded while they grow */
	uint64_t waiting = s->sent > s->received ? s->sent - s->received : 0;

	line(request, "channel", "%s%s, elements of %u bytes, at least %u of them%s",
	     ctl_channel(c->shape.kind), c->closed ? ", closed" : "", c->shape.size, c->shape.count,
	     c->lanes > 1 ? " in each lane" : "");
	line(request, "ends", "%u of %u senders, %u of %u receivers", c->senders, c->shape.senders,
	     c->receivers, c->shape.receivers);
	line(request, "elements", "%" PRIu64 " sent, %" PRIu64 " received, %" PRIu64 " waiting", s->sent,
	     s->received, waiting);
	line(request, "waits",
	     "full %" PRIu64 " times, empty %" PRIu64 ", asleep %" PRIu64 ", woken %" PRIu64, s->full,
	     s->empty, s->parked, s->woken);
	line(request, "deaths", "%" PRIu64 " seats taken back, %" PRIu64 " cells skipped", s->buried,
	     s->skipped);
	if (holder > 0)
		line(request, "in hand",
		     "process %d has an element for the longest: when it is stopped, others wait for it",
		     holder);
}

static void show_channels(const struct ctl_request *request, const struct ctl_item *item)
{
	struct plx_segment seg = item->seg;

	(void)!plx_inspect_rest(&seg); /* what is left out is not shown */
	for (uint32_t i = 0; i < item->found->info.blocks; i++) {
		struct plx_channel_info info;
		char name[16];
		uint64_t size;
		const void *at = plx_segment_block_at(&item->seg, i, name, &size);

		if (at && plx_channel_info(at, size, &info) == 0)
			show_channel(request, &info, plx_mpmc_holder(at, size));
	}
}

/* ---- all of it ----------------------------------------------------------------------------------- */

static void show(const struct ctl_request *request, const struct ctl_scene *scene,
		 const struct ctl_item *item)
{
	show_header(request, scene, item);
	if (item->is_topic) {
		show_topic(request, item);
		show_readers(request, scene, item);
	}
	if (item->is_link)
		show_link(request, scene, item);
	if (item->seg.base) {
		show_channels(request, item);
		show_tables(request, item);
	}
}

/* A link is shown with its topic when that is shown. */
static bool is_covered(const struct ctl_scene *scene, const roaring_bitmap_t *chosen,
		       const struct ctl_item *item)
{
	return item->publisher && roaring_bitmap_contains(chosen, (uint32_t)(item->publisher - scene->items));
}

int ctl_inspect(const struct ctl_request *request)
{
	struct json_object *object = NULL, *segments = NULL;
	struct ctl_scene scene;
	roaring_uint32_iterator_t it;
	roaring_bitmap_t *chosen;
	bool first = true;
	int code;

	chosen = ctl_scene_target(&scene, request->target, &code);
	if (!chosen)
		return code;
	if (request->json) {
		object = ctl_json_start("inspect", scene.now_ns);
		segments = json_object_new_array();
		json_object_object_add(object, "segments", segments);
	}
	for (roaring_init_iterator(chosen, &it); it.has_value; roaring_advance_uint32_iterator(&it)) {
		const struct ctl_item *item = &scene.items[it.current_value];

		if (request->json) {
			json_object_array_add(segments, ctl_json_segment(&scene, item, true));
		} else if (!is_covered(&scene, chosen, item)) {
			if (!first)
				fputc('\n', request->out);
			show(request, &scene, item);
			first = false;
		}
	}
	if (object)
		ctl_json_end(object, request);
	roaring_bitmap_free(chosen);
	ctl_scene_free(&scene);
	return CTL_FINE;
}
