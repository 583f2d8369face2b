/* in_order.h - stores for whoever comes after us: who is killed between two has done the first. */
#ifndef REDUCER_IN_ORDER_H
#define REDUCER_IN_ORDER_H

#include <stdatomic.h>

/* The next store comes after those before it. For the compiler only: who reads them does so when we are dead. */
static inline void in_order(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

#endif
