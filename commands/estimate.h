/* estimate.h - how much space the results of a pipeline will take, by rule of thumb */
#ifndef COMMANDS_ESTIMATE_H
#define COMMANDS_ESTIMATE_H

#include "core/manifest.h"
#include "core/pipeline.h"

struct estimate {      /* of one phase; real numbers, as they are guesses */
    double text_bytes; /* decompressed input */
    double records;
    double space; /* on disk, in the job directory */
};

/* What an input of files brings. Compressed files are taken to hold 3.5 times their
 * size, a record 2,000 bytes as JSON, 100 bytes as a line, a file as text. */
struct estimate estimate_input(const struct input_spec *input,
                               const struct manifest *manifest);

/* Fill in `space` for the columns a phase publishes, blocks compressed: half a byte for
 * each byte of input for a text or list of tokens (4 bytes a token, a token for each 4
 * bytes of text, halved by compression), the full size for vectors and numbers, 24 bytes
 * a record for its key, and 40 bytes for its entry in the index of keys. An exchange
 * writes the same once more. */
void estimate_output(const struct phase_spec *phase, struct estimate *estimate);

#endif
