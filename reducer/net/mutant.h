/*
 * mutant.h - spots at which a test build leaves out one rule of the reducer, to see that somebody notices.
 *
 * What it names is 0 unless the compiler was told -D and that name; "make mutants" builds each of them and demands that a
 * test fails (tests/crash/mutants, docs/testing.md). The same as libshm/base/mutant.h, which is libshm's own.
 */
#ifndef REDUCER_NET_MUTANT_H
#define REDUCER_NET_MUTANT_H

/* -DMUT_X defines it as 1, which makes a second argument of the 1 below; anything else does not. */
#define net_mutant(name)                 NET_MUTANT_VALUE(name)
#define NET_MUTANT_VALUE(value)          NET_MUTANT_PICK(NET_MUTANT_##value)
#define NET_MUTANT_1                     0,
#define NET_MUTANT_PICK(maybe)           NET_MUTANT_SECOND(maybe 1, 0, 0)
#define NET_MUTANT_SECOND(one, two, ...) two

#endif
