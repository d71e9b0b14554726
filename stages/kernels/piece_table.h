/* piece_table.h - counts of the pieces of texts, to train a tokenizer on
 *
 * Tables are filled, saved and merged along any tree: the same texts, in whatever order
 * and grouping, end as the same saved bytes. */
#ifndef STAGES_KERNELS_PIECE_TABLE_H
#define STAGES_KERNELS_PIECE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "stages/kernels/split.h"

struct arena;
struct bytes;
struct piece_table; /* heap object */
struct pieces;

enum piece_cut {
    PIECES_PATTERN,       /* by a pattern of split.h: for byte-level BPE */
    PIECES_SENTENCEPIECE, /* words with U+2581 in front; a line is a sentence; cut at U+0020,
                           * U+2581, tab, line feed, carriage return. Bytes that are not
                           * UTF-8 become U+FFFD */
    PIECES_GIVEN          /* by a splitter of splitter.h: see piece_table_add_pieces() */
};

enum {
    PIECE_SIZE_MAX = 4096,     /* bytes; a longer piece is not counted */
    PIECE_MEMORY_MIN = 1 << 16 /* of memory_limit */
};

/* Two tables can be merged when these are equal. */
struct piece_table_options {
    enum piece_cut cut;
    enum split_pattern pattern; /* of PIECES_PATTERN, else 0 */
    uint64_t memory_limit;      /* bytes; the table takes at most about twice as much */
};

/* Memory is bounded by sampling texts, not by forgetting pieces, so that every grouping
 * ends with the same table. A text has a level: a fourth of all texts, chosen by their
 * hash, have level 1 or more, a sixteenth 2 or more, and so on. The table counts a piece
 * for each level; when the entries (piece, level) cost more than memory_limit - a piece's
 * size and PIECE_ENTRY_COST each - the lowest level goes, with all that was counted for
 * it. What remains are exact counts of all texts of the lowest level whose entries fit:
 * a function of the set of texts alone. */
enum { PIECE_ENTRY_COST = 48, PIECE_LEVELS = 32 };

/* ERROR_CONFIG: a memory limit below PIECE_MEMORY_MIN; ERROR_MEMORY. */
enum error_code piece_table_create(const struct piece_table_options *options,
                                   struct piece_table **table, struct error *error);
void piece_table_destroy(struct piece_table *table);

/* Count the pieces of one record's text; not for PIECES_GIVEN. ERROR_MEMORY. */
enum error_code piece_table_add_text(struct piece_table *table, const unsigned char *text,
                                     size_t size, struct error *error);

/* Count pieces that a splitter made. `text` is the record's (before normalization or
 * after it, but always the same way): it settles the level. ERROR_MEMORY. */
enum error_code piece_table_add_pieces(struct piece_table *table,
                                       const unsigned char *text, size_t size,
                                       const struct pieces *pieces, struct error *error);

/* Append the table in its canonical form: sorted by bytes. ERROR_MEMORY. */
enum error_code piece_table_save(const struct piece_table *table, struct bytes *out,
                                 struct error *error);

/* Add a saved table to this one; loading is merging into an empty one. ERROR_DAMAGED: not
 * a saved table; ERROR_CONFIG: one with other options;
 * ERROR_MEMORY. After an error the table is good for nothing but destroy. */
enum error_code piece_table_merge(struct piece_table *table, const void *saved,
                                  size_t size, struct error *error);

struct piece_table_info {
    enum piece_cut cut;
    enum split_pattern pattern;
    uint64_t texts, bytes;  /* all that were added, sampled or not */
    uint64_t sampled_texts; /* those whose pieces are in the table */
    uint64_t entries;       /* (piece, level) */
    uint64_t oversized;     /* pieces longer than PIECE_SIZE_MAX, in sampled texts */
    uint32_t level;         /* texts below it are not in the table */
};
struct piece_table_info piece_table_describe(const struct piece_table *table);

struct counted_piece {
    const unsigned char *bytes; /* borrowed from the table until it changes */
    uint32_t size;
    uint64_t count; /* over all levels, at most UINT64_MAX */
};

/* The pieces sorted by bytes, in `arena`. ERROR_MEMORY. */
enum error_code piece_table_list(const struct piece_table *table, struct arena *arena,
                                 const struct counted_piece **pieces, size_t *count,
                                 struct error *error);

#endif
