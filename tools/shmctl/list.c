/*
 * list.c - shmctl list: what lives, one line each.
 *
 * Links stand below the topic they read. Topics whose publisher is alive but whose memory we may not see are told from
 * their sockets, and so are the dead ones.
 */
#include "tools/shmctl/shmctl.h"

#include <errno.h>
#include <plx/table.h>
#include <stdlib.h>
#include <string.h>

/* ---- segments ------------------------------------------------------------------------------------ */

static enum ctl_colour state_colour(const struct ctl_item *item)
{
	const char *state = ctl_ending(item);

	if (strcmp(state, "running") == 0)
		return GREEN;
	return strcmp(state, "ended") == 0 ? DIM : strcmp(state, "waiting") == 0 ? YELLOW : RED;
}

static void topic_words(const struct ctl_item *item, char *text, size_t size)
{
	const struct plx_topic_view *topic = &item->topic;

	snprintf(text, size, "%s, %llu message%s, %u subscriber%s, %u of %u slots free", ctl_ending(item),
		 (unsigned long long)topic->head, topic->head == 1 ? "" : "s", topic->subscribers,
		 topic->subscribers == 1 ? "" : "s", topic->slots_free, topic->slots);
}

static void link_words(const struct ctl_item *item, char *text, size_t size)
{
	const struct plx_link_view *link = &item->link;
	char lag[40] = "", lost[40] = "";

	if (item->publisher && item->publisher->topic.head >= link->cursor)
		snprintf(lag, sizeof(lag), ", lag %llu",
			 (unsigned long long)(item->publisher->topic.head - link->cursor));
	if (link->lost)
		snprintf(lost, sizeof(lost), ", lost %llu", (unsigned long long)link->lost);
	snprintf(text, size, "%s%s%s%s%s", ctl_reading(link->reading), lag, lost,
		 link->sleeping ? ", asleep" : "", ctl_connected(item) ? "" : ", not connected");
}

/* Of a pool, workers that are: rows that have a process. */
static uint32_t rows_with_process(const struct plx_table *table)
{
	int column = plx_table_find(table, "pid");
	uint32_t n = 0;

	if (column < 0 || plx_table_column(table, (uint32_t)column, NULL, NULL) != PLX_COLUMN_PID)
		return table->rows;
	for (uint32_t row = 0; row < table->rows; row++)
		n += plx_table_get(table, row, (uint32_t)column) != 0;
	return n;
}

/*
 * How many of a table's rows are in use, where another table of the segment, of one row, has a gauge of that name: that of a
 * net says how many "workers" there are, of all there can be. Else all, but of a pool.
 */
static uint32_t rows_in_use(const struct ctl_item *item, const char *title, const struct plx_table *of)
{
	char plural[34];

	snprintf(plural, sizeof(plural), "%ss", title);
	for (uint32_t i = 0; i < item->found->info.blocks; i++) {
		struct plx_table table;
		char name[16];
		uint64_t bytes, used;
		const void *at = plx_segment_block_at(&item->seg, i, name, &bytes);
		int column;

		if (!at || plx_table_attach(&table, at, bytes) < 0 || table.rows != 1)
			continue;
		column = plx_table_find(&table, plural);
		if (column < 0 || plx_table_column(&table, (uint32_t)column, NULL, NULL) != PLX_COLUMN_GAUGE)
			continue;
		used = plx_table_get(&table, 0, (uint32_t)column);
		return used < of->rows ? (uint32_t)used : of->rows;
	}
	return item->found->info.kind == PLX_KIND_WORKERS ? rows_with_process(of) : of->rows;
}

/* "3 workers, 4 partitions": the tables and how many of their rows are in use. */
static void table_words(const struct ctl_item *item, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < item->found->info.blocks; i++) {
		struct plx_table table;
		char name[16], title[32], clean[32];
		uint64_t bytes;
		uint32_t rows;
		const void *at = plx_segment_block_at(&item->seg, i, name, &bytes);

		if (!at || plx_table_attach(&table, at, bytes) < 0)
			continue;
		plx_table_title(&table, title);
		rows = rows_in_use(item, title, &table);
		snprintf(text + used, size - used, "%s%u %s%s", used ? ", " : "", rows,
			 ctl_clean(title, clean, sizeof(clean)), rows == 1 ? "" : "s");
		used += strlen(text + used);
	}
}

static void add_segment(struct ctl_grid *grid, const struct ctl_scene *scene, const struct ctl_item *item)
{
	const struct plx_found *found = item->found;
	int32_t pid = item->is_link ? item->link.subscriber : (int32_t)found->info.creator;
	enum ctl_colour colour = PLAIN;
	char name[80], comm[24], size[CTL_WORD], resident[CTL_WORD], age[CTL_WORD], words[200];

	if (item->is_topic) {
		topic_words(item, words, sizeof(words));
		colour = state_colour(item);
	} else if (item->is_link) {
		link_words(item, words, sizeof(words));
	} else if (item->error == 0) {
		table_words(item, words, sizeof(words));
		if (!found->creator_alive) {
			const int32_t steward = ctl_steward(item);
			const size_t used = strlen(words);

			/* a guard that was killed: the program goes on */
			if (steward > 0)
				snprintf(words + used, sizeof(words) - used, "%sgoes on under process %d",
					 used ? ", " : "", (int)steward);
			else
				snprintf(words + used, sizeof(words) - used, "%sdied", used ? ", " : "");
			colour = steward > 0 ? YELLOW : RED;
			pid = steward > 0 ? steward : pid;
		}
	}
	if (item->error) {
		snprintf(words, sizeof(words), "%s", ctl_item_trouble(item));
		colour = item->error == -EAGAIN || item->error == -ESRCH ? DIM : RED;
	}
	ctl_clean(found->info.name, name, sizeof(name));
	ctl_grid_cell(grid, item->publisher ? PLAIN : BOLD, "%s%s", item->publisher ? "  + " : "", name);
	ctl_grid_cell(grid, PLAIN, "%s", ctl_kind(found->info.kind));
	ctl_grid_cell(grid, PLAIN, "%s", ctl_bytes(found->bytes, size));
	ctl_grid_cell(grid, PLAIN, "%s", ctl_bytes(found->resident, resident));
	if (pid > 0)
		ctl_grid_cell(grid, PLAIN, "%d %s", (int)pid, ctl_comm(scene, pid, comm));
	else
		ctl_grid_cell(grid, PLAIN, "?");
	ctl_grid_cell(grid, PLAIN, "%u", found->holder_count);
	if (found->info.created_ns)
		ctl_grid_cell(grid, PLAIN, "%s", ctl_age(ctl_since(scene, found->info.created_ns), age));
	else
		ctl_grid_cell(grid, PLAIN, "?");
	ctl_grid_cell(grid, colour, "%s", words);
}

/* A live publisher of whose memory we see nothing. */
static bool is_hidden(const struct ctl_scene *scene, const struct plx_found_socket *socket)
{
	if (socket->stale || socket->error || socket->name[0] == '.')
		return false;
	for (size_t i = 0; i < scene->count; i++) {
		if (scene->items[i].found->info.id == socket->id)
			return false;
	}
	return true;
}

static void add_hidden(struct ctl_grid *grid, const struct plx_found_socket *socket)
{
	ctl_grid_cell(grid, BOLD, "%s", socket->topic);
	ctl_grid_cell(grid, PLAIN, "topic");
	ctl_grid_cell(grid, PLAIN, "?");
	ctl_grid_cell(grid, PLAIN, "?");
	ctl_grid_cell(grid, PLAIN, "%d ?", (int)socket->pid);
	ctl_grid_cell(grid, PLAIN, "?");
	ctl_grid_cell(grid, PLAIN, "?");
	ctl_grid_cell(grid, DIM, "alive, but its memory cannot be seen from here");
}

static size_t count_stale(const struct plx_found_sockets *sockets)
{
	size_t stale = 0;

	for (size_t i = 0; i < sockets->count; i++)
		stale += sockets->items[i].stale;
	return stale;
}

static void add_head(struct ctl_grid *grid, const char *const *titles, size_t count)
{
	for (size_t i = 0; i < count; i++)
		ctl_grid_cell(grid, DIM, "%s", titles[i]);
}

static void show_segments(const struct ctl_request *request, const struct ctl_scene *scene,
			  const struct plx_found_sockets *sockets)
{
	static const char *const titles[] = { "NAME",    "KIND", "SIZE", "RESIDENT",
					      "PROCESS", "HELD", "AGE",  "STATE" };
	struct ctl_grid grid;
	size_t rows = scene->count;

	ctl_grid_start(&grid, "<<>><>><");
	add_head(&grid, titles, 8);
	for (size_t i = 0; i < scene->count; i++)
		add_segment(&grid, scene, &scene->items[i]);
	for (size_t i = 0; i < sockets->count; i++) {
		if (!is_hidden(scene, &sockets->items[i]))
			continue;
		add_hidden(&grid, &sockets->items[i]);
		rows++;
	}
	ctl_grid_end(&grid, request, "");
	if (rows == 0)
		fputs("no live segments\n", request->out);
}

/* ---- processes ----------------------------------------------------------------------------------- */

struct role {
	uint64_t bytes;
	uint32_t segments, writes;
	char comm[24];
	char *words;
};

static void add_word(struct role *role, const char *verb, const char *name)
{
	char clean[80], *words;

	if (role->words && strlen(role->words) > 300) /* enough */
		return;
	if (asprintf(&words, "%s%s%s %s", role->words ? role->words : "", role->words ? ", " : "", verb,
		     ctl_clean(name, clean, sizeof(clean))) < 0)
		words = NULL;
	free(role->words);
	role->words = ctl_memory(words);
}

/* What process @pid has to do with a segment it holds; NULL: nothing worth a word. */
static const char *verb_of(const struct ctl_item *item, int32_t pid)
{
	bool creator = (uint32_t)pid == item->found->info.creator;

	if (item->is_topic)
		return creator ? "publishes" : NULL;
	if (item->is_link)
		return pid == item->link.subscriber ? "reads" : NULL;
	return creator ? "made" : "holds";
}

static struct role role_of(const struct ctl_scene *scene, int32_t pid)
{
	struct role role = { .words = NULL };

	for (size_t i = 0; i < scene->count; i++) {
		const struct plx_found *found = scene->items[i].found;

		for (uint32_t j = 0; j < found->holder_count; j++) {
			const struct plx_found_holder *holder = &found->holders[j];
			const char *verb;

			if (holder->pid != pid)
				continue;
			role.segments++;
			role.writes += holder->writes;
			role.bytes += found->bytes;
			ctl_clean(holder->comm, role.comm, sizeof(role.comm));
			verb = verb_of(&scene->items[i], pid);
			if (verb)
				add_word(&role, verb, found->info.name);
		}
	}
	return role;
}

static roaring_bitmap_t *all_pids(const struct ctl_scene *scene)
{
	roaring_bitmap_t *pids = ctl_memory(roaring_bitmap_create());

	for (size_t i = 0; i < scene->list.count; i++) {
		for (uint32_t j = 0; j < scene->list.items[i].holder_count; j++)
			roaring_bitmap_add(pids, (uint32_t)scene->list.items[i].holders[j].pid);
	}
	return pids;
}

static void show_processes(const struct ctl_request *request, const struct ctl_scene *scene)
{
	static const char *const titles[] = { "PID", "PROCESS", "SEGMENTS", "WRITES", "SIZE", "DOES" };
	roaring_bitmap_t *pids = all_pids(scene);
	roaring_uint32_iterator_t it;
	struct ctl_grid grid;

	ctl_grid_start(&grid, "><>>><");
	add_head(&grid, titles, 6);
	for (roaring_init_iterator(pids, &it); it.has_value; roaring_advance_uint32_iterator(&it)) {
		struct role role = role_of(scene, (int32_t)it.current_value);
		char size[CTL_WORD];

		ctl_grid_cell(&grid, PLAIN, "%u", it.current_value);
		ctl_grid_cell(&grid, BOLD, "%s", role.comm);
		ctl_grid_cell(&grid, PLAIN, "%u", role.segments);
		ctl_grid_cell(&grid, PLAIN, "%u", role.writes);
		ctl_grid_cell(&grid, PLAIN, "%s", ctl_bytes(role.bytes, size));
		ctl_grid_cell(&grid, PLAIN, "%s", role.words ? role.words : "");
		free(role.words);
	}
	ctl_grid_end(&grid, request, "");
	if (roaring_bitmap_is_empty(pids))
		fputs("no process holds a segment\n", request->out);
	roaring_bitmap_free(pids);
}

static struct json_object *json_processes(const struct ctl_scene *scene)
{
	struct json_object *list = json_object_new_array();
	roaring_bitmap_t *pids = all_pids(scene);
	roaring_uint32_iterator_t it;

	for (roaring_init_iterator(pids, &it); it.has_value; roaring_advance_uint32_iterator(&it)) {
		struct role role = role_of(scene, (int32_t)it.current_value);
		struct json_object *object = json_object_new_object();

		ctl_json_number(object, "pid", it.current_value);
		ctl_json_text(object, "comm", role.comm);
		ctl_json_number(object, "segments", role.segments);
		ctl_json_number(object, "writes", role.writes);
		ctl_json_number(object, "bytes", role.bytes);
		ctl_json_text(object, "does", role.words ? role.words : "");
		json_object_array_add(list, object);
		free(role.words);
	}
	roaring_bitmap_free(pids);
	return list;
}

/* ---- both ---------------------------------------------------------------------------------------- */

static void show_notes(const struct ctl_request *request, const struct ctl_scene *scene,
		       const struct plx_found_sockets *sockets)
{
	size_t stale = count_stale(sockets);

	if (stale)
		fprintf(request->out, "%s%zu dead socket%s in %s; shmctl reap removes %s%s\n",
			ctl_paint(request, YELLOW), stale, stale == 1 ? "" : "s", sockets->directory,
			stale == 1 ? "it" : "them", ctl_paint(request, PLAIN));
	if (scene->list.denied)
		fprintf(request->out, "%s%zu process%s could not be looked into: %s%s\n",
			ctl_paint(request, DIM), scene->list.denied, scene->list.denied == 1 ? "" : "es",
			ctl_denied(), ctl_paint(request, PLAIN));
}

static void show_json(const struct ctl_request *request, const struct ctl_scene *scene,
		      const struct plx_found_sockets *sockets)
{
	struct json_object *object = ctl_json_start("list", scene->now_ns);
	struct json_object *segments = json_object_new_array(), *names = json_object_new_array();

	ctl_json_number(object, "processes_seen", scene->list.processes);
	ctl_json_number(object, "processes_denied", scene->list.denied);
	for (size_t i = 0; i < scene->count; i++)
		json_object_array_add(segments, ctl_json_segment(scene, &scene->items[i], false));
	json_object_object_add(object, "segments", segments);
	for (size_t i = 0; i < sockets->count; i++) {
		const struct plx_found_socket *socket = &sockets->items[i];
		struct json_object *entry = json_object_new_object();

		ctl_json_text(entry, "topic", socket->topic);
		ctl_json_number(entry, "pid", (uint64_t)socket->pid);
		json_object_object_add(entry, "id", ctl_json_id(socket->id));
		json_object_object_add(entry, "alive", json_object_new_boolean(!socket->stale));
		json_object_array_add(names, entry);
	}
	json_object_object_add(object, "sockets", names);
	json_object_object_add(object, "processes", json_processes(scene));
	ctl_json_end(object, request);
}

int ctl_list(const struct ctl_request *request)
{
	struct plx_found_sockets sockets = { .directory = NULL };
	struct ctl_scene scene;
	int ret;

	if (ctl_scene_take(&scene) < 0)
		return CTL_BROKEN;
	ret = plx_inspect_sockets(&sockets, request->directory);
	if (ret < 0)
		cli_note("the discovery directory: %s; sockets are not shown", plx_strerror(ret));
	if (request->json)
		show_json(request, &scene, &sockets);
	else if (request->processes)
		show_processes(request, &scene);
	else
		show_segments(request, &scene, &sockets);
	if (!request->json)
		show_notes(request, &scene, &sockets);
	plx_inspect_sockets_free(&sockets);
	ctl_scene_free(&scene);
	return CTL_FINE;
}
