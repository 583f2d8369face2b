/*
 * mutant.h - spots at which a test build leaves out one rule, to see that somebody notices.
 *
 * What it names is 0, and nothing is left of it, unless the compiler was told -D and that name. "make mutants" builds each
 * of them and demands that a test fails (tests/crash/mutants, docs/testing.md).
 */
#ifndef BASE_MUTANT_H
#define BASE_MUTANT_H

/* -DMUT_X defines it as 1, which makes a second argument of the 1 below; anything else does not. */
#define plx_mutant(name)                 PLX_MUTANT_VALUE(name)
#define PLX_MUTANT_VALUE(value)          PLX_MUTANT_PICK(PLX_MUTANT_##value)
#define PLX_MUTANT_1                     0,
#define PLX_MUTANT_PICK(maybe)           PLX_MUTANT_SECOND(maybe 1, 0, 0)
#define PLX_MUTANT_SECOND(one, two, ...) two

#endif
