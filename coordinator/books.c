/* books.c - what a job has done: the ledger, the volumes, the totals */
#include "coordinator/books.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "coordinator/schedule.h"
#include "core/arena.h"
#include "core/bytes.h"
#include "core/log.h"
#include "core/manifest_tree.h"
#include "core/volume.h"

enum { PATH_SIZE = 4096, ARENA_BLOCK = 64 << 10 };

struct retried {
    uint32_t phase, generation;
    shard_id shard;
};

/* In the ledger's meta table. */
static const char retry_name[] = "retry", class_name[] = "numeric_class";

struct books {
    const char *folder; /* borrowed */
    const struct job_plan *plan;
    struct ledger *ledger;       /* owned */
    struct arena *arena;         /* owned: for the books' life */
    struct arena *scratch;       /* owned: of one call */
    struct phase_totals *totals; /* (phase_count) */
    struct hash128 *digests;     /* (phase_count) */
    struct retried *retried;     /* owned, sorted by phase and shard */
    size_t retried_count;
    struct bytes buffer;
    uint32_t next_volume;
    char class[CLASS_SIZE];
    const char **known_volumes; /* sorted "PHASE/NAME" while volumes are taken up */
    size_t known_count, known_capacity;
};

static const struct retried *find_retried(const struct books *books, uint32_t phase,
                                          shard_id shard)
{
    size_t low = 0, high = books->retried_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct retried *item = &books->retried[middle];
        if (item->phase == phase && item->shard == shard)
            return item;
        if (item->phase < phase || (item->phase == phase && item->shard < shard))
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* Is the entry of before a retry that has not come to this shard yet? */
static bool is_outdated(const struct books *books, const struct shard_entry *entry)
{
    const struct retried *item = find_retried(books, entry->phase, entry->shard);
    return item && entry->generation < item->generation;
}

static void add_totals(struct books *books, const struct shard_entry *entry)
{
    struct phase_totals *totals = &books->totals[entry->phase];
    account_add(&totals->account, &entry->account);
    totals->shards++;
    totals->stored_bytes += entry->stored_bytes;
    totals->cpu_us += entry->cpu_us;
    for (size_t i = 0; i < entry->reason_count; i++)
        reason_table_add(&totals->reasons, &entry->reasons[i]);
    books->digests[entry->phase] =
        hash128_add(books->digests[entry->phase], entry->digest);
}

static enum error_code sum_entry(const struct shard_entry *entry, uint32_t volume_id,
                                 void *user, struct error *error)
{
    struct books *books = user;
    (void)volume_id;
    (void)error;
    if (!is_outdated(books, entry))
        add_totals(books, entry);
    return OK;
}

/* Call `visit` for what the ledger holds of a phase. */
static enum error_code each_shard(struct books *books, uint32_t phase,
                                  enum error_code (*visit)(const struct shard_entry *,
                                                           uint32_t, void *,
                                                           struct error *),
                                  void *user, struct error *error)
{
    struct index *index;
    arena_reset(books->scratch);
    enum error_code code = ledger_commit(books->ledger, error);
    if (code == OK)
        code = ledger_index(books->ledger, &index, error);
    if (code != OK)
        return code;
    code = index_each_shard(index, phase, books->scratch, visit, user, error);
    index_close(index);
    return code;
}

static enum error_code compute_totals(struct books *books, struct error *error)
{
    enum error_code code = OK;
    for (uint32_t p = 0; code == OK && p < books->plan->pipeline->phase_count; p++) {
        books->totals[p] = (struct phase_totals){0};
        books->totals[p].reasons.arena = books->arena;
        books->digests[p] = (struct hash128){0};
        code = each_shard(books, p, sum_entry, books, error);
    }
    return code;
}

/* ---- volumes that the ledger lacks ---- */

static enum error_code note_volume(const struct volume_record *volume, void *user,
                                   struct error *error)
{
    struct books *books = user;
    if (volume->id >= books->next_volume)
        books->next_volume = volume->id + 1;
    if (books->known_count == books->known_capacity) {
        size_t capacity = books->known_capacity ? books->known_capacity * 2 : 64;
        const char **grown = ARENA_NEW(books->arena, const char *, capacity);
        if (!grown)
            return error_set(error, ERROR_MEMORY, "no memory for volume names");
        if (books->known_count)
            memcpy(grown, books->known_volumes, books->known_count * sizeof *grown);
        books->known_volumes = grown;
        books->known_capacity = capacity;
    }
    const char *name = arena_copy_text(books->arena, volume->name, strlen(volume->name));
    if (!name)
        return error_set(error, ERROR_MEMORY, "no memory for volume names");
    books->known_volumes[books->known_count++] = name;
    return OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum error_code list_known_volumes(struct books *books, struct error *error)
{
    struct index *index;
    enum error_code code = ledger_commit(books->ledger, error);
    if (code == OK)
        code = ledger_index(books->ledger, &index, error);
    if (code != OK)
        return code;
    code = index_each_volume(index, books->scratch, note_volume, books, error);
    index_close(index);
    if (books->known_count)
        qsort(books->known_volumes, books->known_count, sizeof *books->known_volumes,
              compare_names);
    return code;
}

struct adoption {
    struct books *books;
    uint32_t phase, volume_id;
    uint64_t shards;
};

static enum error_code adopt_entry(const struct shard_entry *entry, void *user,
                                   struct error *error)
{
    struct adoption *adoption = user;
    struct books *books = adoption->books;
    bool is_new;
    if (entry->phase != adoption->phase)
        return OK;
    bytes_reset(&books->buffer);
    shard_entry_write(entry, &books->buffer);
    if (books->buffer.is_bad)
        return error_set(error, ERROR_MEMORY, "no memory for a shard's entry");
    adoption->shards++;
    return ledger_put_shard(books->ledger, adoption->volume_id, entry, books->buffer.data,
                            books->buffer.size, &is_new, error);
}

static enum error_code adopt_volume(struct books *books, uint32_t phase, const char *path,
                                    const char *name, struct error *error)
{
    struct volume_info info;
    struct volume_meta meta;
    struct volume *volume;
    enum error_code code = volume_read_footer(path, &info, error);
    if (code == OK)
        code = volume_open(path, &volume, error);
    if (code != OK)
        return code;
    code = volume_read_meta(volume, books->scratch, &meta, error);
    if (code == OK && !hash128_is_equal(meta.fingerprint, books->plan->fingerprint))
        code = error_set(error, ERROR_DAMAGED, "it belongs to another job");
    struct volume_record record = {.id = books->next_volume,
                                   .phase = phase,
                                   .name = name,
                                   .size = info.size,
                                   .checksum = info.checksum};
    struct adoption adoption = {.books = books, .phase = phase, .volume_id = record.id};
    if (code == OK)
        code = ledger_put_volume(books->ledger, &record, error);
    if (code == OK)
        code = volume_each_shard(volume, books->scratch, adopt_entry, &adoption, error);
    volume_close(volume);
    books->next_volume++;
    if (code == OK)
        log_at(LEVEL_INFO, "took up volume %s with %llu shards", name,
               (unsigned long long)adoption.shards);
    return code;
}

static enum error_code adopt_folder(struct books *books, uint32_t phase,
                                    struct error *error)
{
    char folder[PATH_SIZE], path[PATH_SIZE + 256];
    (void)snprintf(folder, sizeof folder, "%s/volumes/%s", books->folder,
                   books->plan->pipeline->phases[phase].name);
    DIR *directory = opendir(folder);
    if (!directory)
        return errno == ENOENT ? OK
                               : error_set_errno(error, ERROR_IO, errno,
                                                 "cannot read the folder \"%s\"", folder);
    struct dirent *entry;
    enum error_code code = OK;
    while (code == OK && (entry = readdir(directory)) != NULL) {
        const char *name = entry->d_name;
        size_t length = strlen(name);
        if (name[0] == '.' || length < 6 || strcmp(name + length - 5, ".lmdb") != 0)
            continue;
        if (books->known_count && bsearch(&name, books->known_volumes, books->known_count,
                                          sizeof *books->known_volumes, compare_names))
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", folder, name);
        struct error damage = {0};
        arena_reset(books->scratch);
        code = adopt_volume(books, phase, path, name, &damage);
        if (code == ERROR_DAMAGED) {
            log_at(LEVEL_WARNING, "left alone \"%s\": %s", path, damage.text);
            code = OK;
        } else if (code != OK && error) {
            *error = damage;
        }
    }
    (void)closedir(directory);
    return code;
}

static enum error_code adopt_volumes(struct books *books, struct error *error)
{
    enum error_code code = list_known_volumes(books, error);
    for (uint32_t p = 0; code == OK && p < books->plan->pipeline->phase_count; p++)
        code = adopt_folder(books, p, error);
    return code == OK ? ledger_commit(books->ledger, error) : code;
}

/* ---- retry ---- */

struct retry_scan {
    struct books *books;
    uint32_t phase;
    bool is_all; /* an earlier phase changes: everything behind it is done again */
    struct retried *items; /* owned */
    size_t count, capacity;
};

/* Append to a list sorted by phase and shard: items come in this order. */
static enum error_code add_retried(struct retry_scan *scan, struct retried item,
                                   struct error *error)
{
    struct retried *grown =
        array_grow(scan->items, &scan->capacity, scan->count + 1, sizeof *grown);
    if (!grown)
        return error_set(error, ERROR_MEMORY, "no memory for shards to retry");
    scan->items = grown;
    scan->items[scan->count++] = item;
    return OK;
}

static enum error_code scan_entry(const struct shard_entry *entry, uint32_t volume_id,
                                  void *user, struct error *error)
{
    struct retry_scan *scan = user;
    struct books *books = scan->books;
    (void)volume_id;
    if (!scan->is_all && entry->reject_count == 0 && !is_outdated(books, entry))
        return OK;
    return add_retried(scan,
                       (struct retried){.phase = scan->phase,
                                        .shard = entry->shard,
                                        .generation = entry->generation + 1},
                       error);
}

/* A retry that is stopped goes on with the next session: the list goes into the ledger,
 * and its phases are not complete. */
static enum error_code note_retry(struct books *books, struct error *error)
{
    struct bytes *buffer = &books->buffer;
    struct index *index;
    bytes_reset(buffer);
    for (size_t i = 0; i < books->retried_count; i++) {
        bytes_put_u32(buffer, books->retried[i].phase);
        bytes_put_u32(buffer, books->retried[i].generation);
        bytes_put_u64(buffer, books->retried[i].shard);
    }
    if (buffer->is_bad)
        return error_set(error, ERROR_MEMORY, "no memory for shards to retry");
    enum error_code code =
        ledger_put_meta(books->ledger, retry_name, buffer->data, buffer->size, error);
    for (size_t i = 0; code == OK && i < books->retried_count; i++) {
        struct phase_record record;
        uint32_t phase = books->retried[i].phase;
        if (i > 0 && books->retried[i - 1].phase == phase)
            continue;
        arena_reset(books->scratch);
        code = ledger_commit(books->ledger, error);
        if (code == OK)
            code = ledger_index(books->ledger, &index, error);
        if (code != OK)
            return code;
        code = index_get_phase(index, phase, books->scratch, &record, error);
        index_close(index);
        record.is_complete = false;
        if (code == OK)
            code = ledger_put_phase(books->ledger, &record, error);
    }
    return code;
}

/* What a retry that was stopped had still to do. */
static enum error_code recall_retry(struct books *books, struct error *error)
{
    struct index *index;
    const void *data;
    size_t size;
    enum error_code code = ledger_commit(books->ledger, error);
    if (code == OK)
        code = ledger_index(books->ledger, &index, error);
    if (code != OK)
        return code;
    struct retry_scan scan = {.books = books};
    code = index_get_meta(index, retry_name, &data, &size, error);
    struct cursor in = cursor_over(data, code == OK ? size : 0);
    while (code == OK && cursor_left(&in)) {
        struct retried item;
        item.phase = cursor_u32(&in);
        item.generation = cursor_u32(&in);
        item.shard = cursor_u64(&in);
        if (in.is_bad)
            break;
        code = add_retried(&scan, item, error);
    }
    index_close(index);
    books->retried = scan.items;
    books->retried_count = scan.count;
    return code == ERROR_CLOSED ? OK : code;
}

/* ---- numeric class ---- */

static enum error_code recall_class(struct books *books, struct error *error)
{
    struct index *index;
    const void *data;
    size_t size;
    enum error_code code = ledger_commit(books->ledger, error);
    if (code == OK)
        code = ledger_index(books->ledger, &index, error);
    if (code != OK)
        return code;
    code = index_get_meta(index, class_name, &data, &size, error);
    if (code == OK && size >= sizeof books->class)
        code = error_set(error, ERROR_DAMAGED, "the index's numeric class is too long");
    else if (code == OK)
        memcpy(books->class, data, size);
    index_close(index);
    return code == ERROR_CLOSED ? OK : code;
}

const char *books_class(const struct books *books)
{
    return books->class;
}

enum error_code books_fix_class(struct books *books, const char *class,
                                struct error *error)
{
    (void)snprintf(books->class, sizeof books->class, "%s", class);
    return ledger_put_meta(books->ledger, class_name, class, strlen(class), error);
}

/* ---- life ---- */

static enum error_code open_ledger(struct books *books, const char *scratch,
                                   struct error *error)
{
    char path[PATH_SIZE], from[PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s/ledger.lmdb", scratch);
    (void)snprintf(from, sizeof from, "%s/index.lmdb", books->folder);
    if (access(from, F_OK) == 0) {
        enum error_code code = ledger_open(path, from, &books->ledger, error);
        if (code != ERROR_DAMAGED)
            return code;
        log_at(LEVEL_WARNING,
               "the index is damaged and is made anew from the volumes: %s",
               error ? error->text : "");
        (void)unlink(path);
    }
    return ledger_open(path, NULL, &books->ledger, error);
}

enum error_code books_open(const char *folder, const char *scratch,
                           const struct job_plan *plan, struct books **books,
                           struct error *error)
{
    struct books *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(error, ERROR_MEMORY, "no memory for the books");
    size_t phases = plan->pipeline->phase_count;
    made->folder = folder;
    made->plan = plan;
    made->next_volume = 1;
    made->arena = arena_create(ARENA_BLOCK, 0);
    made->scratch = arena_create(ARENA_BLOCK, 0);
    enum error_code code = OK;
    if (!made->arena || !made->scratch) {
        code = error_set(error, ERROR_MEMORY, "no memory for the books");
    } else {
        made->totals = ARENA_NEW(made->arena, struct phase_totals, phases);
        made->digests = ARENA_NEW(made->arena, struct hash128, phases);
        if (!made->totals || !made->digests)
            code = error_set(error, ERROR_MEMORY, "no memory for the books");
    }
    if (code == OK)
        code = open_ledger(made, scratch, error);
    if (code == OK)
        code = ledger_put_meta(made->ledger, "description", plan->description,
                               strlen(plan->description), error);
    if (code == OK)
        code = ledger_put_meta(made->ledger, "fingerprint", &plan->fingerprint,
                               sizeof plan->fingerprint, error);
    if (code == OK)
        code = adopt_volumes(made, error);
    if (code == OK)
        code = recall_retry(made, error);
    if (code == OK)
        code = recall_class(made, error);
    if (code == OK)
        code = compute_totals(made, error);
    if (code != OK)
        books_close(made);
    else
        *books = made;
    return code;
}

void books_close(struct books *books)
{
    if (!books)
        return;
    if (books->ledger)
        ledger_close(books->ledger);
    free(books->retried);
    bytes_clear(&books->buffer);
    arena_destroy(books->arena);
    arena_destroy(books->scratch);
    free(books);
}

/* ---- phases ---- */

/* The shards of a phase that reads another's results. */
static enum error_code derive_runs(struct books *books, struct index *index,
                                   const struct phase_spec *phase, struct arena *arena,
                                   struct manifest *manifest, struct error *error)
{
    uint32_t number = (uint32_t)phase->input.phase_index;
    const struct phase_spec *earlier = &books->plan->pipeline->phases[number];
    struct phase_record record;
    enum error_code code = index_get_phase(index, number, arena, &record, error);
    if (code != OK)
        return code;
    bool is_exchange = earlier->exchange.kind != EXCHANGE_NONE;
    bool is_merge = phase->fit == FIT_MERGE || phase->fit == FIT_FINISH;
    uint32_t count = is_exchange || is_merge ? 1 : record.manifest.run_count;
    *manifest = (struct manifest){.run_count = count,
                                  .bytes = books->totals[number].stored_bytes,
                                  .shard_bytes = record.shard_bytes};
    manifest->runs = ARENA_NEW(arena, struct run, count);
    if (!manifest->runs)
        return error_set(error, ERROR_MEMORY, "no memory for a phase's shards");
    if (is_merge) {
        bool is_last = phase->fit == FIT_FINISH;
        uint64_t states = manifest_shard_count(&record.manifest);
        manifest->runs[0] =
            (struct run){.kind = is_last ? RUN_FINISH : RUN_MERGE,
                         .count = is_last ? 1 : manifest_tree_groups(states)};
        return OK;
    }
    for (uint32_t i = 0; i < count; i++)
        manifest->runs[i] =
            (struct run){.kind = is_exchange ? RUN_BUCKET : RUN_PHASE,
                         .count = is_exchange ? earlier->exchange.buckets
                                              : record.manifest.runs[i].count};
    return OK;
}

/* The planned manifest with what is known of its streams. */
static void merge_manifest(const struct manifest *planned, const struct manifest *known,
                           struct manifest *manifest)
{
    *manifest = *planned;
    for (uint32_t i = 0; i < known->run_count && i < planned->run_count; i++)
        if (planned->runs[i].kind == RUN_STREAM)
            manifest->runs[i].count = known->runs[i].count;
}

enum error_code books_phase(struct books *books, uint32_t phase, struct arena *arena,
                            struct manifest *manifest, bool *is_complete,
                            struct error *error)
{
    const struct phase_spec *spec = &books->plan->pipeline->phases[phase];
    const struct manifest *planned = &books->plan->manifests[phase];
    struct phase_record record = {0};
    struct index *index;
    *is_complete = false;
    enum error_code code = ledger_commit(books->ledger, error);
    if (code == OK)
        code = ledger_index(books->ledger, &index, error);
    if (code != OK)
        return code;
    bool is_known = index_get_phase(index, phase, arena, &record, NULL) == OK;
    if (spec->input.format == FORMAT_PHASE) {
        code = derive_runs(books, index, spec, arena, manifest, error);
        *is_complete = is_known && record.is_complete;
    } else if (is_known) {
        merge_manifest(planned, &record.manifest, manifest);
        *is_complete =
            record.is_complete && record.manifest.file_count == planned->file_count;
    } else {
        *manifest = *planned;
    }
    index_close(index);
    if (code != OK || *is_complete)
        return code;
    struct phase_record fresh = {.phase = phase,
                                 .name = spec->name,
                                 .shard_bytes = spec->shard_bytes,
                                 .manifest = *manifest};
    code = ledger_put_phase(books->ledger, &fresh, error);
    return code == OK ? ledger_commit(books->ledger, error) : code;
}

enum error_code books_complete_phase(struct books *books, uint32_t phase,
                                     const struct manifest *manifest, struct error *error)
{
    const struct phase_spec *spec = &books->plan->pipeline->phases[phase];
    struct index *index;
    struct phase_record known;
    enum error_code code = ledger_commit(books->ledger, error);
    if (code == OK)
        code = ledger_index(books->ledger, &index, error);
    if (code != OK)
        return code;
    arena_reset(books->scratch);
    struct phase_record record = {.phase = phase,
                                  .name = spec->name,
                                  .shard_bytes = spec->shard_bytes,
                                  .manifest = *manifest,
                                  .is_complete = true};
    code = index_get_phase(index, phase, books->scratch, &known, error);
    if (code == OK)
        merge_manifest(manifest, &known.manifest, &record.manifest);
    index_close(index);
    if (code == OK)
        code = ledger_put_phase(books->ledger, &record, error);
    return code == OK ? books_publish(books, error) : code;
}

/* ---- trying again ---- */

enum error_code books_retry(struct books *books, uint32_t *shard_count,
                            struct error *error)
{
    struct retry_scan scan = {.books = books};
    enum error_code code = OK;
    for (uint32_t p = 0; code == OK && p < books->plan->pipeline->phase_count; p++) {
        scan.phase = p;
        scan.is_all = scan.count > 0;
        code = each_shard(books, p, scan_entry, &scan, error);
    }
    free(books->retried);
    books->retried = scan.items;
    books->retried_count = scan.count;
    if (code == OK)
        code = note_retry(books, error);
    for (size_t i = 0; code == OK && i < books->retried_count; i++)
        code = ledger_drop_suspects(books->ledger, books->retried[i].phase,
                                    books->retried[i].shard, error);
    if (code != OK)
        return code;
    *shard_count = (uint32_t)scan.count;
    return compute_totals(books, error);
}

uint32_t books_generation(const struct books *books, uint32_t phase, shard_id shard)
{
    if (SHARD_INDEX(shard) != SHARDS_UNKNOWN) {
        const struct retried *found = find_retried(books, phase, shard);
        return found ? found->generation : 0;
    }
    uint32_t highest = 0;
    for (size_t i = 0; i < books->retried_count; i++) {
        const struct retried *item = &books->retried[i];
        if (item->phase == phase && SHARD_RUN(item->shard) == SHARD_RUN(shard) &&
            item->generation > highest)
            highest = item->generation;
    }
    return highest;
}

/* ---- a new schedule ---- */

struct filling {
    struct books *books;
    struct schedule *schedule;
    uint32_t phase;
};

static enum error_code fill_done(const struct shard_entry *entry, uint32_t volume_id,
                                 void *user, struct error *error)
{
    struct filling *filling = user;
    (void)volume_id;
    (void)error;
    if (!is_outdated(filling->books, entry))
        schedule_mark_done(filling->schedule, entry->shard);
    return OK;
}

static enum error_code fill_suspect(const struct suspect *suspect, void *user,
                                    struct error *error)
{
    struct filling *filling = user;
    if (suspect->phase != filling->phase)
        return OK;
    const char *reason =
        arena_copy_text(filling->books->arena, suspect->reason, strlen(suspect->reason));
    if (!reason)
        return error_set(error, ERROR_MEMORY, "no memory for a suspect");
    return schedule_mark_suspect(filling->schedule, suspect->shard, suspect->ordinal,
                                 suspect->stage, suspect->strikes, reason, error);
}

enum error_code books_fill(struct books *books, uint32_t phase, struct schedule *schedule,
                           struct error *error)
{
    struct filling filling = {.books = books, .schedule = schedule, .phase = phase};
    struct phase_record record;
    struct index *index;
    enum error_code code = ledger_commit(books->ledger, error);
    if (code == OK)
        code = ledger_index(books->ledger, &index, error);
    if (code != OK)
        return code;
    arena_reset(books->scratch);
    code = index_get_phase(index, phase, books->scratch, &record, error);
    for (uint32_t i = 0; code == OK && i < record.manifest.run_count; i++)
        if (record.manifest.runs[i].kind == RUN_STREAM &&
            record.manifest.runs[i].count != SHARDS_UNKNOWN)
            schedule_mark_stream_end(schedule, i, record.manifest.runs[i].count);
    if (code == OK)
        code = index_each_shard(index, phase, books->scratch, fill_done, &filling, error);
    if (code == OK)
        code = index_each_suspect(index, books->scratch, fill_suspect, &filling, error);
    index_close(index);
    return code;
}

/* ---- news ---- */

enum error_code books_take(struct books *books, const struct message_done *done,
                           bool *is_new, struct error *error)
{
    struct volume_record record = {.id = books->next_volume++,
                                   .phase = done->phase,
                                   .name = done->volume,
                                   .size = done->size,
                                   .checksum = done->checksum};
    enum error_code code = ledger_put_volume(books->ledger, &record, error);
    for (uint32_t i = 0; code == OK && i < done->count; i++) {
        const struct shard_entry *entry = &done->entries[i];
        bytes_reset(&books->buffer);
        shard_entry_write(entry, &books->buffer);
        if (books->buffer.is_bad)
            return error_set(error, ERROR_MEMORY, "no memory for a shard's entry");
        code = ledger_put_shard(books->ledger, record.id, entry, books->buffer.data,
                                books->buffer.size, &is_new[i], error);
        if (code == OK && is_new[i])
            add_totals(books, entry);
    }
    return code;
}

enum error_code books_stream(struct books *books, const struct message_stream *stream,
                             struct error *error)
{
    if (stream->count != SHARDS_UNKNOWN)
        return ledger_put_stream(books->ledger, stream->phase, stream->run, stream->count,
                                 error);
    return ledger_put_entry(books->ledger, stream->phase, stream->run,
                            stream->entry_shard, stream->entry_compressed,
                            stream->entry_decompressed, error);
}

enum error_code books_suspect(struct books *books, const struct suspect *suspect,
                              struct error *error)
{
    return ledger_put_suspect(books->ledger, suspect, error);
}

enum error_code books_entry(struct books *books, uint32_t phase, uint32_t run,
                            uint32_t index, uint64_t *compressed, uint64_t *decompressed,
                            struct error *error)
{
    struct index *view;
    *compressed = *decompressed = 0;
    enum error_code code = ledger_commit(books->ledger, error);
    if (code == OK)
        code = ledger_index(books->ledger, &view, error);
    if (code != OK)
        return code;
    code = index_get_entry(view, phase, run, index, compressed, decompressed, error);
    index_close(view);
    return code == ERROR_CLOSED ? OK : code;
}

enum error_code books_commit(struct books *books, struct error *error)
{
    return ledger_commit(books->ledger, error);
}

enum error_code books_publish(struct books *books, struct error *error)
{
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s/index.lmdb", books->folder);
    return ledger_publish(books->ledger, path, error);
}

const struct phase_totals *books_totals(const struct books *books, uint32_t phase)
{
    return &books->totals[phase];
}

struct hash128 books_digest(const struct books *books, uint32_t phase)
{
    return books->digests[phase];
}
