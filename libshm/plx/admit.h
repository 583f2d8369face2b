/* admit.h - who besides our own user may be at the other end. */
#ifndef PLX_ADMIT_H
#define PLX_ADMIT_H

#include <plx/common.h>

/*
 * The kernel notes user, group and supplementary groups of a process when it connects (or listens), and nobody can forge
 * that. Our own user is always admitted; nobody else is, root neither, unless named here. docs/security.md says how the
 * discovery directory must be for others to find a publisher at all.
 */
struct plx_admit {
	const uint32_t *users; /* user ids */
	uint32_t user_count;
	const uint32_t *groups; /* group ids; also as supplementary groups */
	uint32_t group_count;
};
#define PLX_ADMIT_MAX 1024u /* of each */

#endif
