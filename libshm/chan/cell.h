/* cell.h - the state of a cell of an MPMC channel. */
#ifndef CHAN_CELL_H
#define CHAN_CELL_H

#include "chan/channel.h"

/** plx_cells_bury() - give up what that holder had claimed and not finished; counted in skipped. */
void plx_cells_bury(struct plx_channel *c, const struct plx_geometry *g, bool sender, uint32_t number,
		    uint32_t generation);

#endif
