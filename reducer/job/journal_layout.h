/*
 * journal_layout.h - the bytes in which a service notes what it has to do, for whoever comes after it.
 *
 * One segment, made by the guard and inherited by the services it starts, one after the other, with the blocks
 *
 *	head     struct journal_head
 *	entries  struct journal_entry, one for each program that was taken and is not answered yet
 *	streams  struct journal_stream, one for each publisher that something was taken from: how far it was read
 *	texts    of the programs; memory comes as it is needed
 *
 * The service that lives is the only writer; the next one reads it when that one is dead (kill -9: its stores end
 * somewhere, in their order). An entry counts when its state says so, which is stored last.
 */
#ifndef REDUCER_JOB_JOURNAL_LAYOUT_H
#define REDUCER_JOB_JOURNAL_LAYOUT_H

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>

#include <plx/common.h>

#define JOURNAL_KIND    (PLX_KIND_USER + 1)
#define JOURNAL_VERSION 2u

struct journal_head {
	/* line 0: geometry; the guard writes it once */
	uint32_t version; /* JOURNAL_VERSION */
	uint32_t entries;
	uint32_t streams; /* a power of two */
	uint32_t reserved;
	uint64_t room; /* bytes of texts */
	/* line 1: the service writes */
	_Alignas(PLX_LINE) _Atomic uint64_t orders; /* ever given to an entry */
	_Atomic uint64_t answered;                  /* programs, ever */
	_Atomic uint64_t output;                    /* id of the segment in which replies are published */
	_Atomic uint32_t ended;                     /* publishers that ended their stream, ever */
	_Atomic uint32_t died;                      /* publishers that died */
	_Atomic uint32_t cut; /* 1: a reply was published in part: its readers have a line without an end */
	uint32_t reserved1;
	_Atomic uint64_t found; /* interactions in arenas that were taken up, ever */
	/* line 2: the guard writes: the output it has a descriptor of */
	_Alignas(PLX_LINE) _Atomic uint64_t witnessed;
};
static_assert(offsetof(struct journal_head, orders) == 1 * PLX_LINE, "protocol.md: journal");
static_assert(offsetof(struct journal_head, witnessed) == 2 * PLX_LINE, "protocol.md: journal");
static_assert(sizeof(struct journal_head) == 3 * PLX_LINE, "protocol.md: journal");

enum journal_state {
	JOURNAL_FREE = 0,
	JOURNAL_TAKEN = 1,     /* to be answered */
	JOURNAL_ANSWERING = 2, /* its reply is being published */
};

struct journal_entry {
	/* line 0 */
	_Atomic uint32_t state;  /* enum journal_state; stored last */
	_Atomic uint32_t failed; /* 1: reason and message are what is to be answered; stored after them */
	uint64_t order;          /* smaller was taken earlier */
	uint64_t id;
	uint64_t position; /* of its first message in its publisher's stream, from 1 */
	uint64_t next;     /* one past its last message */
	uint64_t publisher;
	uint64_t text; /* bytes from the start of texts */
	uint64_t length;
	/* line 1 */
	_Alignas(PLX_LINE) _Atomic uint64_t first; /* ANSWERING: position of the reply's first message */
	_Atomic uint64_t last;                     /* ... and of its last one, + 1; 0: it is not known yet */
	char reason[16];
	_Atomic uint32_t running; /* 1: it was begun */
	_Atomic uint32_t crashes; /* services that crashed while it ran */
	_Atomic uint64_t arena;   /* id of the one it is reduced in; 0: none; stored last */
	_Atomic uint32_t program; /* its number there */
	uint32_t reserved0;
	uint64_t reserved1;
	/* lines 2 to 5: terminated */
	char name[128];
	char message[128];
};
static_assert(offsetof(struct journal_entry, first) == 1 * PLX_LINE, "protocol.md: journal");
static_assert(sizeof(struct journal_entry) == 6 * PLX_LINE, "protocol.md: journal");

#define JOURNAL_SKIP UINT64_MAX /* of a program that is answered already the rest may still come */

struct journal_stream {
	_Atomic uint64_t publisher; /* id of its segment; 0: nobody's; stored last when it is made */
	_Atomic uint64_t next;      /* position of the first message that was not taken */
	_Atomic uint64_t
		partial; /* position of the first message of a program that is not whole yet, + 1; 0: none; JOURNAL_SKIP */
	uint64_t reserved;
};
static_assert(sizeof(struct journal_stream) == 32, "protocol.md: journal");
static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "a lock in libc cannot be shared by two processes");

#endif
