/*
 * journal.h - which programs were taken and are not answered yet, kept where the next service finds it when this one is killed.
 *
 *	taken: journal_add() --> reply begins: journal_answering() --> all of it is out: journal_answered()
 *
 * A program is noted before its publisher is told that it was read, and forgotten after the last message of its reply was
 * published. Who comes after a kill finds those in between: journal_entry() and journal_stream().
 */
#ifndef REDUCER_JOB_JOURNAL_H
#define REDUCER_JOB_JOURNAL_H

#include <plx/segment.h>

#include "reducer/job/journal_layout.h"
#include "reducer/job/request.h"

struct journal {
	struct journal_head *head;
	struct journal_entry *entries;
	struct journal_stream *streams;
	char *texts;
	uint32_t top; /* entries from here on are free; journal_found() for what somebody else has left */
	struct plx_segment seg; /* PLX_SEGMENT_NONE: memory of somebody else's, all of it there */
};
#define JOURNAL_NONE ((struct journal){ .seg = PLX_SEGMENT_NONE })

#define JOURNAL_STREAMS 1024u

/*
 * journal_open() - an empty one, which children of fork() have, too.
 * @entries: programs at most; @room: bytes of their texts together; less when there are not so many addresses
 *
 * Return: 0, -EMFILE, -ENFILE, -ENOMEM. Owner: journal_close().
 */
int journal_open(struct journal *journal, uint32_t entries, uint64_t room) plx_must_check;
void journal_close(struct journal *journal);

/* journal_bytes(), journal_format() - the same in memory that is there and zero: for tests. */
uint64_t journal_bytes(uint32_t entries, uint64_t room);
void journal_format(struct journal *journal, void *memory, uint32_t entries, uint64_t room);

/*
 * journal_check() - is everything in it within its bounds? To be asked before what somebody else has left is used.
 * Return: 0 or -EBADMSG with *@why.
 */
int journal_check(const struct journal *journal, const char **why) plx_must_check;

/* journal_number() - of an entry, as job_request.entry has it: 0 is none. */
static inline uint32_t journal_number(const struct journal *journal, const struct journal_entry *entry)
{
	return (uint32_t)(entry - journal->entries) + 1;
}

/* journal_found() - it may have entries that we have not made. */
void journal_found(struct journal *journal);

/*
 * journal_add() - a program was taken, up to the message before @next; @request->entry is set.
 * @reason, @message: what is wrong with it already; NULL: nothing
 *
 * Return: 0 or -ENOSPC, -ENOMEM (it is not noted).
 */
int journal_add(struct journal *journal, struct job_request *request, uint64_t next, const char *reason,
		const char *message) plx_must_check;

/* journal_fail() - what is to be answered whatever happens: it was cancelled. */
void journal_fail(struct journal *journal, const struct job_request *request, const char *reason,
		  const char *message);

/* journal_begun() - it is about to be looked at: if the service crashes it may be because of it. */
void journal_begun(struct journal *journal, const struct job_request *request);

/* journal_reduces() - it was begun, in that arena: whoever comes after us may go on there. */
void journal_reduces(struct journal *journal, const struct job_request *request,
		     const struct net_handle *handle);

/* journal_answering() - its reply begins with message @first of the output. Returns where the end of the last one goes. */
_Atomic uint64_t *journal_answering(struct journal *journal, const struct job_request *request,
				    uint64_t first);

/* journal_answered() - all of its reply was published, or cannot be. */
void journal_answered(struct journal *journal, struct job_request *request);

/* journal_read() - of @publisher all before @next was taken; @partial: as in struct journal_stream. */
void journal_read(struct journal *journal, uint64_t publisher, uint64_t next, uint64_t partial);

/* journal_stream() - what is known about a publisher, or NULL. journal_ended() - it is gone. */
struct journal_stream *journal_stream(const struct journal *journal, uint64_t publisher);
void journal_ended(struct journal *journal, uint64_t publisher, bool died);

/* journal_next() - the entry that was taken next after order @after, or NULL. */
struct journal_entry *journal_next(const struct journal *journal, uint64_t after);

/*
 * journal_request() - the program of an entry again, from its text.
 * Return: 0 or -ENOMEM. Owner: job_request_free().
 */
int journal_request(const struct journal *journal, const struct journal_entry *entry,
		    struct job_request *request) plx_must_check;

#endif
