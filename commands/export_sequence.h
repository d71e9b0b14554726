/* export_sequence.h - formats that are one file: items behind each other, with numbers
 *
 * Items are encoded by several threads, which do not know yet how many come before them: a
 * number that counts images or items is left open and filled in when the part has its
 * place. */
#ifndef COMMANDS_EXPORT_SEQUENCE_H
#define COMMANDS_EXPORT_SEQUENCE_H

#include "commands/export_format.h"

/* Bytes of a part that stand for a number; no text of JSON or XML has them. */
enum { SEQUENCE_IMAGE = 1, SEQUENCE_ITEM = 2 };

struct export_sequence {
    uint64_t size;          /* of the file so far */
    uint64_t images, items; /* numbers of the next ones */
    /* JSON: each item begins with a comma, and of the first becomes this: '['. */
    char opening; /* 0: not JSON */
    bool is_open; /* it has been written */
};

/* Fixed text at the end of the file; `text` is empty afterwards. */
enum error_code sequence_append(struct export_job *job, struct export_sequence *sequence,
                                struct bytes *text, struct error *error);
/* The same, once it is large enough to be worth a write. */
enum error_code sequence_flush(struct export_job *job, struct export_sequence *sequence,
                               struct bytes *text, struct error *error);
/* Put "\n]" of an array, which may be empty, to `text`. */
void sequence_close_array(struct export_sequence *sequence, struct bytes *text);

/* place() of such a format: each row is an image, row->side is how often its number is
 * left open, row->tokens how many items are numbered in it. */
enum error_code sequence_place(struct export_job *job, struct export_sequence *sequence,
                               struct export_part *part, struct error *error);
/* write() of such a format. */
enum error_code sequence_write(struct export_job *job, struct export_part *part,
                               struct error *error);

#endif
