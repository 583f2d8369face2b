/* step.h - run an operation one instruction at a time, and ask at each: what if it died here, what if it slept here? */
#ifndef TESTS_STEP_H
#define TESTS_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * A child runs the operation under ptrace; we are its parent and have the same memory at the same addresses. That memory
 * holds everything the operation touches, its own private state and its stack too, so that what we copy out and put back
 * is the whole world, and with the registers the whole child:
 *
 *	memory  [ shared: what processes share | rest: their private state | stack of the child ]
 *
 * At each instruction there are two questions:
 *
 *	died    the child does nothing any more. The answer depends on what the others can see: while "shared" stays as
 *	        it is, so does the answer, and is not asked for again.
 *	paused  the others go on, then the child does, to the end of its operation; "resumed" looks at what came of it.
 *
 * After each of them the world is put back. An answer is NULL, or a sentence that says what is wrong.
 *
 * One thread, one instruction after another: what a processor may reorder cannot be seen here.
 */
struct stepper;

struct step_op {
	void (*call)(void *arg); /* run by the child; returns */
	const char *(*died)(void *arg);
	const char *(*paused)(void *arg);
	const char *(*resumed)(void *arg);
	void *arg; /* in the memory */
};

/* What was asked for one kind of operation. */
struct step_count {
	const char *name;
	uint64_t runs;
	uint64_t points; /* instructions at which was asked */
	uint64_t deaths; /* ... so many of them with something new to be seen by who lives on */
	uint64_t pauses; /* ... so many of them: what if it slept here */
	uint64_t wrong;
};

/* Memory for @shared and @rest bytes, and the child. Ends the program when there is none. */
struct stepper *step_open(size_t shared, size_t rest);
void step_close(struct stepper *s);
void *step_shared(const struct stepper *s);
void *step_rest(const struct stepper *s);

/*
 * Run @op to its end, asking at each instruction. Afterwards the world is as the operation left it. NULL, or what was
 * wrong first, with the place where.
 */
const char *step_run(struct stepper *s, const struct step_op *op, struct step_count *count);

/* Shall we go on? CRASH_POINTS instructions (a number), CRASH_SECONDS: whatever is over first; and at least @least. */
bool step_more(const struct step_count *counts, size_t n, uint64_t least);

/* One line each, and one for all. Returns the number of wrong ones. */
uint64_t step_report(const char *title, const struct step_count *counts, size_t n);

#endif
