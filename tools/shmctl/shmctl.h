/* shmctl.h - what the subcommands of shmctl share. */
#ifndef SHMCTL_H
#define SHMCTL_H

#include <json-c/json.h>
#include <plx/inspect.h>
#include <roaring/roaring.h>
#include <stdio.h>

#include "tools/cli/cli.h"

/* Exit codes; shmctl(1) promises them. */
enum ctl_exit {
	CTL_FINE = 0,
	CTL_BROKEN = 1, /* something is broken, or the work could not be done */
	CTL_USAGE = 2,
	CTL_NONE = 3, /* no such topic, process, file */
};

/* What the user asked for. */
struct ctl_request {
	const char *target; /* TOPIC, PID or FILE; NULL: everything */
	const char *file;   /* key: of which file */
	const char *directory;
	bool json, processes, dry, verbose;
	uint64_t watch_ns; /* 0: once */
	bool colour;       /* where out ends is a terminal that knows them */
	unsigned int width;
	FILE *out;
};

/* A segment with all that could be read of it. */
struct ctl_item {
	const struct plx_found *found;
	struct plx_found file;  /* found points here for a segment that came from a file */
	const char *path;       /* of that file; NULL for a live segment */
	struct plx_segment seg; /* private copy */
	int error;              /* why there is none */
	bool is_topic, is_link; /* the views below are set */
	struct plx_topic_view topic;
	struct plx_link_view link;
	struct ctl_item *publisher; /* link: the topic's segment, when that is here too */
};

struct ctl_scene {
	struct plx_found_list list;
	struct ctl_item *items; /* a topic, its links, the next topic, ..., nets, others */
	size_t count;
	uint64_t now_ns; /* CLOCK_REALTIME */
};

/* ---- scene.c: what there is ---------------------------------------------------------------------- */

/** ctl_scene_take() - find and copy everything. Return: 0 or -errno, which has been reported. */
int ctl_scene_take(struct ctl_scene *scene) plx_must_check;
void ctl_scene_free(struct ctl_scene *scene);

/** ctl_scene_file() - a scene of one segment, from a file. Return: 0, or -errno, reported. */
int ctl_scene_file(struct ctl_scene *scene, const char *path) plx_must_check;

/**
 * ctl_scene_target() - the scene, and which of its items @target means: indices.
 * @target: NULL or "all"; PID; path (has a '/' in front, or "./", "../"); else the name of a topic or segment
 *
 * Return: the set (never empty; roaring_bitmap_free()), or NULL: reported, *code is the exit code.
 */
roaring_bitmap_t *ctl_scene_target(struct ctl_scene *scene, const char *target, int *code);

/** ctl_item_reload() - read the views anew. Return: 0 or -errno. */
int ctl_item_reload(struct ctl_item *item) plx_must_check;

/** ctl_comm() - the name of a process, fit to print; "?" when nobody knows it. */
const char *ctl_comm(const struct ctl_scene *scene, int32_t pid, char text[24]);

/** ctl_connected() - does the publisher of this link still have it? */
bool ctl_connected(const struct ctl_item *link);

/* ---- steward.c: who looks after it ----------------------------------------------------------------- */

/** ctl_steward() - the process that ends it when it gets SIGTERM; 0 when there is none. */
int32_t ctl_steward(const struct ctl_item *item);

/* ---- words.c: how things are called and written --------------------------------------------------- */

const char *ctl_kind(uint32_t kind);
const char *ctl_reading(uint32_t reading);
/** ctl_channel() - "spsc", "mpsc", ... */
const char *ctl_channel(uint32_t kind);
/** ctl_ending() - "running", "ended", "interrupted", or how else the stream ended. */
const char *ctl_ending(const struct ctl_item *item);
/** ctl_trouble() - why nothing can be said of this segment. */
const char *ctl_trouble(int error);
const char *ctl_item_trouble(const struct ctl_item *item);

/** ctl_denied() - why processes could not be looked into, and what to do. */
const char *ctl_denied(void);

/** ctl_clean() - a foreign name without anything that could trouble a terminal; @text has @size bytes. */
const char *ctl_clean(const char *name, char *text, size_t size);

#define CTL_WORD 32
const char *ctl_bytes(uint64_t bytes, char text[CTL_WORD]);
const char *ctl_age(uint64_t ns, char text[CTL_WORD]);
/** ctl_since() - how long ago @then_ns was, as of the scene. */
uint64_t ctl_since(const struct ctl_scene *scene, uint64_t then_ns);

/* ---- grid.c: text in columns ---------------------------------------------------------------------- */

enum ctl_colour { PLAIN = 0, BOLD, DIM, RED, GREEN, YELLOW, BLUE, CYAN };

#define GRID_COLUMNS 40
struct ctl_grid {
	const char *align; /* '<' or '>' for each column */
	size_t columns;
	struct ctl_cell {
		char *text;
		enum ctl_colour colour;
	} * cells;
	size_t count, room;
};

void ctl_grid_start(struct ctl_grid *grid, const char *align);
/** ctl_grid_cell() - the next cell, row by row. */
void ctl_grid_cell(struct ctl_grid *grid, enum ctl_colour colour, const char *format, ...) plx_printf(3, 4);
/** ctl_grid_end() - print and forget it; each line begins with @indent. */
void ctl_grid_end(struct ctl_grid *grid, const struct ctl_request *request, const char *indent);

/** ctl_paint() - the code that switches to a colour, or "" when there are none. */
const char *ctl_paint(const struct ctl_request *request, enum ctl_colour colour);

/** ctl_memory() - @p, or the end: a tool without memory can do nothing better. */
void *ctl_memory(void *p);

/* ---- slots.c: sets of slots ------------------------------------------------------------------------ */

/** ctl_slots_in() - the slots of a topic that are in @state. */
roaring_bitmap_t *ctl_slots_in(const struct plx_topic_view *topic, char state);
/** ctl_slots_pinned() - the slots a subscriber pins. */
roaring_bitmap_t *ctl_slots_pinned(const struct plx_link_view *link);
/** ctl_ranges() - "0-11, 17, 30-31"; after @most ranges ", and N more". Owner: free(). */
char *ctl_ranges(const roaring_bitmap_t *set, unsigned int most);
/** ctl_picture() - all slots as rows of letters, with a legend. */
void ctl_picture(const struct ctl_request *request, const struct plx_topic_view *topic);

/* ---- json.c ---------------------------------------------------------------------------------------- */

struct json_object *ctl_json_start(const char *command, uint64_t now_ns);
/** ctl_json_segment() - everything about a segment; @detail: blocks, slots, tables too. */
struct json_object *ctl_json_segment(const struct ctl_scene *scene, const struct ctl_item *item, bool detail);
struct json_object *ctl_json_id(uint64_t id);
void ctl_json_text(struct json_object *object, const char *key, const char *value);
void ctl_json_number(struct json_object *object, const char *key, uint64_t value);
/** ctl_json_end() - print it: one line when watching, else indented. */
void ctl_json_end(struct json_object *object, const struct ctl_request *request);

/* ---- one file per subcommand: each returns an exit code ---------------------------------------------- */

int ctl_list(const struct ctl_request *request);
int ctl_inspect(const struct ctl_request *request);
int ctl_check(const struct ctl_request *request);
int ctl_reap(const struct ctl_request *request);
int ctl_key(const struct ctl_request *request);
int ctl_stop(const struct ctl_request *request);

#endif
