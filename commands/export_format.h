/* export_format.h - what a format of `millrace export` is, and what it is given
 *
 * Records are encoded by several threads at once, some at a time: a part. Where the bytes
 * of a part go is decided in the order of the input, one part after the other, and they
 * are written side by side again. So what comes out does not depend on the threads. */
#ifndef COMMANDS_EXPORT_FORMAT_H
#define COMMANDS_EXPORT_FORMAT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "commands/export_output.h"
#include "commands/job_view.h"
#include "core/bytes.h"
#include "core/error.h"

enum export_dtype { DTYPE_AUTO, DTYPE_UINT16, DTYPE_INT32, DTYPE_UINT32 };
enum export_nulls { NULLS_REFUSE, NULLS_SKIP, NULLS_EMPTY };

/* As the command line says; 0 and NULL: left out, unless a field says more. */
struct export_options {
    const char *column;    /* of token ids; "tokens" when left out */
    const char *columns;   /* names with commas between them */
    const char *key;       /* column that names samples */
    const char *loss;      /* column of the loss mask, or "ones" */
    const char *tokenizer; /* name, for readers */
    uint64_t vocabulary;   /* how many ids there are */
    enum export_dtype dtype;
    bool has_eod;
    uint32_t eod;
    uint64_t max_tokens, size_limit; /* of a file; defaults of the format filled in */
    bool has_compression;
    int64_t level;           /* of zstd */
    const char *boxes;       /* column of boxes; "boxes" when left out */
    const char *classes;     /* path of a file with the names of classes */
    const char *image_id;    /* "stem" or a column; NULL: images are numbered */
    const char *picture;     /* column of pictures; NULL: the usual ones */
    const char *pictures;    /* folder of the files that keys name; NULL: the column */
    const char *image_root;  /* put before keys, which then are parts of a URL */
    enum export_nulls nulls; /* what becomes of images without a list of boxes */
    int voc_base;            /* the first pixel's number: 1 or 0 */
    bool has_scores, has_full_names;
    uint32_t threads;
    bool is_forced;
};

/* One export under way. */
struct export_job {
    const struct export_options *options;
    struct export_output *output; /* owned by the command */
    struct job_view *view;        /* of one thread: for finish() */
    const struct phase_record *phase;
    unsigned pass; /* how many times all records have been gone through before */
    enum export_dtype dtype;   /* never DTYPE_AUTO */
    uint32_t id_limit;         /* ids are below, for they fit the dtype */
    bool is_guess;             /* nobody knows the vocabulary: the dtype is tried, */
    atomic_bool is_too_narrow; /* and here is what came of it */
    void *state;               /* the format's: state_size bytes, zero at first */
};

struct export_row { /* of a part: what one record takes */
    uint64_t size;  /* bytes of `data` */
    uint64_t side;  /* bytes of `side` */
    uint64_t tokens;
};

struct export_span { /* rows of a part that stand together in one file */
    uint32_t file;
    uint64_t offset, first_record, first_token; /* in that file, where they begin */
    uint64_t first;                             /* records before them in all files */
    size_t begin, end;                          /* rows */
    size_t data, data_size, side, side_size;    /* their place in the part */
};

struct export_part {
    struct bytes data, side; /* owned: records end to end; what goes beside */
    struct bytes rows;       /* owned: struct export_row */
    struct bytes spans;      /* owned: struct export_span, by place() */
    size_t carried;          /* of the format: what place() leaves for write() */
};

/* One constant of this type a format, at the end of its file. */
struct export_format {
    const char *name, *summary;
    const char *const *options; /* names of those it takes, NULL at the end */
    /* Of a folder the names' endings, by which it is known again; of files what is
     * appended to the path, in the order in which they appear. NULL at the end. */
    const char *const *names;
    enum export_shape shape;
    bool is_text; /* may be written to standard output */
    /* Token ids: the largest vocabulary (in entries) that is uint16, what it is beyond;
     * 0: the format stores no ids. */
    uint32_t narrow_max;
    enum export_dtype wide;
    unsigned dtypes; /* bits 1 << enum export_dtype that may be asked for */
    uint64_t max_tokens, size_limit; /* initial values */
    size_t state_size;

    /* Once. `batch`: some of the records, for their columns; NULL: there are none at all.
     * ERROR_CONFIG: it lacks what is needed. If it fails, close() is still called. */
    enum error_code (*open)(struct export_job *job, const struct batch *batch,
                            struct error *error);
    /* Any thread: append one record to part->data and ->side, and say in *row how much.
     * Reads the state only. ERROR_RECORD names the record. */
    enum error_code (*encode)(struct export_job *job, const struct job_record *record,
                              struct export_part *part, struct export_row *row,
                              struct error *error);
    /* One part at a time, in the order of the input. */
    enum error_code (*place)(struct export_job *job, struct export_part *part,
                             struct error *error);
    /* Any thread, after place(). NULL: nothing is left to do. */
    enum error_code (*write)(struct export_job *job, struct export_part *part,
                             struct error *error);
    /* After all writes of a pass: shall all records be gone through once more? NULL: they
     * are not. */
    enum error_code (*next_pass)(struct export_job *job, bool *is_wanted,
                                 struct error *error);
    /* After all writes. NULL allowed. */
    enum error_code (*finish)(struct export_job *job, struct error *error);
    /* Release what open() took. NULL: nothing. */
    void (*close)(struct export_job *job);
};

extern const struct export_format export_jsonl, export_megatron, export_datatrove,
    export_npy, export_mds, export_tar, export_coco, export_coco_dataset, export_yolo,
    export_voc, export_labelme, export_label_studio, export_cvat, export_megadetector,
    export_contact_sheet;
/* NULL-terminated. */
extern const struct export_format *const export_formats[];

/* The rows of a part, and what they are placed in. */
const struct export_row *export_rows(const struct export_part *part, size_t *count);
const struct export_span *export_spans(const struct export_part *part, size_t *count);

/* How full the current file is. Part of a format's state. */
struct export_fill {
    uint32_t file;
    uint64_t size, side, records, tokens; /* in it so far */
    uint64_t all_records;                 /* in all files */
    uint64_t head; /* bytes of each file that stand before its records; in size, too */
};
/* Add the next record; with is_new at the beginning of another file. Goes on with the
 * latest span or begins one. */
void export_place_row(struct export_part *part, struct export_fill *fill, bool is_new,
                      const struct export_row *row);
/* The whole part into one file. ERROR_MEMORY. */
enum error_code export_place_all(struct export_part *part, struct export_fill *fill,
                                 struct error *error);
/* Write part->data of every span to `name`. */
enum error_code export_write_data(struct export_job *job, const struct export_part *part,
                                  const char *name, struct error *error);

/* error_set() with the record's name in front. */
enum error_code export_refuse(const struct job_record *record, struct error *error,
                              const char *format, ...) PRINTF_LIKE(3, 4);
/* The column of that name and type. ERROR_CONFIG: there is none. A batch of NULL has no
 * columns and passes. */
enum error_code export_check_column(const struct batch *batch, const char *name,
                                    enum column_type type, struct error *error);
/* The row's column, of a type that export_check_column() has seen. ERROR_RECORD: it is
 * null. */
enum error_code export_get_column(const struct job_record *record, const char *name,
                                  const struct column **column, struct error *error);

/* Bytes of an id. */
size_t export_dtype_size(enum export_dtype dtype);
const char *export_dtype_name(enum export_dtype dtype);
/* The smallest id that does not fit. */
uint32_t export_dtype_limit(enum export_dtype dtype);
/* Ids as numbers of the job's dtype, little-endian. */
enum error_code export_put_ids(struct export_job *job, const struct job_record *record,
                               const uint32_t *ids, uint64_t count, struct bytes *out,
                               struct error *error);
/* The record's ids (options->column), and if asked the end-of-document token behind
 * them. */
enum error_code export_put_tokens(struct export_job *job, const struct job_record *record,
                                  bool wants_eod, struct bytes *out, uint64_t *count,
                                  struct error *error);

#endif
