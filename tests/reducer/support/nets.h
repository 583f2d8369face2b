/*
 * nets.h - reduce programs with the real reducer, and look whether it left everything in order.
 */
#ifndef TESTS_REDUCER_SUPPORT_NETS_H
#define TESTS_REDUCER_SUPPORT_NETS_H

#include "reducer/net/net.h"

/* Options for so many workers: threads when $PLX_NET_THREADS is set or @threads, rings of @ring messages. */
struct net_options nets_options(uint32_t workers, uint32_t ring, bool threads);

/* nets_book() - parse a text that must be right. To be freed. */
struct book *nets_book(const char *program, size_t length);

/*
 * nets_run() - start @book on @net, wait for the end (a minute at most), net_check().
 * Return: the normal form as text, to be freed; NULL when the program ended in an error, which is in @result then.
 */
char *nets_run(struct net *net, const struct book *book, const struct net_limits *limits,
	       struct net_result *result);

/* nets_text() - the normal form of the program that has ended, to be freed. */
char *nets_text(const struct net *net);

/*
 * Programs that keep several workers busy, made to measure: a tree of calls 2^depth wide that adds ones; a loop of so many turns.
 */
char *nets_wide(uint32_t depth);
char *nets_loop(uint32_t turns);

#endif
