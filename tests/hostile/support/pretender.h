/* pretender.h - a liar who publishes: segments, a socket and grants like a publisher's, and what it likes of them changed. */
#ifndef TESTS_HOSTILE_PRETENDER_H
#define TESTS_HOSTILE_PRETENDER_H

#include "tests/support/crowd.h"
#include "tests/support/numbered.h"

#include "topic/topic_layout.h"

#include <plx/pool.h>

#define PRETENDER_TOPIC       "hostile/publishers"
#define PRETENDER_GUESTS      2 /* subscribers of the process under attack (audience.h) */
#define PRETENDER_CONNECTIONS 8

/* Of its segments. */
#define DEPTH     64u
#define SLOTS     16u
#define SLOT_SIZE 256u

/* What it shows, in a process of its own. */
struct fake {
	struct plx_segment data, link[PRETENDER_CONNECTIONS];
	uint64_t link_id[PRETENDER_CONNECTIONS];
	int connections[PRETENDER_CONNECTIONS];
	int alarm; /* the eventfd of the last one */
	int count;
	struct plx_grant grant;
	struct plx_listener listener;
	struct plx_topic_head *head;
	struct plx_entry *log;
	unsigned char *slots;
	uint64_t next; /* position of its next message */
	uint64_t noise;
};
extern struct fake fake;

/* How a grant of grant_falsely() differs from an honest one. */
struct lie {
	size_t off, width; /* a field of the message */
	uint64_t value;
	size_t size;           /* of the message; 0: as it should be */
	unsigned int fds;      /* descriptors: as many as a grant has unless said */
	int swap, twice;       /* data and link; data and data */
	int (*data_fd)(void);  /* instead of the data segment's */
	int (*link_fd)(int i); /* instead of the link segment's */
	int (*alarm_fd)(void); /* instead of the alarm */
};
extern struct lie lie;

/** In the liar's process: nothing is shown yet, and nothing is a lie yet. */
void pretend(void);
/** Noise; the same in each run but for the process. */
uint64_t any(void);

/** A data segment like a publisher's, not yet sealed. */
void make_data(void);
void seal_data(void);
/** The honest grant for it. */
void settle_grant(void);
/** Listen: subscribers come. */
void appear_as(uint64_t id);
/** The next one that comes, or -1 when it said nothing; its hello in @bytes. */
int next_guest(unsigned char *bytes);
/** Both subscribers get what @answer gives them. */
void answer_both(void (*answer)(int fd, int i));
/** Whoever comes gets these bytes, and @fds times the descriptor @passed. */
void answer_with(const void *answer, size_t size, int passed, unsigned int fds);
/** The grant for connection @i as bytes. */
uint32_t grant_bytes(unsigned char *bytes, int i);
void grant_honestly(int fd, int i);
/** Everything as it should be, up to here: both subscribers read. */
void begin_honestly(void);
/** Everything but for the lie, to whoever comes; never returns. */
void grant_falsely(void);

/** Publish an entry that says what it likes. */
void put(uint32_t slot, uint32_t length, uint32_t flags);
void put_some(void);
/** A packet to both. */
void say_to_both(const void *bytes, size_t size, unsigned int fds);

#endif
