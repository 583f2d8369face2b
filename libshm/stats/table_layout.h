/*
 * table_layout.h - the bytes of a table: what it counts, how its columns are called, then the rows.
 *
 *   0        64      128        192            128 + 64 * columns
 *   +--------+-------+----------+-----------+--+---------------------+--------
 *   | header | kinds | column 0 | column 1  |..| row 0 (whole lines) | row 1 ...
 *   +--------+-------+----------+-----------+--+---------------------+--------
 *
 * Everything before the rows is written once by the creator, the magic last. A row has one writer and lines of its own;
 * a cell is 8 bytes, stored and loaded relaxed. Where the rows begin and how far apart they are follows from the number
 * of columns: there is no offset to lie about.
 */
#ifndef STATS_TABLE_LAYOUT_H
#define STATS_TABLE_LAYOUT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include <plx/table.h>

#define PLX_TABLE_MAGIC       0x6c626174u /* "tabl" */
#define PLX_TABLE_LAYOUT      1u
#define PLX_TABLE_COLUMNS_MAX 32u
#define PLX_TABLE_ROWS_MAX    65536u
#define PLX_TABLE_STATES_MAX  8u

struct plx_table_label {
	char name[16];   /* terminated, the rest zero; never empty */
	char states[48]; /* "busy|idle|..." for PLX_COLUMN_STATE, else zero */
};
static_assert(offsetof(struct plx_table_label, states) == 16, "protocol.md: table");
static_assert(sizeof(struct plx_table_label) == PLX_LINE, "protocol.md: table");

struct plx_table_hdr {
	/* line 0 */
	uint32_t magic;   /* PLX_TABLE_MAGIC; stored last with release (TB1) */
	uint32_t layout;  /* PLX_TABLE_LAYOUT */
	uint32_t rows;    /* at most PLX_TABLE_ROWS_MAX */
	uint32_t columns; /* at most PLX_TABLE_COLUMNS_MAX */
	uint64_t reserved[2];
	char title[32]; /* terminated, the rest zero */
	/* line 1 */
	uint8_t kind[PLX_TABLE_COLUMNS_MAX]; /* enum plx_column_kind; zero for columns that are not there */
	uint8_t reserved1[32];
	/* then a struct plx_table_label for each column, then the rows */
};
static_assert(offsetof(struct plx_table_hdr, layout) == 4, "protocol.md: table");
static_assert(offsetof(struct plx_table_hdr, rows) == 8, "protocol.md: table");
static_assert(offsetof(struct plx_table_hdr, columns) == 12, "protocol.md: table");
static_assert(offsetof(struct plx_table_hdr, reserved) == 16, "protocol.md: table");
static_assert(offsetof(struct plx_table_hdr, title) == 32, "protocol.md: table");
static_assert(offsetof(struct plx_table_hdr, kind) == 1 * PLX_LINE, "protocol.md: table");
static_assert(offsetof(struct plx_table_hdr, reserved1) == 96, "protocol.md: table");
static_assert(sizeof(struct plx_table_hdr) == 2 * PLX_LINE, "protocol.md: table");

#endif
