/* ours_asleep.c - a topic, as most programs use it: who has nothing to read sleeps. */
#define ASLEEP
#include "tests/bench/mail/ours.c"
