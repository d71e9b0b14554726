/* manifest.h - the input of a phase: its files, and how they are cut into shards */
#ifndef CORE_MANIFEST_H
#define CORE_MANIFEST_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/hash.h"
#include "core/pipeline.h"

struct arena;

enum compression { COMPRESSION_NONE, COMPRESSION_GZIP, COMPRESSION_ZSTD };

struct input_file {
    const char *path; /* absolute */
    const char *name; /* below the fixed folder of its pattern: the record's identity */
    uint64_t size;    /* bytes on disk */
    enum compression compression; /* by the file's first bytes, not its name */
};

/* Shards stand in runs. A shard's number is (run << 32 | index): numbers sort in input
 * order. */
enum run_kind {
    RUN_PLAIN,  /* one plain file, `count` shards of shard_bytes */
    RUN_GROUP,  /* several small plain files in one shard */
    RUN_STREAM, /* one compressed file; how many shards is known at its end */
    RUN_PHASE,  /* shards of an earlier phase, one for one */
    RUN_BUCKET, /* buckets of an earlier phase's exchange */
    RUN_MERGE,  /* states of a fit, by groups: see manifest_tree.h */
    RUN_FINISH  /* one shard: all states that are left */
};
#define SHARDS_UNKNOWN UINT32_MAX

struct run {
    enum run_kind kind;
    uint32_t first_file, file_count;
    uint32_t count; /* shards; SHARDS_UNKNOWN for a stream not yet read to its end */
};

typedef uint64_t shard_id;
#define SHARD_ID(run, index) ((shard_id)(run) << 32 | (uint32_t)(index))
#define SHARD_RUN(id) ((uint32_t)((id) >> 32))
#define SHARD_INDEX(id) ((uint32_t)(id))

struct manifest {
    const struct input_file *files; /* sorted by name, bytewise; behind manifest_extend()
                                       the old ones first, then the new ones */
    uint32_t file_count;
    struct run *runs;
    uint32_t run_count;
    uint64_t bytes; /* on disk */
    uint64_t shard_bytes;
    enum input_format format; /* decides how files are cut; not stored */
};

/* Expand the patterns of an input and cut it. A pattern is
 * - a file: its name is the last part of its path;
 * - a folder: all regular files at any depth, hidden ones left out, named below it;
 * - a path with wildcards (* ? [..], and ** for any number of folders; none of them
 *   matches a leading dot): named below the last folder before the first wildcard; a
 *   folder that matches is read as above;
 * - @FILE, a list: one path a line, blank lines and those that begin with # left out. A
 *   relative path is below the list's folder and is the name as it stands; absolute ones
 *   are named below the folder that all absolute ones of the list have in common.
 * A file that is matched twice (by its path, links not followed) counts once and has its
 * name from the first pattern. Names must be UTF-8. Two files with one name (from different
 * patterns) are an error that names both. A pattern that matches nothing, an unreadable
 * file or a broken @list is one too (ERROR_CONFIG, at the pattern's position). Empty
 * files are kept in `files`, in no run, but for format images, where each is a record.
 * Formats text and images: a large plain file is a RUN_PLAIN of one shard. Format tar:
 * each file is a RUN_STREAM, compressed or not. FORMAT_PHASE inputs are not for here. */
enum error_code manifest_build(const struct input_spec *input, uint64_t shard_bytes,
                               const char *folder, struct arena *arena,
                               struct manifest *manifest, struct error *error);

/* Keep `old` as it is and append the files that only `wanted` has, in runs of their own
 * (for --extend). A file of `old` that is gone or has another size is ERROR_CONFIG. */
enum error_code manifest_extend(const struct manifest *old, const struct manifest *wanted,
                                struct arena *arena, struct manifest *manifest,
                                struct error *error);

/* Names and sizes of the files: the manifest's part of the fingerprint. The order of the
 * files does not matter. */
struct hash128 manifest_fingerprint(const struct manifest *manifest);

/* Bytes [begin, end) of file `file` in which the records of a plain shard start. */
void manifest_plain_range(const struct manifest *manifest, shard_id shard,
                          uint64_t *begin, uint64_t *end);

#endif
