/*
 * journal.c - see journal.h. Each step is stores in an order such that whoever finds only some of them done can tell.
 *
 *	journal_add        fields, text --> state TAKEN       before that the entry is free, and its text nobody's
 *	journal_fail       words --> failed
 *	journal_answering  first, last = 0 --> state ANSWERING --> (all but the last message) --> last --> (the last message)
 *	journal_answered   state FREE
 *	journal_reduces    arena 0 --> program --> arena
 *	journal_read       partial before next: a program that is known to have begun was perhaps not begun
 */
#include "reducer/job/journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reducer/in_order.h"

#define ROOM_MIN (UINT64_C(1) << 20)
#define ALIGN    64u

/* ---- memory ------------------------------------------------------------------------------------ */

static uint64_t entries_bytes(uint32_t entries)
{
	return entries * (uint64_t)sizeof(struct journal_entry);
}

uint64_t journal_bytes(uint32_t entries, uint64_t room)
{
	return sizeof(struct journal_head) + entries_bytes(entries) +
	       JOURNAL_STREAMS * sizeof(struct journal_stream) + room;
}

static void begin(struct journal *journal, uint32_t entries, uint64_t room)
{
	journal->head->version = JOURNAL_VERSION;
	journal->head->entries = entries;
	journal->head->streams = JOURNAL_STREAMS;
	journal->head->room = room;
}

void journal_format(struct journal *journal, void *memory, uint32_t entries, uint64_t room)
{
	char *at = memory;

	*journal = JOURNAL_NONE;
	journal->head = memory;
	at += sizeof(*journal->head);
	journal->entries = (struct journal_entry *)(void *)at;
	at += entries_bytes(entries);
	journal->streams = (struct journal_stream *)(void *)at;
	journal->texts = at + JOURNAL_STREAMS * sizeof(struct journal_stream);
	begin(journal, entries, room);
}

static int create(struct journal *journal, uint32_t entries, uint64_t room)
{
	const struct plx_block blocks[] = {
		{ .name = "head", .size = sizeof(struct journal_head) },
		{ .name = "entries", .size = entries_bytes(entries) },
		{ .name = "streams", .size = JOURNAL_STREAMS * sizeof(struct journal_stream) },
		{ .name = "texts", .size = room },
	};
	struct plx_segment *seg = &journal->seg;
	int ret = plx_segment_create(seg, "memfd", "plx:user:journal", plx_segment_need(blocks, 4),
				     PLX_SEGMENT_SPARSE | PLX_SEGMENT_INHERIT);

	if (ret == 0)
		ret = plx_segment_format(seg, JOURNAL_KIND, JOURNAL_VERSION, "journal", blocks, 4);
	if (ret < 0)
		return ret;
	journal->head = plx_segment_block(seg, "head", NULL);
	journal->entries = plx_segment_block(seg, "entries", NULL);
	journal->streams = plx_segment_block(seg, "streams", NULL);
	journal->texts = plx_segment_block(seg, "texts", NULL);
	ret = plx_segment_commit(seg, 0, (uint64_t)(journal->texts - (char *)seg->base));
	if (ret == 0)
		ret = plx_segment_seal(seg, PLX_SEAL_DATA);
	return ret;
}

int journal_open(struct journal *journal, uint32_t entries, uint64_t room)
{
	int ret;

	for (;; room /= 2) {
		*journal = JOURNAL_NONE;
		ret = create(journal, entries, room);
		if (ret == 0)
			break;
		journal_close(journal);
		if (ret != -ENOMEM || room / 2 < ROOM_MIN)
			return ret;
	}
	begin(journal, entries, room);
	return 0;
}

void journal_close(struct journal *journal)
{
	plx_segment_close(&journal->seg);
	*journal = JOURNAL_NONE;
}

/* ---- what was found ---------------------------------------------------------------------------- */

static uint32_t state_of(const struct journal_entry *entry)
{
	/* relaxed: its writer is us, or dead */
	return atomic_load_explicit(&entry->state, memory_order_relaxed);
}

static bool is_text(const char *text, size_t room)
{
	return memchr(text, '\0', room) != NULL;
}

int journal_check(const struct journal *journal, const char **why)
{
	const struct journal_head *head = journal->head;

	for (uint32_t i = 0; i < head->entries; i++) {
		const struct journal_entry *e = &journal->entries[i];

		if (state_of(e) == JOURNAL_FREE)
			continue;
		*why = "journal: a state that there is not";
		if (state_of(e) > JOURNAL_ANSWERING)
			return -EBADMSG;
		*why = "journal: a text that is not inside";
		if (e->text > head->room || e->length > head->room - e->text)
			return -EBADMSG;
		*why = "journal: a word without an end";
		if (!is_text(e->name, sizeof(e->name)) || !is_text(e->message, sizeof(e->message)) ||
		    !is_text(e->reason, sizeof(e->reason)))
			return -EBADMSG;
		*why = "journal: an entry nobody has given its order";
		if (e->order == 0 || e->order > atomic_load_explicit(&head->orders, memory_order_relaxed))
			return -EBADMSG;
	}
	return 0;
}

void journal_found(struct journal *journal)
{
	journal->top = journal->head->entries;
}

struct journal_entry *journal_next(const struct journal *journal, uint64_t after)
{
	struct journal_entry *best = NULL;

	for (uint32_t i = 0; i < journal->top; i++) {
		struct journal_entry *e = &journal->entries[i];

		if (state_of(e) != JOURNAL_FREE && e->order > after && (!best || e->order < best->order))
			best = e;
	}
	return best;
}

int journal_request(const struct journal *journal, const struct journal_entry *entry,
		    struct job_request *request)
{
	*request = (struct job_request){
		.id = entry->id,
		.position = entry->position,
		.publisher = entry->publisher,
		.entry = journal_number(journal, entry),
	};
	if (entry->length > 0) {
		request->text = malloc(entry->length);
		if (!request->text)
			return -ENOMEM;
		memcpy(request->text, journal->texts + entry->text, entry->length);
		request->length = request->room = entry->length;
		job_request_title(request);
	}
	memcpy(request->name, entry->name, sizeof(request->name));
	return 0;
}

/* ---- entries ----------------------------------------------------------------------------------- */

/* The lowest place for so many bytes; @length is not 0. Return: room when there is none. */
static uint64_t find_room(const struct journal *journal, uint64_t length)
{
	const struct journal_head *head = journal->head;
	uint64_t at = 0, before;

	do {
		before = at;
		for (uint32_t i = 0; i < journal->top; i++) {
			const struct journal_entry *e = &journal->entries[i];

			if (state_of(e) != JOURNAL_FREE && e->length > 0 && at < e->text + e->length &&
			    e->text < at + length)
				at = (e->text + e->length + ALIGN - 1) & ~(uint64_t)(ALIGN - 1);
		}
	} while (at != before && at < head->room);
	return at < head->room && length <= head->room - at ? at : head->room;
}

static int put_text(struct journal *journal, struct journal_entry *entry, const struct job_request *request)
{
	entry->text = entry->length = 0;
	if (request->length == 0)
		return 0;
	entry->text = find_room(journal, request->length);
	if (entry->text == journal->head->room)
		return -ENOSPC;
	if (journal->seg.base &&
	    plx_segment_commit(&journal->seg,
			       (uint64_t)(journal->texts - (char *)journal->seg.base) + entry->text,
			       request->length) < 0)
		return -ENOMEM;
	memcpy(journal->texts + entry->text, request->text, request->length);
	entry->length = request->length;
	return 0;
}

static void put_failure(struct journal_entry *entry, const char *reason, const char *message)
{
	snprintf(entry->reason, sizeof(entry->reason), "%s", reason);
	snprintf(entry->message, sizeof(entry->message), "%s", message);
	in_order();
	atomic_store_explicit(&entry->failed, 1, memory_order_relaxed);
}

int journal_add(struct journal *journal, struct job_request *request, uint64_t next, const char *reason,
		const char *message)
{
	struct journal_head *head = journal->head;
	struct journal_entry *entry = journal->entries;
	int ret;

	while (entry < journal->entries + journal->top && state_of(entry) != JOURNAL_FREE)
		entry++;
	if (entry == journal->entries + head->entries)
		return -ENOSPC;
	ret = put_text(journal, entry, request);
	if (ret < 0)
		return ret;
	/* relaxed, all of them: one writer */
	entry->order = atomic_load_explicit(&head->orders, memory_order_relaxed) + 1;
	atomic_store_explicit(&head->orders, entry->order, memory_order_relaxed);
	entry->id = request->id;
	entry->position = request->position;
	entry->next = next;
	entry->publisher = request->publisher;
	atomic_store_explicit(&entry->failed, 0, memory_order_relaxed);
	atomic_store_explicit(&entry->running, 0, memory_order_relaxed);
	atomic_store_explicit(&entry->crashes, 0, memory_order_relaxed);
	atomic_store_explicit(&entry->arena, 0, memory_order_relaxed);
	entry->reason[0] = entry->message[0] = '\0';
	memcpy(entry->name, request->name, sizeof(entry->name));
	if (reason)
		put_failure(entry, reason, message ? message : "");
	in_order();
	atomic_store_explicit(&entry->state, JOURNAL_TAKEN, memory_order_relaxed);
	request->entry = journal_number(journal, entry);
	if (request->entry > journal->top)
		journal->top = request->entry;
	return 0;
}

static struct journal_entry *entry_of(struct journal *journal, const struct job_request *request)
{
	return journal->head && request->entry ? &journal->entries[request->entry - 1] : NULL;
}

void journal_fail(struct journal *journal, const struct job_request *request, const char *reason,
		  const char *message)
{
	struct journal_entry *entry = entry_of(journal, request);

	/* what was said first is said: words that count are not written again */
	if (entry && !atomic_load_explicit(&entry->failed, memory_order_relaxed))
		put_failure(entry, reason, message);
}

void journal_begun(struct journal *journal, const struct job_request *request)
{
	struct journal_entry *entry = entry_of(journal, request);

	if (entry)
		atomic_store_explicit(&entry->running, 1, memory_order_relaxed);
	in_order();
}

void journal_reduces(struct journal *journal, const struct job_request *request,
		     const struct net_handle *handle)
{
	struct journal_entry *entry = entry_of(journal, request);

	if (!entry)
		return;
	atomic_store_explicit(&entry->arena, 0, memory_order_relaxed);
	in_order();
	atomic_store_explicit(&entry->program, handle->program, memory_order_relaxed);
	in_order();
	atomic_store_explicit(&entry->arena, handle->id, memory_order_relaxed);
}

_Atomic uint64_t *journal_answering(struct journal *journal, const struct job_request *request,
				    uint64_t first)
{
	struct journal_entry *entry = entry_of(journal, request);

	if (!entry)
		return NULL;
	atomic_store_explicit(&entry->first, first, memory_order_relaxed);
	atomic_store_explicit(&entry->last, 0, memory_order_relaxed);
	in_order();
	atomic_store_explicit(&entry->state, JOURNAL_ANSWERING, memory_order_relaxed);
	in_order();
	return &entry->last;
}

void journal_answered(struct journal *journal, struct job_request *request)
{
	struct journal_entry *entry = entry_of(journal, request);

	if (!entry)
		return;
	in_order();
	atomic_store_explicit(&entry->state, JOURNAL_FREE, memory_order_relaxed);
	atomic_fetch_add_explicit(&journal->head->answered, 1, memory_order_relaxed);
	request->entry = 0;
	while (journal->top > 0 && state_of(&journal->entries[journal->top - 1]) == JOURNAL_FREE)
		journal->top--;
}

/* ---- streams ----------------------------------------------------------------------------------- */

/* Its place, or one that may become it; the table is never full: the one it would be at first gives way. */
static struct journal_stream *place_of(const struct journal *journal, uint64_t publisher)
{
	const uint32_t mask = journal->head->streams - 1;
	struct journal_stream *free = NULL;

	for (uint32_t i = 0; i <= mask; i++) {
		struct journal_stream *s = &journal->streams[(publisher + i) & mask];
		const uint64_t whose = atomic_load_explicit(&s->publisher, memory_order_relaxed);

		if (whose == publisher)
			return s;
		if (whose == 0 && !free)
			free = s;
	}
	return free ? free : &journal->streams[publisher & mask];
}

struct journal_stream *journal_stream(const struct journal *journal, uint64_t publisher)
{
	struct journal_stream *s = journal->head ? place_of(journal, publisher) : NULL;

	return s && atomic_load_explicit(&s->publisher, memory_order_relaxed) == publisher ? s : NULL;
}

void journal_read(struct journal *journal, uint64_t publisher, uint64_t next, uint64_t partial)
{
	struct journal_stream *s;

	if (!journal->head)
		return;
	s = place_of(journal, publisher);
	if (atomic_load_explicit(&s->publisher, memory_order_relaxed) != publisher) {
		atomic_store_explicit(&s->publisher, 0, memory_order_relaxed);
		in_order();
	}
	atomic_store_explicit(&s->partial, partial, memory_order_relaxed);
	in_order();
	atomic_store_explicit(&s->next, next, memory_order_relaxed);
	in_order();
	atomic_store_explicit(&s->publisher, publisher, memory_order_relaxed);
}

void journal_ended(struct journal *journal, uint64_t publisher, bool died)
{
	struct journal_stream *s = journal_stream(journal, publisher);

	if (!journal->head)
		return;
	atomic_fetch_add_explicit(died ? &journal->head->died : &journal->head->ended, 1,
				  memory_order_relaxed);
	if (s)
		atomic_store_explicit(&s->publisher, 0, memory_order_relaxed);
}
