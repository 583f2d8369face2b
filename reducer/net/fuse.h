/*
 * fuse.h - what surely happens when a definition is called, worked out once and then done in one go.
 *
 *	@f = (?((0 @g) a) a)     @g = a & @f ~ a              f(n r):  n is a number?  n = 0?  r ~ 0
 *	                                                               else n = n - 1, and again with n, r
 *
 * A definition that is called often is called once more on paper: with an argument of which only the shape is known (see
 * fuse_maker.h). Interactions between agents that are known happen there, and cost nothing later. Where it depends on what
 * is in the net, an instruction looks, and the work on paper goes on for each answer. What is left at the end is built,
 * or, if it is a call, its arguments stay in registers and its code goes on. The nodes in between never exist, but all
 * interactions are counted.
 *
 * Code is private to a worker and made when it is wanted: the net between two instructions sequences is an ordinary net, so other
 * workers, undoing and tools need not know. What goes into the net goes by way of cells.h and link.h, as everything does.
 */
#ifndef REDUCER_NET_FUSE_H
#define REDUCER_NET_FUSE_H

#include <assert.h>

#include "reducer/net/code.h"

#define FUSE_REGISTERS 256u
#define FUSE_CONSTANTS 4096u
#define FUSE_ARGUMENTS 8u
#define FUSE_LABELS    1024u
#define FUSE_CODE      32768u
#define FUSE_SHAPE     24u

/* Calls of a definition until it is worth the while. */
#define FUSE_WARM 16u

/*
 * Operands a, b, c are places in fuse.value: registers, behind them constants. "else": where to go on if not.
 */
enum fuse_op {
	FUSE_CON,    /* a is a CON: its ports in b and c, its cell is free; else to */
	FUSE_NUM,    /* a is a number; else to */
	FUSE_SWITCH, /* a is a number: b is one less; 0: to; none: other */
	FUSE_ZERO,   /* the number a is 0: to; else b is one less */
	FUSE_OPER,   /* c is what comes of the number a at $(b ...); by zero: to */
	FUSE_ADD,    /* the same, when one is a partial application of that operator: that one is b */
	FUSE_SUB,
	FUSE_MUL,
	FUSE_EQ,
	FUSE_LT,
	FUSE_GT,
	FUSE_PARTIAL, /* c is the number a with operator other; if that cannot be: to */
	FUSE_VAR,     /* a is a new variable */
	FUSE_BOUND,   /* a is a new variable bound to b */
	FUSE_STIFF,   /* the same if b is a number; else a is b */
	FUSE_NODE,    /* a is a new node (b c) with head to */
	FUSE_PUSH,    /* a ~ b onto the stack */
	FUSE_FAR,     /* a is a variable of another worker; else to */
	FUSE_FREE,    /* a is neither a variable nor a node of ours; else to */
	FUSE_SEND,    /* the call a ~ b goes where c is; that takes other of the fuel, and counts nothing */
	FUSE_LINK,    /* join a and b; if they are active they come next */
	FUSE_JUMP, /* that were other interactions; go on at label to, with arguments as the next instruction says */
	FUSE_END, /* that were other interactions */
};

struct fuse_instr {
	union {
		struct {
			uint16_t op, a, b, c;
			uint32_t to;
			uint32_t other;
		};
		uint16_t argument[FUSE_ARGUMENTS];
	};
};
static_assert(sizeof(struct fuse_instr) == 16, "an instruction is two words");

/* A definition, called with an argument of some shape. */
struct fuse_label {
	int64_t cost;                        /* interactions until the next label, at most */
	uint32_t nodes, vars, redexes, sets; /* what it takes, at most */
	uint32_t start;                      /* its code */
	uint32_t spill;                      /* code that makes a redex of it again */
	uint32_t def;
	uint8_t arguments;
	bool made; /* or else only wanted */
	bool poor; /* not worth it */
	char shape[FUSE_SHAPE];
};

struct fuse {
	const struct fuse_label **entry; /* one for each definition; NULL: by the plain rules */
	uint8_t *warmth;                 /* one for each definition: calls so far */
	uint32_t defs;                   /* room for so many */
	bool on;
	bool kept;     /* tests: the code is there and stays */
	uint32_t warm; /* calls until code is made */
	uint32_t labels, used, constants;
	struct fuse_label *label;
	struct fuse_instr *code;
	port *value;
};

struct worker;

/* fuse_begin() - a new program of so many definitions. Without memory nothing is fused. */
void fuse_begin(struct worker *w, uint32_t defs);
void fuse_close(struct worker *w);

/* fuse_all() - code for every definition, now: for tests that step through what comes then. */
void fuse_all(struct worker *w);

/* What to do with a redex whose label could not be entered. */
enum fuse_answer {
	FUSE_PLAIN, /* the plain rules shall do it */
	FUSE_WAIT,  /* it is on the stack again; the batch ends here */
	FUSE_AGAIN, /* try again: there is code now */
};

/* fuse_reluctant() - @def's entry was not entered: it is cold, or something is short. Works on w->hot. */
enum fuse_answer fuse_reluctant(struct worker *w, port a, port b);

/* fuse_send() - the call @a ~ @b goes to the home of the variable @var. It has cost @price. Works on w->hot. */
void fuse_send(struct worker *w, port a, port b, port var, uint32_t price);

/* fuse_short() - a label could not be entered from another: the batch may end. Works on w->hot. */
void fuse_short(struct worker *w, const struct fuse_label *label);

#endif
