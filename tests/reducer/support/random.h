/*
 * random.h - programs made at random, and programs made smaller.
 *
 * A test that compares two reducers takes random_program() for many seeds; when they differ on one, random_shrink() looks
 * for a small program on which they still do, and that is what the test prints.
 */
#ifndef TESTS_REDUCER_SUPPORT_RANDOM_H
#define TESTS_REDUCER_SUPPORT_RANDOM_H

#include <plx/common.h>

/* What the reference reducer makes of a program. */
struct outcome {
	int error;             /* as reference_run() */
	uint64_t interactions; /* exact when error is 0 */
	char *text; /* the normal form; NULL with an error and when it cannot be printed (circles) */
};

/*
 * random_program() - the text of a program, always the same for the same seed and size.
 * @size: about how many nodes, 1 ... 1000
 *
 * Definitions refer to each other, mostly forward; all kinds of nodes, labels and numbers occur. It may run for ever, divide
 * by zero or copy what must not be copied: random_outcome() tells. To be freed.
 */
char *random_program(uint64_t seed, uint32_t size);

/* random_outcome() - by the reference reducer; -ETIME when @gas is spent. */
struct outcome random_outcome(const char *program, uint64_t gas);
void random_outcome_free(struct outcome *outcome);

/*
 * random_terminating() - the first random program from *@seed on that reaches a printable normal form within @gas, in at
 * least @size / 2 interactions.
 * @seed: set to the one after it
 * @outcome: its outcome, to be freed as above
 */
char *random_terminating(uint64_t *seed, uint32_t size, uint64_t gas, struct outcome *outcome);

/*
 * random_shrink() - a smaller program for which @fails() is still true, found by leaving out definitions and redexes and by
 * replacing trees by their parts, as long as that helps. @program itself must fail. To be freed.
 */
char *random_shrink(const char *program, bool (*fails)(const char *program, void *context), void *context);

#endif
