/*
 * check.c - shmctl check: every invariant of every segment, and those that hold between a topic and its links.
 *
 * Both sides work on while we compare them, so the order of the looks matters: what a link says of the past is compared
 * with a topic read after it, and the other way round. Sets of slots are compared twice and more: only slots that are
 * wrong at each look are.
 */
#include "tools/shmctl/shmctl.h"

#include <errno.h>
#include <plx/subscriber.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOKS 8

enum verdict { SOUND, BROKEN, SKIPPED };

struct finding {
	enum verdict verdict;
	char why[300];
};

static void pause_ms(long ms)
{
	nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

static void broken(struct finding *finding, const char *why)
{
	finding->verdict = BROKEN;
	snprintf(finding->why, sizeof(finding->why), "%s", why);
}

/* ---- a link and its topic ------------------------------------------------------------------------ */

/* A subscriber's position, between two looks at its topic. */
static const char *compare_positions(struct ctl_item *link)
{
	struct ctl_item *topic = link->publisher;
	uint64_t tail, cursor;
	bool reliable;

	if (ctl_item_reload(topic) < 0)
		return NULL;
	tail = topic->topic.tail;
	if (ctl_item_reload(link) < 0 || ctl_item_reload(topic) < 0)
		return NULL;
	cursor = link->link.cursor;
	reliable = link->link.reading == PLX_READ_RELIABLE;
	if (link->link.slots != topic->topic.slots)
		return "link: it has pins for another number of slots than its topic has";
	/* a message is in the log an instant before the head says so */
	if (cursor > topic->topic.head + 1)
		return "link: the cursor is ahead of the topic's head";
	if (reliable && cursor < tail)
		return "link: a reliable subscriber's cursor is behind the topic's tail";
	return NULL;
}

/* Slots this subscriber pins although its publisher counts them as free; a lossy one may touch one for a moment. */
static roaring_bitmap_t *wrong_pins(const struct ctl_item *link)
{
	roaring_bitmap_t *pins = ctl_slots_pinned(&link->link);
	roaring_bitmap_t *spare = ctl_slots_in(&link->publisher->topic, PLX_SLOT_FREE);

	roaring_bitmap_and_inplace(pins, spare);
	roaring_bitmap_free(spare);
	if (link->link.reading == PLX_READ_LOSSY && roaring_bitmap_get_cardinality(pins) == 1)
		roaring_bitmap_clear(pins);
	return pins;
}

static void check_pins(struct ctl_item *link, struct finding *finding)
{
	roaring_bitmap_t *wrong = wrong_pins(link);
	char *ranges;

	for (int look = 1; look < LOOKS && !roaring_bitmap_is_empty(wrong); look++) {
		roaring_bitmap_t *again;

		pause_ms(2 * look);
		/* the link first: a pin it clears makes the slot free, not the other way round */
		if (ctl_item_reload(link) < 0 || ctl_item_reload(link->publisher) < 0) {
			roaring_bitmap_clear(wrong);
			break;
		}
		again = wrong_pins(link);
		roaring_bitmap_and_inplace(wrong, again);
		roaring_bitmap_free(again);
	}
	if (!roaring_bitmap_is_empty(wrong)) {
		ranges = ctl_ranges(wrong, 8);
		finding->verdict = BROKEN;
		snprintf(finding->why, sizeof(finding->why),
			 "link: it pins slots that its publisher counts as free: %s", ranges);
		free(ranges);
	}
	roaring_bitmap_free(wrong);
}

static void check_link(struct ctl_item *link, struct finding *finding)
{
	const char *why = NULL;

	for (int look = 0; look < LOOKS; look++) {
		why = compare_positions(link);
		if (!why)
			break;
		pause_ms(2 * look);
	}
	if (!link->is_link || !link->publisher->is_topic)
		return;
	if (why)
		broken(finding, why);
	else
		check_pins(link, finding);
}

/* ---- one segment --------------------------------------------------------------------------------- */

/* A segment has no header for the moment in which it is made. */
static void wait_for_header(struct ctl_item *item)
{
	for (int look = 1; look < LOOKS && item->error != 0 && item->error != -EACCES && !item->path;
	     look++) {
		struct plx_segment seg = PLX_SEGMENT_NONE;

		if (item->error != -EAGAIN && look > 2)
			break;
		pause_ms(2 * look);
		if (plx_inspect_open(&seg, item->found) < 0)
			break;
		plx_segment_close(&item->seg);
		item->seg = seg;
		item->error = ctl_item_reload(item);
	}
}

static struct finding examine(struct ctl_item *item)
{
	struct finding finding = { .verdict = SOUND };
	bool unfinished = item->error == -EAGAIN;
	const char *why = "";
	int ret;

	wait_for_header(item);
	if (!item->seg.base || (unfinished && item->error)) {
		finding.verdict = SKIPPED;
		snprintf(finding.why, sizeof(finding.why), "%s",
			 ctl_trouble(unfinished ? -EAGAIN : item->error));
		return finding;
	}
	(void)!plx_inspect_rest(&item->seg); /* a damaged header: the check says so */
	ret = plx_inspect_check(&item->seg, &why);
	if (ret == -EBADMSG)
		broken(&finding, why);
	else if (ret < 0)
		broken(&finding, plx_strerror(ret));
	if (finding.verdict == SOUND && item->is_link && ctl_connected(item))
		check_link(item, &finding);
	return finding;
}

/* ---- saying so ----------------------------------------------------------------------------------- */

static const struct {
	const char *word;
	enum ctl_colour colour;
} verdicts[] = { [SOUND] = { "ok", GREEN }, [BROKEN] = { "BROKEN", RED }, [SKIPPED] = { "skipped", YELLOW } };

static void add_line(struct ctl_grid *grid, const struct ctl_scene *scene, const struct ctl_item *item,
		     const struct finding *finding)
{
	const struct plx_found *found = item->found;
	int32_t pid = item->is_link ? item->link.subscriber : (int32_t)found->info.creator;
	char name[80], comm[24];

	ctl_grid_cell(grid, verdicts[finding->verdict].colour, "%s", verdicts[finding->verdict].word);
	ctl_grid_cell(grid, PLAIN, "%s", ctl_kind(found->info.kind));
	ctl_grid_cell(grid, BOLD, "%s",
		      item->path ? item->path : ctl_clean(found->info.name, name, sizeof(name)));
	if (item->path)
		ctl_grid_cell(grid, PLAIN, "file");
	else if (pid > 0)
		ctl_grid_cell(grid, PLAIN, "%d %s", (int)pid, ctl_comm(scene, pid, comm));
	else if (found->holder_count)
		ctl_grid_cell(grid, PLAIN, "held by %d %s", (int)found->holders[0].pid,
			      ctl_comm(scene, found->holders[0].pid, comm));
	else
		ctl_grid_cell(grid, PLAIN, "?");
	ctl_grid_cell(grid, verdicts[finding->verdict].colour, "%s", finding->why);
}

static struct json_object *json_finding(const struct ctl_scene *scene, const struct ctl_item *item,
					const struct finding *finding)
{
	static const char *const words[] = { [SOUND] = "ok", [BROKEN] = "broken", [SKIPPED] = "skipped" };
	struct json_object *object = ctl_json_segment(scene, item, false);

	ctl_json_text(object, "verdict", words[finding->verdict]);
	json_object_object_add(object, "why", finding->why[0] ? json_object_new_string(finding->why) : NULL);
	return object;
}

static void report(const struct ctl_request *request, const struct ctl_scene *scene,
		   const roaring_bitmap_t *chosen, const struct finding *findings, const size_t counts[3])
{
	roaring_uint32_iterator_t it;
	struct ctl_grid grid;

	ctl_grid_start(&grid, "<<<<<");
	for (roaring_init_iterator(chosen, &it); it.has_value; roaring_advance_uint32_iterator(&it))
		add_line(&grid, scene, &scene->items[it.current_value], &findings[it.current_value]);
	ctl_grid_end(&grid, request, "");
	fprintf(request->out, "%zu sound, %zu broken, %zu skipped\n", counts[SOUND], counts[BROKEN],
		counts[SKIPPED]);
}

static void report_json(const struct ctl_request *request, const struct ctl_scene *scene,
			const roaring_bitmap_t *chosen, const struct finding *findings,
			const size_t counts[3])
{
	struct json_object *object = ctl_json_start("check", scene->now_ns),
			   *segments = json_object_new_array();
	roaring_uint32_iterator_t it;

	ctl_json_number(object, "sound", counts[SOUND]);
	ctl_json_number(object, "broken", counts[BROKEN]);
	ctl_json_number(object, "skipped", counts[SKIPPED]);
	for (roaring_init_iterator(chosen, &it); it.has_value; roaring_advance_uint32_iterator(&it))
		json_object_array_add(segments, json_finding(scene, &scene->items[it.current_value],
							     &findings[it.current_value]));
	json_object_object_add(object, "segments", segments);
	ctl_json_end(object, request);
}

int ctl_check(const struct ctl_request *request)
{
	size_t counts[3] = { 0 };
	struct ctl_scene scene;
	struct finding *findings;
	roaring_uint32_iterator_t it;
	roaring_bitmap_t *chosen;
	int code;

	chosen = ctl_scene_target(&scene, request->target, &code);
	if (!chosen)
		return code;
	findings = ctl_memory(calloc(scene.count, sizeof(*findings)));
	for (roaring_init_iterator(chosen, &it); it.has_value; roaring_advance_uint32_iterator(&it)) {
		findings[it.current_value] = examine(&scene.items[it.current_value]);
		counts[findings[it.current_value].verdict]++;
	}
	if (request->json)
		report_json(request, &scene, chosen, findings, counts);
	else
		report(request, &scene, chosen, findings, counts);
	free(findings);
	roaring_bitmap_free(chosen);
	ctl_scene_free(&scene);
	return counts[BROKEN] ? CTL_BROKEN : CTL_FINE;
}
