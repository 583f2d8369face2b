/*
 * scene.c - what there is: every segment found, copied and read, links beside the topics they belong to.
 *
 * A segment that cannot be read stays in the scene, with the reason; what vanished while we looked does too.
 */
#include "tools/shmctl/shmctl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void forget_views(struct ctl_item *item)
{
	plx_inspect_topic_free(&item->topic);
	plx_inspect_link_free(&item->link);
	item->is_topic = item->is_link = false;
}

int ctl_item_reload(struct ctl_item *item)
{
	struct plx_segment_info info;
	int ret;

	forget_views(item);
	ret = plx_segment_info(&item->seg, &info);
	if (ret == 0 && info.kind == PLX_KIND_TOPIC) {
		ret = plx_inspect_topic(&item->seg, &item->topic);
		item->is_topic = ret == 0;
	} else if (ret == 0 && info.kind == PLX_KIND_LINK) {
		ret = plx_inspect_link(&item->seg, &item->link);
		item->is_link = ret == 0;
	}
	return ret;
}

static void item_free(struct ctl_item *item)
{
	forget_views(item);
	plx_segment_close(&item->seg);
}

static int by_id(const void *a, const void *b)
{
	uint64_t x = (*(struct ctl_item *const *)a)->topic.id, y = (*(struct ctl_item *const *)b)->topic.id;

	return x < y ? -1 : x > y;
}

/* Which link reads which topic; what it pins. */
static void join_links(struct ctl_scene *scene)
{
	struct ctl_item **topics = ctl_memory(calloc(scene->count + 1, sizeof(struct ctl_item *)));
	size_t count = 0;

	for (size_t i = 0; i < scene->count; i++) {
		if (scene->items[i].is_topic)
			topics[count++] = &scene->items[i];
	}
	qsort(topics, count, sizeof(struct ctl_item *), by_id);
	for (size_t i = 0; i < scene->count; i++) {
		struct ctl_item *link = &scene->items[i],
				key = { .topic = { .id = link->link.publisher_id } };
		struct ctl_item *looked_for = &key, **found;

		if (!link->is_link)
			continue;
		found = bsearch(&looked_for, topics, count, sizeof(struct ctl_item *), by_id);
		if (!found)
			continue;
		link->publisher = *found;
		if (ctl_connected(link))
			plx_inspect_pins(&link->publisher->topic, &link->link);
	}
	free(topics);
}

/* A segment's place in the scene: topics, nets, others; a link goes with its topic. */
static uint32_t rank(const struct ctl_item *item)
{
	switch (item->found->info.kind) {
	case PLX_KIND_TOPIC:
	case PLX_KIND_LINK: return 0;
	case PLX_KIND_NET: return 1;
	case PLX_KIND_NONE: return 3;
	default: return 2;
	}
}

static const struct ctl_item *family(const struct ctl_item *item)
{
	return item->publisher ? item->publisher : item;
}

static int by_family(const void *a, const void *b)
{
	const struct ctl_item *x = *(struct ctl_item *const *)a, *y = *(struct ctl_item *const *)b;
	const struct plx_found *f = family(x)->found, *g = family(y)->found;
	int order;

	if (rank(x) != rank(y))
		return rank(x) < rank(y) ? -1 : 1;
	order = strcmp(f->info.name, g->info.name);
	if (order != 0)
		return order;
	if (f->info.created_ns != g->info.created_ns)
		return f->info.created_ns < g->info.created_ns ? -1 : 1;
	if (f != g)
		return f < g ? -1 : 1;
	if ((x->publisher != NULL) != (y->publisher != NULL)) /* the topic itself first */
		return x->publisher ? 1 : -1;
	return x->found < y->found ? -1 : x->found > y->found;
}

/* Put the items in order; pointers to publishers move along. */
static void arrange(struct ctl_scene *scene)
{
	struct ctl_item **order = ctl_memory(calloc(scene->count + 1, sizeof(struct ctl_item *)));
	struct ctl_item *sorted = ctl_memory(calloc(scene->count + 1, sizeof(*sorted)));
	size_t *place = ctl_memory(calloc(scene->count + 1, sizeof(*place)));

	for (size_t i = 0; i < scene->count; i++)
		order[i] = &scene->items[i];
	qsort(order, scene->count, sizeof(struct ctl_item *), by_family);
	for (size_t i = 0; i < scene->count; i++) {
		sorted[i] = *order[i];
		place[order[i] - scene->items] = i;
	}
	for (size_t i = 0; i < scene->count; i++) {
		if (sorted[i].publisher)
			sorted[i].publisher = &sorted[place[sorted[i].publisher - scene->items]];
	}
	free(scene->items);
	free(order);
	free(place);
	scene->items = sorted;
}

int ctl_scene_take(struct ctl_scene *scene)
{
	int ret;

	*scene = (struct ctl_scene){ .now_ns = wall_ns() };
	ret = plx_inspect_find(&scene->list, 0);
	if (ret < 0) {
		cli_error("/proc: %s%s", plx_strerror(ret),
			  ret == -ENOENT ? "; shmctl finds segments there, mount it" : "");
		return ret;
	}
	scene->items = ctl_memory(calloc(scene->list.count + 1, sizeof(*scene->items)));
	scene->count = scene->list.count;
	for (size_t i = 0; i < scene->count; i++) {
		struct ctl_item *item = &scene->items[i];

		item->found = &scene->list.items[i];
		item->seg = PLX_SEGMENT_NONE;
		item->error = item->found->error;
		if (item->error == -EACCES)
			continue;
		ret = plx_inspect_open(&item->seg, item->found);
		if (ret == 0)
			ret = ctl_item_reload(item);
		if (item->error == 0)
			item->error = ret;
	}
	join_links(scene);
	arrange(scene);
	return 0;
}

void ctl_scene_free(struct ctl_scene *scene)
{
	for (size_t i = 0; i < scene->count; i++)
		item_free(&scene->items[i]);
	free(scene->items);
	plx_inspect_free(&scene->list);
	*scene = (struct ctl_scene){ .items = NULL };
}

int ctl_scene_file(struct ctl_scene *scene, const char *path)
{
	struct ctl_item *item = ctl_memory(calloc(1, sizeof(*item)));
	int ret;

	item->seg = PLX_SEGMENT_NONE;
	ret = plx_inspect_file(&item->seg, path);
	if (ret < 0) {
		cli_error("%s: %s", path, ctl_trouble(ret));
		free(item);
		return ret;
	}
	*scene = (struct ctl_scene){ .items = item, .count = 1, .now_ns = wall_ns() };
	item->path = path;
	item->found = &item->file;
	item->file.bytes = item->file.resident = item->seg.size;
	item->error = item->file.error = plx_segment_info(&item->seg, &item->file.info);
	if (item->error == 0)
		item->error = ctl_item_reload(item);
	return 0;
}

bool ctl_connected(const struct ctl_item *link)
{
	const struct ctl_item *topic = link->publisher;

	for (uint32_t i = 0; topic && i < link->found->holder_count; i++) {
		if (link->found->holders[i].pid == topic->topic.publisher)
			return true;
	}
	return false;
}

const char *ctl_comm(const struct ctl_scene *scene, int32_t pid, char text[24])
{
	for (size_t i = 0; i < scene->list.count; i++) {
		const struct plx_found *found = &scene->list.items[i];

		for (uint32_t j = 0; j < found->holder_count; j++) {
			if (found->holders[j].pid == pid)
				return ctl_clean(found->holders[j].comm, text, 24);
		}
	}
	return strcpy(text, "?");
}

/* ---- what the user means ------------------------------------------------------------------------- */

static bool is_path(const char *target)
{
	return target[0] == '/' || strncmp(target, "./", 2) == 0 || strncmp(target, "../", 3) == 0;
}

static bool holds(const struct plx_found *found, uint64_t pid)
{
	for (uint32_t i = 0; i < found->holder_count; i++) {
		if ((uint64_t)found->holders[i].pid == pid)
			return true;
	}
	return false;
}

/* A topic brings its links along. */
static void choose(const struct ctl_scene *scene, const char *target, roaring_bitmap_t *chosen)
{
	uint64_t pid = 0;
	bool number = cli_count(target, 1, INT32_MAX, &pid) == 0;

	for (size_t i = 0; i < scene->count; i++) {
		if (number && holds(scene->items[i].found, pid))
			roaring_bitmap_add(chosen, (uint32_t)i);
	}
	if (!roaring_bitmap_is_empty(chosen))
		return;
	for (size_t i = 0; i < scene->count; i++) {
		if (strcmp(family(&scene->items[i])->found->info.name, target) == 0)
			roaring_bitmap_add(chosen, (uint32_t)i);
	}
}

static void report_none(const struct ctl_scene *scene, const char *target)
{
	char hint[160] = "";
	uint64_t pid;

	if (scene->list.denied)
		snprintf(hint, sizeof(hint), "; %zu process%s could not be looked into: %s",
			 scene->list.denied, scene->list.denied == 1 ? "" : "es", ctl_denied());
	if (!target)
		cli_error("no live segments%s", hint);
	else if (cli_count(target, 1, INT32_MAX, &pid) == 0)
		cli_error("%s: no process of that number holds a segment, and no topic is called so%s",
			  target, hint);
	else
		cli_error("%s: no live topic or segment of that name; shmctl list shows what there is%s",
			  target, hint);
}

roaring_bitmap_t *ctl_scene_target(struct ctl_scene *scene, const char *target, int *code)
{
	roaring_bitmap_t *chosen = ctl_memory(roaring_bitmap_create());
	int ret;

	if (target && strcmp(target, "all") == 0)
		target = NULL;
	ret = target && is_path(target) ? ctl_scene_file(scene, target) : ctl_scene_take(scene);
	*code = ret == -ENOENT || ret == -ENOTDIR ? CTL_NONE : CTL_BROKEN;
	if (ret < 0) {
		roaring_bitmap_free(chosen);
		return NULL;
	}
	if (!target || is_path(target))
		roaring_bitmap_add_range(chosen, 0, scene->count);
	else
		choose(scene, target, chosen);
	if (!roaring_bitmap_is_empty(chosen))
		return chosen;
	report_none(scene, target);
	*code = CTL_NONE;
	roaring_bitmap_free(chosen);
	ctl_scene_free(scene);
	return NULL;
}
