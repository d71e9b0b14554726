/* jsonl.h - one line of JSON as a row of columns */
#ifndef CORE_JSONL_H
#define CORE_JSONL_H

#include <stddef.h>
#include <stdint.h>

#include "core/column_builder.h"
#include "core/error.h"
#include "core/pipeline.h"

struct jsonl; /* heap object */

/* Why a line is no row. Valid until the next line. */
struct line_fault {
    const char *reason; /* static; NULL: there is none */
    char detail[160];
    const unsigned char *key; /* when it was read, else NULL */
    size_t key_size;
};

/* `input` is borrowed. NULL: no memory. */
struct jsonl *jsonl_create(const struct input_spec *input);
void jsonl_destroy(struct jsonl *jsonl);

/* Add the line as a row to `columns`: key (left out where input->key is NULL: the caller
 * puts it), text (if input->text), then input->columns, in this order. A line that is no
 * row leaves rows behind in some columns, to be cut by the caller, and says why in
 * *fault. 64 readable bytes behind the line. ERROR_MEMORY. */
enum error_code jsonl_put_row(struct jsonl *jsonl, const unsigned char *line, size_t size,
                              struct column_builder *columns, struct line_fault *fault,
                              struct error *error);

#endif
