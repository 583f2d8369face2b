/*
 * calls.h - programs of functions that call each other and themselves, for what is done when a definition is called.
 */
#ifndef TESTS_REDUCER_SUPPORT_CALLS_H
#define TESTS_REDUCER_SUPPORT_CALLS_H

#include <plx/common.h>

/*
 * calls_program() - the text of a program, always the same for the same number. To be freed.
 *
 * Functions switch on a number that they count down, compute with others, and call what is below them; now and then there is a
 * wrong number of arguments, another kind of node, a label, a number of another type, an operator where a value
 * belongs, a reference that is copied. It may run for long, divide by zero or copy what must not be copied.
 */
char *calls_program(uint64_t number);

#endif
