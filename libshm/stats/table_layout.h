/*
 * table_layout.h - the bytes of a table of counters (docs/protocol.md, "Table").
 *
 *	+--------+----------+----------+-----+-------------+-------------+-----
 *	| header | column 0 | column 1 | ... | row 0 ...   | row 1 ...   | ...
 *	+--------+----------+----------+-----+-------------+-------------+-----
 *	  64       128        128              stride, a whole number of cache lines
 *
 * Header and columns are written once, before anybody else maps the segment. A row has one writer. A writer that dies
 * leaves every cell it had stored: cells are words, none depends on another.
 */
#ifndef STATS_TABLE_LAYOUT_H
#define STATS_TABLE_LAYOUT_H

#include <assert.h>

#include <plx/table.h>

#define PLX_TABLE_MAGIC       0x4c425450u /* "PTBL" */
#define PLX_TABLE_VERSION     1u
#define PLX_TABLE_COLUMNS_MAX 32u
#define PLX_TABLE_ROWS_MAX    65536u

struct plx_table_head {
	uint32_t magic; /* stored last, with release */
	uint32_t version;
	uint32_t rows;
	uint32_t columns;
	uint64_t rows_off; /* bytes from here to row 0 */
	uint64_t stride;   /* bytes from row to row */
	char title[32];    /* what a row is; terminated */
};

struct plx_table_label {
	char name[16]; /* terminated */
	uint32_t kind; /* enum plx_column_kind */
	uint32_t reserved[3];
	char states[48]; /* words separated by '|'; terminated */
	char spare[48];
};

static_assert(offsetof(struct plx_table_head, rows_off) == 16, "protocol.md: table header");
static_assert(offsetof(struct plx_table_head, title) == 32, "protocol.md: table header");
static_assert(sizeof(struct plx_table_head) == PLX_LINE, "protocol.md: table header");
static_assert(offsetof(struct plx_table_label, kind) == 16, "protocol.md: table column");
static_assert(offsetof(struct plx_table_label, states) == 32, "protocol.md: table column");
static_assert(sizeof(struct plx_table_label) == 2 * PLX_LINE, "protocol.md: table column");

#endif
