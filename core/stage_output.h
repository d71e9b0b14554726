/* stage_output.h - the engine's side of what a stage makes of a batch */
#ifndef CORE_STAGE_OUTPUT_H
#define CORE_STAGE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/stage.h"

struct arena;

/* What became of one row: {0}, it stays. The first verdict on a row stands. */
struct row_verdict {
    const char *reason; /* NULL: stays; as the stage gave it */
    const char *detail; /* rejects only; in the arena, NULL allowed */
    bool is_reject;     /* else dropped */
};

/* See the stage_output_* functions in stage.h, which stages call. */
struct stage_output {
    const struct batch *in;
    struct arena *arena;
    const struct column **columns; /* (capacity), in the arena */
    uint32_t column_count, capacity;
    struct row_verdict *verdicts;  /* (in->count), in the arena */
    uint32_t gone;                 /* rows that do not stay */
    bool is_used;                  /* the others go on in made records */
    const struct batch *made;      /* NULL: none yet; in the arena */
    const char *const *made_drops; /* (made->count) reasons, NULL where it stays */
};

/* `in` and `arena` are borrowed for as long as the output. ERROR_MEMORY. */
enum error_code stage_output_begin(struct stage_output *output, const struct batch *in,
                                   struct arena *arena, struct error *error);
/* The batch with its new columns, less the rows that are gone; `in` itself when nothing
 * changed. Of used rows: the made records that stay. ERROR_MEMORY. */
enum error_code stage_output_finish(struct stage_output *output, const struct batch **out,
                                    struct error *error);

#endif
