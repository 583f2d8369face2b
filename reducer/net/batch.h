/*
 * batch.h - a batch of interactions is a transaction: done as a whole, or undone as a whole by who comes after the dead.
 *
 *	reduce ... note what is overwritten ... commit: record[1 - parity] = now; seq++; then show it to the others
 *
 * A worker may be killed at any instruction. Its stores so far are all there, in the order of the program, and no later
 * one is: so the compiler must keep the order that matters, and the processor need not be told. Until the commit a batch
 *
 *	- takes cells only that were free at the last commit, and writes them without a note: nothing leads to them;
 *	- frees cells to the end of a queue, so that none of them is taken in the same batch: what the last commit leads to
 *	  stays readable, and the queue as it was is not touched;
 *	- notes each variable that it sets (it was unbound before: that is all there is to know), and the old value of any
 *	  other word it overwrites: nodes that are settled, the words that chain records of spilled mail;
 *	- notes redexes before it takes them off the stack, for their places may be overwritten;
 *	- writes messages and chains beyond what their receivers can see, and takes those of others without telling them.
 *
 * The commit is one store, of seq, whose parity says which of two records counts. What follows it only shows others what is
 * decided: absolute values, which a successor stores again. So does everything in batch_recover(), which may itself be
 * killed anywhere and be done again.
 *
 * With -DNET_MORTAL nothing is noted and cells are reused at once: only to measure what all this costs.
 */
#ifndef REDUCER_NET_BATCH_H
#define REDUCER_NET_BATCH_H

#include "reducer/net/mutant.h"
#include "reducer/net/worker.h"

/* The compiler keeps stores before this before those after it. */
#define BATCH_ORDER() __asm__ volatile("" ::: "memory")

/* Variables that may be set in a batch without a look: so many per interaction, and by mail. */
#define BATCH_SETS 4u
#define BATCH_MAIL (2u * ARENA_TICK)

/* Note that the variable @p, which is unbound, is about to be set. Two stores, of which one is the caller's. */
hot_inline void batch_note_set(const struct worker *w, struct hot *h, port p)
{
#ifdef NET_MORTAL
	(void)w;
	(void)h;
	(void)p;
#else
	if (net_mutant(MUT_NET_SET_UNNOTED))
		return;
	*h->set++ = p | w->batch;
	BATCH_ORDER();
#endif
}

/* batch_note_word() - @word of the arena is about to be overwritten. False: no room, leave it as it is. */
bool batch_note_word(struct worker *w, const void *word);

/* batch_note_top() - the next @n redexes down from the floor may be taken from now on; lowers the floor. */
void batch_note_top(struct worker *w, uint32_t n);

/* batch_note_bottom() - the lowest @n redexes are about to be moved about. */
void batch_note_bottom(struct worker *w, uint32_t n);

/* batch_commit() - all since the last one is done, and shown to the others. Works on w->hot. */
void batch_commit(struct worker *w);

/* batch_recover() - whatever is there, of a predecessor or of the supervisor: undo what was not committed, begin with the rest. */
void batch_recover(struct worker *w);

/* batch_rewind() - the same for a part of it: w as the record says. For who takes part in a program from its beginning. */
void batch_rewind(struct worker *w);

#endif
