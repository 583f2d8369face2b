/*
 * arenas.h - an arena whose workers a test plays itself, without a supervisor: has it come to the right end?
 */
#ifndef TESTS_REDUCER_SUPPORT_ARENAS_H
#define TESTS_REDUCER_SUPPORT_ARENAS_H

#include "reducer/net/arena.h"
#include "tests/reducer/support/random.h"

/* arenas_load() - put a program into an arena that is open. */
void arenas_load(struct arena *arena, const struct book *book);

/* arenas_over() - has somebody said that the program is over? */
bool arenas_over(const struct arena *arena);

/*
 * arenas_answer() - the program is over without an error, check_arena() has nothing to say, count and normal form are those of
 * the reference reducer.
 * Return: NULL, or what is wrong in a word.
 */
const char *arenas_answer(const struct arena *arena, const struct outcome *outcome);

#endif
