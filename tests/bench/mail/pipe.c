/* pipe.c - as unix.c, with a pipe. */
#define WITH_PIPE 1
#include "tests/bench/mail/unix.c"
