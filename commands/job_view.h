/* job_view.h - the published results of a job directory, in the order of the input */
#ifndef COMMANDS_JOB_VIEW_H
#define COMMANDS_JOB_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/batch.h"
#include "core/error.h"
#include "core/ledger.h"
#include "core/volume.h"

struct job_view; /* heap object */

/* Open JOB/index.lmdb. ERROR_IO: there is no such job, or nothing is published yet;
 * ERROR_DAMAGED. */
enum error_code job_open(const char *folder, struct job_view **job, struct error *error);
void job_close(struct job_view *job);

const char *job_folder(const struct job_view *job);
struct index *job_index(struct job_view *job);
/* What status.json says: "finished", "stopped", ...; "unknown" without one. Lives as long
 * as the view. */
const char *job_state(const struct job_view *job);
bool job_is_finished(const struct job_view *job);

/* The phase of that name, NULL: the last. It lives as long as the view. ERROR_CONFIG: there
 * is none of that name. */
enum error_code job_get_phase(struct job_view *job, const char *name,
                              const struct phase_record **phase, struct error *error);

/* The phase of that number; they count from 0. ERROR_DAMAGED: the index lacks it. */
enum error_code job_get_phase_number(struct job_view *job, uint32_t number,
                                     const struct phase_record **phase,
                                     struct error *error);

/* A volume of the index, open: borrowed until some dozens of others were asked for. Its
 * checksum is looked at first, once a view, and compared with the index. ERROR_DAMAGED,
 * ERROR_IO: it is missing or not what it was. */
enum error_code job_get_volume(struct job_view *job, uint32_t id, struct volume **volume,
                               struct error *error);

/* Where that volume is, its checksum looked at as above: for a reader of its own, such as
 * another thread's. */
enum error_code job_find_volume(struct job_view *job, uint32_t id, char *path,
                                size_t size, struct error *error);

/* An indexed shard: what its entry says that is needed to walk it. */
struct job_shard {
    shard_id shard;
    uint32_t volume_id;
    uint64_t first_block, block_count, reject_count;
    uint64_t stored; /* records */
};

/* A published record; lives until the visit returns. */
struct job_record {
    const struct batch *batch;
    uint32_t row;
    const char *file;
    shard_id shard;
};

/* What to do with what is found; entries may be NULL. Another code than OK ends the walk,
 * and is what it returns. */
struct job_visitor {
    /* Before a shard is read: false passes it over. */
    bool (*wants_shard)(const struct job_shard *shard, void *user);
    enum error_code (*record)(const struct job_record *record, void *user,
                              struct error *error);
    enum error_code (*reject)(const struct reject *reject, void *user,
                              struct error *error);
    /* Instead of the three above: no shard is read. Its records of the files whose names
     * are from `first` to `last` (NULL: all of them) stand here in the order; the names
     * live as long as the view. */
    enum error_code (*shard)(const struct job_shard *shard, const char *first,
                             const char *last, void *user, struct error *error);
    void *user;
};

/* All records or rejects of a phase: by file name, then offset; of buckets by shard, as
 * they are stored. Each volume's checksum is looked at before it is opened. */
enum error_code job_walk(struct job_view *job, const struct phase_record *phase,
                         const struct job_visitor *visitor, struct error *error);

/* How many records the phase emitted. */
enum error_code job_count_records(struct job_view *job, const struct phase_record *phase,
                                  uint64_t *count, struct error *error);

/* Every record of that key: visitor->record; *found is how many there were. Looks into
 * every volume of the phase; past the first GiB no more than their footers are checked. */
enum error_code job_find_key(struct job_view *job, const struct phase_record *phase,
                             const char *key, const struct job_visitor *visitor,
                             uint64_t *found, struct error *error);

#endif
