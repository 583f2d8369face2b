/*
 * reap.c - shmctl reap: remove what the dead left in the discovery directory, and say what they left elsewhere.
 *
 * Memory needs no reaping: it goes with the last process that holds it. Who that is, is said here.
 */
#include "tools/shmctl/shmctl.h"

#include <errno.h>
#include <string.h>

/* One socket, and what became of it. */
static const char *fate(const struct plx_found_socket *socket, bool dry)
{
	if (!socket->stale)
		return "alive";
	if (dry)
		return "dead";
	return socket->removed ? "removed" : "failed";
}

static void show_socket(const struct ctl_request *request, const struct plx_found_socket *socket)
{
	const char *word = fate(socket, request->dry);

	if (strcmp(word, "alive") == 0)
		return;
	fprintf(request->out, "%s%s %s: its publisher, process %d, is dead%s%s\n",
		strcmp(word, "dead") == 0      ? "would remove "
		: strcmp(word, "removed") == 0 ? "removed "
					       : "FAILED ",
		socket->topic, socket->name, (int)socket->pid, socket->error ? "; " : "",
		socket->error ? plx_strerror(socket->error) : "");
}

/* Segments that outlive their creator. */
static bool is_orphan(const struct plx_found *found)
{
	return found->error == 0 && found->info.kind != PLX_KIND_NONE && !found->creator_alive;
}

static void show_orphan(const struct ctl_request *request, const struct plx_found *found)
{
	char name[80], comm[24], size[CTL_WORD];

	fprintf(request->out, "%s %s (%s) of dead process %u goes when its last holder does: %d %s%s\n",
		ctl_kind(found->info.kind), ctl_clean(found->info.name, name, sizeof(name)),
		ctl_bytes(found->resident, size), found->info.creator, (int)found->holders[0].pid,
		ctl_clean(found->holders[0].comm, comm, sizeof(comm)),
		found->holder_count > 1 ? " and others" : "");
}

static void show(const struct ctl_request *request, const struct plx_found_sockets *sockets,
		 const struct plx_found_list *list, const size_t counts[3])
{
	for (size_t i = 0; i < sockets->count; i++)
		show_socket(request, &sockets->items[i]);
	for (size_t i = 0; i < list->count; i++) {
		if (is_orphan(&list->items[i]))
			show_orphan(request, &list->items[i]);
	}
	fprintf(request->out, "%s: %zu %s, %zu alive, %zu failed, %zu empty directories removed\n",
		sockets->directory, counts[0], request->dry ? "dead" : "removed", counts[1], counts[2],
		sockets->folders);
}

static void show_json(const struct ctl_request *request, const struct plx_found_sockets *sockets,
		      const struct plx_found_list *list, const size_t counts[3])
{
	struct json_object *object = ctl_json_start("reap", 0), *entries = json_object_new_array();
	struct json_object *orphans = json_object_new_array();

	json_object_object_del(object, "time_ns");
	ctl_json_text(object, "directory", sockets->directory);
	ctl_json_number(object, request->dry ? "dead" : "removed", counts[0]);
	ctl_json_number(object, "alive", counts[1]);
	ctl_json_number(object, "failed", counts[2]);
	ctl_json_number(object, "directories_removed", sockets->folders);
	for (size_t i = 0; i < sockets->count; i++) {
		const struct plx_found_socket *socket = &sockets->items[i];
		struct json_object *entry = json_object_new_object();

		ctl_json_text(entry, "topic", socket->topic);
		ctl_json_text(entry, "name", socket->name);
		ctl_json_number(entry, "pid", (uint64_t)socket->pid);
		json_object_object_add(entry, "id", ctl_json_id(socket->id));
		ctl_json_text(entry, "fate", fate(socket, request->dry));
		json_object_object_add(entry, "error",
				       socket->error ? json_object_new_string(plx_strerror(socket->error))
						     : NULL);
		json_object_array_add(entries, entry);
	}
	json_object_object_add(object, "sockets", entries);
	for (size_t i = 0; i < list->count; i++) {
		const struct plx_found *found = &list->items[i];
		struct json_object *entry;

		if (!is_orphan(found))
			continue;
		entry = json_object_new_object();
		ctl_json_text(entry, "kind", ctl_kind(found->info.kind));
		ctl_json_text(entry, "name", found->info.name);
		json_object_object_add(entry, "id", ctl_json_id(found->info.id));
		ctl_json_number(entry, "creator", found->info.creator);
		ctl_json_number(entry, "holder", (uint64_t)found->holders[0].pid);
		ctl_json_number(entry, "resident", found->resident);
		json_object_array_add(orphans, entry);
	}
	json_object_object_add(object, "orphans", orphans);
	ctl_json_end(object, request);
}

int ctl_reap(const struct ctl_request *request)
{
	struct plx_found_sockets sockets;
	struct plx_found_list list;
	size_t counts[3] = { 0 }; /* dead (and removed), alive, failed */
	int ret;

	ret = plx_inspect_sockets(&sockets, request->directory);
	if (ret == 0 && !request->dry) {
		ret = plx_inspect_reap(&sockets);
		if (ret < 0)
			plx_inspect_sockets_free(&sockets);
	}
	if (ret < 0) {
		cli_error("%s: %s%s", request->directory ? request->directory : "the discovery directory",
			  plx_strerror(ret),
			  ret == -EACCES ? "; it must belong to this user, and nobody else may write to it"
					 : "");
		return CTL_BROKEN;
	}
	for (size_t i = 0; i < sockets.count; i++) {
		const struct plx_found_socket *socket = &sockets.items[i];

		if (!socket->stale)
			counts[1]++;
		else
			counts[request->dry || socket->removed ? 0 : 2]++;
	}
	ret = plx_inspect_find(&list, 0);
	if (ret < 0) /* list is empty then */
		cli_note("/proc: %s; segments of the dead are not shown", plx_strerror(ret));
	if (request->json)
		show_json(request, &sockets, &list, counts);
	else
		show(request, &sockets, &list, counts);
	plx_inspect_free(&list);
	plx_inspect_sockets_free(&sockets);
	return counts[2] ? CTL_BROKEN : CTL_FINE;
}
