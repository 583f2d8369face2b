#include "chan/cell.h"
void plx_cells_bury(struct plx_channel *c, const struct plx_geometry *g, bool sender, uint32_t number,
		    uint32_t generation)
{
	(void)c, (void)g, (void)sender, (void)number, (void)generation;
}
