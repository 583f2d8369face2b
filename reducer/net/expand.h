/*
 * expand.h - references that are left in a normal form become what they refer to.
 *
 * HVM2 prints them by name, hvm-64 expands them. At rest worker 0 puts a fresh variable where each reference hangs, and
 * calls the reference on that variable; the workers then go on as with any redex.
 */
#ifndef REDUCER_NET_EXPAND_H
#define REDUCER_NET_EXPAND_H

#include "reducer/net/worker.h"

/*
 * expand_result() - call every reference that hangs in the tree on control.root. Nobody else may be busy. Works on w->hot.
 * A net that is cyclic there is left as it is: printing it will say so.
 */
void expand_result(struct worker *w);

#endif
