/*
 * reader.h - read values out of a net that has come to rest, and note which cells they were made of.
 *
 * A reference in the way is looked through as HVM2 does, which counts as an interaction: a definition that is just a tree is
 * read in the book, any other one is called in the net, which reduces on meanwhile.
 *
 * What was read is consumed: its cells are noted in the draft as gone, and belong to nobody when the piece is put in. A value that turns out not to be what was wanted is given up with reader_drop().
 */
#ifndef REDUCER_IO_READER_H
#define REDUCER_IO_READER_H

#include "reducer/io/draft.h"
#include "reducer/net/net.h"

/* A port of the net, or of a definition in the book. */
struct spot {
	port p;
	const struct book_def *def; /* NULL: of the net */
};

struct reader {
	struct net *net;
	struct text_source source;
	struct draft *draft; /* of what comes next: collects what is gone */
	uint64_t counted;    /* interactions done by looking into the book */
	/* call() - reduce the reference with the draft's help: the root is its normal form then. Returns 0 or -errno. */
	int (*call)(void *arg, port ref);
	void *arg;
	bool whole; /* what is read goes on living: only definitions without variables are read in the book */
	port *called; /* roots of what was called; nobody's until it is read */
	uint32_t calls, room;
	int error; /* -errno that ends the program */
};

#define READER_FIELDS 16u

/* A constructor as read: its tag and what hangs on it. */
struct reader_ctr {
	uint32_t tag;
	uint32_t count;
	struct spot field[READER_FIELDS];
};

/* reader_start() - with an empty draft, at rest. reader_free() - the memory. */
void reader_start(struct reader *r);
void reader_free(struct reader *r);

/*
 * reader_enter() - follow variables and references to what is there: a node, number, eraser, or a variable that is free.
 * Variables on the way are gone.
 */
struct spot reader_enter(struct reader *r, struct spot at);

/*
 * reader_ctr() - read a constructor. On success its own cells are gone, and the fields are the caller's.
 * Return: false when there is none: then nothing is gone.
 */
bool reader_ctr(struct reader *r, struct spot at, struct reader_ctr *ctr);

/*
 * reader_tuple() - read (a (b c)) as @count fields; the cells of the tuple are gone.
 * Return: how many fields there were; fewer than @count when it is shorter.
 */
uint32_t reader_tuple(struct reader *r, struct spot at, struct spot *field, uint32_t count);

/* reader_number() - @at, entered, is a number: its value in *@value. */
bool reader_number(struct reader *r, struct spot at, port *value);

/*
 * reader_bytes() - read a list of numbers as bytes; its cells are gone as far as it is one.
 * Return: 0 with *@bytes (free() it), terminated; -EINVAL (no list of numbers: it was dropped), -ENOMEM, or r->error.
 */
int reader_bytes(struct reader *r, struct spot at, unsigned char **bytes, size_t *count) plx_must_check;

/*
 * reader_count() - look at what is there, and leave it: HVM2 expands the fields of whatever constructor it finds, and counts
 * that. Definitions that are not just a tree are not called for it: they may be endless.
 */
void reader_count(struct reader *r, struct spot at);

/* reader_undo() - nothing was read since reader_start(): only what was called for it is dropped. */
void reader_undo(struct reader *r);

/*
 * reader_drop() - nobody wants it: all its cells are gone, and wires that lead elsewhere end in erasers.
 */
void reader_drop(struct reader *r, struct spot at);

#endif
