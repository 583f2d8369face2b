/*
 * steward.c - who looks after a segment, and how it is asked to stop.
 *
 *	its creator lives                       the creator: a guard passes it on
 *	a net whose guard was killed goes on    its supervisor, which its table "program" names
 *	neither                                 nobody: what still holds it has lost its head
 */
#include "tools/shmctl/shmctl.h"

#include <errno.h>
#include <plx/table.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* Of a net: the process that its table says, if that holds it. */
static int32_t supervisor_of(const struct ctl_item *item)
{
	const struct plx_found *found = item->found;
	struct plx_table table;
	uint64_t size, pid;
	int column;
	const void *at = found->info.kind == PLX_KIND_NET && item->seg.base
				 ? plx_segment_block(&item->seg, "program", &size)
				 : NULL;

	if (!at || plx_table_attach(&table, at, size) < 0 || table.rows == 0)
		return 0;
	column = plx_table_find(&table, "supervisor");
	if (column < 0 || plx_table_column(&table, (uint32_t)column, NULL, NULL) != PLX_COLUMN_PID)
		return 0;
	pid = plx_table_get(&table, 0, (uint32_t)column);
	for (uint32_t i = 0; i < found->holder_count; i++)
		if ((uint64_t)found->holders[i].pid == pid)
			return found->holders[i].pid;
	return 0;
}

int32_t ctl_steward(const struct ctl_item *item)
{
	if (item->path || item->error)
		return 0;
	return item->found->creator_alive ? (int32_t)item->found->info.creator : supervisor_of(item);
}

/* All there are among the chosen, each once; @pids has room. Links are their publishers', and end with them. */
static size_t stewards(const struct ctl_scene *scene, const roaring_bitmap_t *chosen, int32_t *pids)
{
	roaring_uint32_iterator_t it;
	size_t count = 0;

	for (roaring_init_iterator(chosen, &it); it.has_value; roaring_advance_uint32_iterator(&it)) {
		const struct ctl_item *item = &scene->items[it.current_value];
		const int32_t pid = item->is_link ? 0 : ctl_steward(item);
		size_t i = 0;

		while (i < count && pids[i] != pid)
			i++;
		if (pid > 0 && i == count)
			pids[count++] = pid;
	}
	return count;
}

static size_t keep_only(int32_t *pids, size_t count, int32_t pid)
{
	for (size_t i = 0; i < count; i++) {
		if (pids[i] == pid) {
			pids[0] = pid;
			return 1;
		}
	}
	return 0;
}

static int ask(const struct ctl_request *request, const struct ctl_scene *scene, int32_t pid)
{
	char comm[24];

	if (kill(pid, SIGTERM) < 0) {
		cli_error("process %d: %s", (int)pid, strerror(errno));
		return CTL_BROKEN;
	}
	fprintf(request->out, "%s: asked process %d, %s, to stop\n", request->target, (int)pid,
		ctl_comm(scene, pid, comm));
	return CTL_FINE;
}

static int say_which(const char *target, const int32_t *pids, size_t count)
{
	char text[200] = "";

	for (size_t i = 0; i < count && i < 8; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%d", i ? ", " : "",
			 (int)pids[i]);
	cli_error("%s: there are several of that name; say which: %s%s", target, text,
		  count > 8 ? ", ..." : "");
	return CTL_USAGE;
}

int ctl_stop(const struct ctl_request *request)
{
	struct ctl_scene scene;
	roaring_bitmap_t *chosen;
	int32_t *pids;
	size_t count;
	uint64_t pid;
	int code;

	if (strcmp(request->target, "all") == 0)
		return cli_usage_error("stop all: one thing at a time");
	chosen = ctl_scene_target(&scene, request->target, &code);
	if (!chosen)
		return code;
	pids = ctl_memory(calloc(scene.count, sizeof(*pids)));
	count = stewards(&scene, chosen, pids);
	/* a process may hold what others look after: only it itself is meant */
	if (cli_count(request->target, 1, INT32_MAX, &pid) == 0)
		count = keep_only(pids, count, (int32_t)pid);
	if (count == 1) {
		code = ask(request, &scene, pids[0]);
	} else if (count > 1) {
		code = say_which(request->target, pids, count);
	} else {
		cli_error("%s: nobody who looks after anything: shmctl list shows who does", request->target);
		code = CTL_BROKEN;
	}
	free(pids);
	roaring_bitmap_free(chosen);
	ctl_scene_free(&scene);
	return code;
}
