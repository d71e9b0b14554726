/* verify.c - millrace verify JOB: is everything there that the job says it published */
#include "commands/verify.h"

#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "commands/command_line.h"
#include "commands/job_view.h"
#include "core/arena.h"
#include "core/arguments.h"
#include "core/bytes.h"
#include "core/codec.h"
#include "core/stage_artefact.h"

enum {
    EXIT_FAILED = 1,
    ARENA_BLOCK = 1 << 20,
    PROBLEMS_SHOWN = 100, /* of each kind of place: volumes, shards */
    TAIL_SIZE = 5         /* ".lmdb" */
};

static const struct argument_command command = {
    .usage = "millrace verify JOB",
    .summary =
        "Check that all published results are there and whole: checksums, accounts "
        "and digests, computed anew.",
    .min = 1,
    .max = 1};

/* A volume of the index. */
struct checked_volume {
    uint32_t id;
    uint32_t phase;
    const char *name;
    bool is_whole; /* there, and its checksum holds */
};

struct verify {
    struct job_view *job;
    struct arena *run;     /* until the end */
    struct arena *scratch; /* one block or shard */
    struct bytes volumes;  /* owned: struct checked_volume, by id */
    struct bytes bytes;    /* owned: canonical forms */
    uint64_t problems, shown;
    /* Of the phase at hand: */
    const struct phase_record *phase;
    struct arena *entries; /* of the shards visited */
    struct account account;
    struct hash128 digest;
    uint64_t shards;
    shard_id expected; /* the next shard that the manifest knows of */
    uint64_t missing;
};

/* ---- saying what is wrong ---- */

static void problem(struct verify *verify, const char *format, ...) PRINTF_LIKE(2, 3);
static void problem(struct verify *verify, const char *format, ...)
{
    verify->problems++;
    if (++verify->shown > PROBLEMS_SHOWN)
        return;
    va_list arguments;
    va_start(arguments, format);
    (void)vprintf(format, arguments);
    va_end(arguments);
    (void)puts("");
}

static void shard_problem(struct verify *verify, shard_id shard, const char *what)
{
    problem(verify, "phase \"%s\", shard %" PRIu32 ".%" PRIu32 ": %s",
            verify->phase->name, SHARD_RUN(shard), SHARD_INDEX(shard), what);
}

/* ---- volumes ---- */

static enum error_code open_volume(struct verify *verify,
                                   const struct volume_record *record,
                                   struct error *error)
{
    struct volume *volume;
    struct volume_meta meta;
    arena_reset(verify->scratch);
    enum error_code code = job_get_volume(verify->job, record->id, &volume, error);
    if (code == OK)
        code = volume_read_meta(volume, verify->scratch, &meta, error);
    if (code == OK && meta.phase != record->phase)
        code = error_set(error, ERROR_DAMAGED, "volume \"%s\" is of another phase",
                         record->name);
    return code;
}

static enum error_code check_volume(const struct volume_record *record, void *user,
                                    struct error *error)
{
    struct verify *verify = user;
    enum error_code code = open_volume(verify, record, error);
    if (code == ERROR_MEMORY)
        return code;
    if (code != OK)
        problem(verify, "%s", error->text);
    struct checked_volume checked = {.id = record->id,
                                     .phase = record->phase,
                                     .name = record->name,
                                     .is_whole = code == OK};
    bytes_put(&verify->volumes, &checked, sizeof checked);
    return verify->volumes.is_bad
               ? error_set(error, ERROR_MEMORY, "no memory for the list of volumes")
               : OK;
}

static const struct checked_volume *volumes_of(const struct verify *verify, size_t *count)
{
    *count = verify->volumes.size / sizeof(struct checked_volume);
    return (const void *)verify->volumes.data;
}

static const struct checked_volume *find_volume(const struct verify *verify, uint32_t id)
{
    size_t end;
    size_t begin = 0;
    const struct checked_volume *items = volumes_of(verify, &end);
    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        if (items[middle].id == id)
            return &items[middle];
        if (items[middle].id < id)
            begin = middle + 1;
        else
            end = middle;
    }
    return NULL;
}

/* ---- shards ---- */

struct recount {
    struct verify *verify;
    struct tally stored, quarantined;
    struct hash128 digest;
};

/* The last step of a fit tells of its artefacts, which are beside the volumes. */
static enum error_code check_artefacts(struct verify *verify, const struct batch *batch,
                                       uint32_t row, struct error *error)
{
    const struct manifest *manifest = &verify->phase->manifest;
    if (manifest->run_count == 0 || manifest->runs[0].kind != RUN_FINISH)
        return OK;
    const struct column *list = batch_column(batch, "artefacts");
    if (!list || list->type != COLUMN_UTF8)
        return error_set(error, ERROR_DAMAGED, "it does not tell of artefacts");
    struct error damage = {0};
    enum error_code code = stage_artefact_check(
        job_folder(verify->job), verify->phase->name, column_row(list, row),
        (size_t)column_row_length(list, row), &damage);
    if (code == ERROR_MEMORY)
        return error_set(error, code, "%s", damage.text);
    if (code != OK)
        problem(verify, "phase \"%s\": %s", verify->phase->name, damage.text);
    return OK;
}

static enum error_code count_block(struct recount *recount, struct volume *volume,
                                   uint64_t number, struct error *error)
{
    struct verify *verify = recount->verify;
    const void *data;
    size_t size;
    struct batch *batch;
    struct file_names files;
    enum error_code code = volume_get_block(volume, number, &data, &size, error);
    if (code != OK)
        return code;
    arena_reset(verify->scratch);
    code = block_decode(data, size, verify->scratch, &batch, &files, error);
    for (uint32_t i = 0; code == OK && i < batch->count; i++) {
        const struct origin *origin = &batch->origins[i];
        struct hash128 digest =
            record_digest(batch, i, files.names[origin->file], &verify->bytes);
        recount->digest = hash128_add(recount->digest, digest);
        recount->stored.records++;
        recount->stored.bytes += origin->size;
        code = check_artefacts(verify, batch, i, error);
    }
    return code;
}

static enum error_code count_reject(const struct reject *reject, void *user,
                                    struct error *error)
{
    struct recount *recount = user;
    (void)error;
    struct hash128 digest =
        reject_digest(reject->file, reject->offset, reject->copy, reject->stage,
                      reject->reason, &recount->verify->bytes);
    recount->digest = hash128_add(recount->digest, digest);
    recount->quarantined.records++;
    recount->quarantined.bytes += reject->size;
    return OK;
}

static bool tallies_equal(const struct tally *a, const struct tally *b)
{
    return a->records == b->records && a->bytes == b->bytes;
}

static struct tally tally_sum(const struct tally *a, const struct tally *b)
{
    return (struct tally){a->records + b->records, a->bytes + b->bytes};
}

/* Reasons do not tell records as read from those made of them. */
static bool reasons_add_up(const struct shard_entry *entry)
{
    struct tally dropped = {0};
    struct tally quarantined = {0};
    for (size_t i = 0; i < entry->reason_count; i++) {
        const struct reason *reason = &entry->reasons[i];
        struct tally *sum = reason->is_quarantine ? &quarantined : &dropped;
        sum->records += reason->tally.records;
        sum->bytes += reason->tally.bytes;
    }
    const struct account *account = &entry->account;
    struct tally all_dropped = tally_sum(&account->dropped, &account->made.dropped);
    struct tally all_quarantined =
        tally_sum(&account->quarantined, &account->made.quarantined);
    return tallies_equal(&dropped, &all_dropped) &&
           tallies_equal(&quarantined, &all_quarantined);
}

/* What is stored, against what is said of it. */
static void compare(struct verify *verify, const struct shard_entry *entry,
                    const struct recount *recount)
{
    struct tally stored = account_stored(&entry->account);
    struct tally quarantined =
        tally_sum(&entry->account.quarantined, &entry->account.made.quarantined);
    if (!account_holds(&entry->account))
        shard_problem(verify, entry->shard,
                      "read is not emitted + dropped + quarantined");
    if (!reasons_add_up(entry))
        shard_problem(verify, entry->shard, "the reasons do not add up");
    if (!tallies_equal(&recount->stored, &stored))
        shard_problem(verify, entry->shard, "the records are not those of its account");
    if (!tallies_equal(&recount->quarantined, &quarantined))
        shard_problem(verify, entry->shard,
                      "the quarantined records are not those of its account");
    if (!hash128_is_equal(recount->digest, entry->digest))
        shard_problem(verify, entry->shard, "the digest differs");
}

static enum error_code check_stored(struct verify *verify, uint32_t volume_id,
                                    const struct shard_entry *entry, struct error *error)
{
    struct volume *volume;
    struct shard_entry stored;
    struct recount recount = {.verify = verify};
    arena_reset(verify->scratch);
    enum error_code code = job_get_volume(verify->job, volume_id, &volume, error);
    if (code != OK)
        return code;
    code = volume_get_shard(volume, entry->shard, verify->scratch, &stored, error);
    if (code == ERROR_CLOSED)
        return error_set(error, ERROR_DAMAGED,
                         "it is not in the volume that should hold it");
    if (code != OK)
        return code;
    if (!hash128_is_equal(stored.digest, entry->digest) ||
        stored.generation != entry->generation)
        return error_set(error, ERROR_DAMAGED, "index and volume differ");
    for (uint64_t i = 0; code == OK && i < entry->block_count; i++)
        code = count_block(&recount, volume, entry->first_block + i, error);
    if (code != OK)
        return code;
    arena_reset(verify->scratch);
    code = volume_each_reject(volume, entry->shard, verify->scratch, count_reject,
                              &recount, error);
    if (code == OK)
        compare(verify, entry, &recount);
    return code;
}

/* Both lists are sorted: shards of the manifest that the index passed over are missing. */
static shard_id next_known(const struct manifest *manifest, shard_id shard)
{
    uint32_t run = SHARD_RUN(shard);
    uint32_t index = SHARD_INDEX(shard);
    for (; run < manifest->run_count; run++, index = 0)
        if (manifest->runs[run].count != SHARDS_UNKNOWN &&
            index < manifest->runs[run].count)
            return SHARD_ID(run, index);
    return UINT64_MAX;
}

static void pass_to(struct verify *verify, shard_id shard)
{
    const struct manifest *manifest = &verify->phase->manifest;
    verify->expected = next_known(manifest, verify->expected);
    while (verify->expected < shard) {
        verify->missing++;
        if (job_is_finished(verify->job))
            shard_problem(verify, verify->expected, "it is missing");
        verify->expected = next_known(manifest, verify->expected + 1);
    }
    if (shard == verify->expected && shard != UINT64_MAX)
        verify->expected++;
}

static bool is_known(const struct manifest *manifest, shard_id shard)
{
    return SHARD_RUN(shard) < manifest->run_count &&
           SHARD_INDEX(shard) < manifest->runs[SHARD_RUN(shard)].count;
}

static enum error_code check_shard(const struct shard_entry *entry, uint32_t volume_id,
                                   void *user, struct error *error)
{
    struct verify *verify = user;
    const struct checked_volume *volume = find_volume(verify, volume_id);
    enum error_code code = OK;
    pass_to(verify, entry->shard);
    if (!is_known(&verify->phase->manifest, entry->shard))
        shard_problem(verify, entry->shard, "the input has no such shard");
    if (!volume)
        shard_problem(verify, entry->shard, "its volume is not in the index");
    else if (!volume->is_whole)
        shard_problem(verify, entry->shard, "its volume is missing or damaged");
    else
        code = check_stored(verify, volume_id, entry, error);
    if (code == ERROR_MEMORY)
        return code;
    if (code != OK)
        shard_problem(verify, entry->shard, error->text);
    account_add(&verify->account, &entry->account);
    verify->digest = hash128_add(verify->digest, entry->digest);
    verify->shards++;
    arena_reset(verify->entries);
    return OK;
}

/* ---- files that nobody names: left by workers that died, and harmless ---- */

static void mention_strangers(const struct verify *verify)
{
    char path[PATH_MAX];
    size_t count;
    const struct checked_volume *volumes = volumes_of(verify, &count);
    int length = snprintf(path, sizeof path, "%s/volumes/%s", job_folder(verify->job),
                          verify->phase->name);
    DIR *folder = length > 0 && (size_t)length < sizeof path ? opendir(path) : NULL;
    if (!folder)
        return;
    for (struct dirent *item = readdir(folder); item; item = readdir(folder)) {
        size_t size = strlen(item->d_name);
        bool is_named = size < TAIL_SIZE || item->d_name[0] == '.' ||
                        strcmp(item->d_name + size - TAIL_SIZE, ".lmdb") != 0;
        for (size_t i = 0; !is_named && i < count; i++)
            is_named = volumes[i].phase == verify->phase->phase &&
                       strcmp(volumes[i].name, item->d_name) == 0;
        if (!is_named)
            (void)printf("note: \"%s/%s\" is not in the index\n", path, item->d_name);
    }
    (void)closedir(folder);
}

/* ---- phases ---- */

static void check_streams(struct verify *verify)
{
    const struct manifest *manifest = &verify->phase->manifest;
    for (uint32_t i = 0; i < manifest->run_count; i++)
        if (manifest->runs[i].count == SHARDS_UNKNOWN)
            problem(verify, "phase \"%s\": run %u was not read to its end",
                    verify->phase->name, (unsigned)i);
}

static void print_phase(const struct verify *verify)
{
    char digest[33];
    const struct account *account = &verify->account;
    hash128_format(verify->digest, digest);
    (void)printf("phase \"%s\": %" PRIu64 " shards, %" PRIu64 " records read = %" PRIu64
                 " emitted + %" PRIu64 " dropped + %" PRIu64 " quarantined, digest %s\n",
                 verify->phase->name, verify->shards, account->read.records,
                 account->emitted.records, account->dropped.records,
                 account->quarantined.records, digest);
    const struct made_account *made = &account->made;
    if (account->used.records > 0)
        (void)printf("phase \"%s\": %" PRIu64 " of them used for %" PRIu64
                     " others = %" PRIu64 " merged + %" PRIu64 " emitted + %" PRIu64
                     " dropped + %" PRIu64 " quarantined\n",
                     verify->phase->name, account->used.records, made->made.records,
                     made->merged.records, made->emitted.records, made->dropped.records,
                     made->quarantined.records);
    if (verify->missing > 0 && !job_is_finished(verify->job))
        (void)printf("phase \"%s\": %" PRIu64 " shards are not done; the job is %s\n",
                     verify->phase->name, verify->missing, job_state(verify->job));
}

static enum error_code check_phase(struct verify *verify, struct error *error)
{
    verify->account = (struct account){.separator_bytes = 0};
    verify->digest = (struct hash128){0};
    verify->shards = 0;
    verify->missing = 0;
    verify->expected = 0;
    verify->shown = 0;
    enum error_code code = index_each_shard(job_index(verify->job), verify->phase->phase,
                                            verify->entries, check_shard, verify, error);
    if (code != OK)
        return code;
    pass_to(verify, UINT64_MAX);
    if (job_is_finished(verify->job))
        check_streams(verify);
    if (!account_holds(&verify->account))
        problem(verify, "phase \"%s\": read is not emitted + dropped + quarantined",
                verify->phase->name);
    mention_strangers(verify);
    print_phase(verify);
    return OK;
}

static enum error_code check_job(struct verify *verify, const char *folder,
                                 struct error *error)
{
    enum error_code code = job_open(folder, &verify->job, error);
    if (code != OK)
        return code;
    code = index_each_volume(job_index(verify->job), verify->run, check_volume, verify,
                             error);
    if (code != OK)
        return code;
    uint32_t phases = index_phase_count(job_index(verify->job));
    if (phases == 0)
        return error_set(error, ERROR_DAMAGED, "the index has no phase");
    for (uint32_t i = 0; code == OK && i < phases; i++) {
        code = job_get_phase_number(verify->job, i, &verify->phase, error);
        if (code == OK)
            code = check_phase(verify, error);
    }
    return code;
}

static enum error_code verify_job(const struct arguments *arguments, int *status,
                                  struct error *error)
{
    size_t count;
    struct verify verify = {.run = arena_create(ARENA_BLOCK, 0),
                            .scratch = arena_create(ARENA_BLOCK, 0),
                            .entries = arena_create(ARENA_BLOCK, 0)};
    enum error_code code =
        verify.run && verify.scratch && verify.entries
            ? check_job(&verify, arguments->texts.items[0], error)
            : error_set(error, ERROR_MEMORY, "no memory to verify a job");
    (void)volumes_of(&verify, &count);
    if (code == OK)
        (void)printf("%s: %zu volumes, %" PRIu64 " problems\n",
                     verify.problems ? "DAMAGED" : "all holds", count, verify.problems);
    *status = verify.problems == 0 ? 0 : EXIT_FAILED;
    bytes_clear(&verify.volumes);
    bytes_clear(&verify.bytes);
    job_close(verify.job);
    arena_destroy(verify.entries);
    arena_destroy(verify.scratch);
    arena_destroy(verify.run);
    return code;
}

int command_verify(int argc, char **argv)
{
    return command_line_run(&command, argc, argv, verify_job);
}
