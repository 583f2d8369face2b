/*
 * port.h - one end of a wire, in one word: what kind of agent, which one.
 *
 *   63                         20 19        4 3   0
 *  +-----------------------------+-----------+-----+
 *  |            index            |   label   | tag |   VAR REF ERA CON DUP OPR SWI
 *  +-----------------------------+-----------+-----+
 *   63           32 31         9 8    4       3   0
 *  +---------------+-------------+-----+------+-----+
 *  |    payload    |      0      | type  0..  | tag |   NUM
 *  +---------------+-------------+-----+------+-----+
 *
 * The index of a variable counts cells of 8 bytes from the arena's base, that of a node cells of 16 bytes, so an address
 * is one shift and one add, whoever owns it. The index of a REF is a definition's number. Cell 0 is never used:
 * the word 0 says "nothing", and zeroed memory is a field of unbound variables.
 */
#ifndef REDUCER_NET_PORT_H
#define REDUCER_NET_PORT_H

#include <stdint.h>

typedef uint64_t port;

/* The order is HVM2's: a rule looks at the pair with the lower tag first. */
enum port_tag {
	TAG_VAR = 0,
	TAG_REF = 1,
	TAG_ERA = 2,
	TAG_NUM = 3,
	TAG_CON = 4,
	TAG_DUP = 5,
	TAG_OPR = 6,
	TAG_SWI = 7,
	TAG_ASYNC = 8, /* reserved; what waits for the outside is an unbound variable, see io/ */
};

#define PORT_NONE ((port)0)
#define PORT_ERA  ((port)TAG_ERA)

#define PORT_LABEL_SHIFT 4
#define PORT_INDEX_SHIFT 20
#define PORT_LABEL_MAX   0xffffu
#define PORT_HEAD_MASK   0xfffffu /* tag and label */

static inline uint32_t port_tag(port p)
{
	return (uint32_t)(p & 15);
}

static inline uint32_t port_label(port p)
{
	return (uint32_t)(p >> PORT_LABEL_SHIFT) & PORT_LABEL_MAX;
}

static inline uint64_t port_index(port p)
{
	return p >> PORT_INDEX_SHIFT;
}

/* Tag and label in one word: equal heads annihilate. */
static inline uint32_t port_head(port p)
{
	return (uint32_t)p & PORT_HEAD_MASK;
}

static inline port port_make(uint32_t tag, uint32_t label, uint64_t index)
{
	return index << PORT_INDEX_SHIFT | (port)label << PORT_LABEL_SHIFT | tag;
}

static inline port port_var(uint64_t index)
{
	return index << PORT_INDEX_SHIFT | TAG_VAR;
}

static inline port port_ref(uint32_t def)
{
	return (port)def << PORT_INDEX_SHIFT | TAG_REF;
}

/* CON, DUP, OPR and SWI have two auxiliary ports, in a cell. */
static inline int port_is_node(port p)
{
	return port_tag(p) >= TAG_CON && port_tag(p) <= TAG_SWI;
}

/* A cell of a node: its two auxiliary ports. The principal one is implicit. */
struct pair {
	port a;
	port b;
};

#endif
