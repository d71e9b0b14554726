/* job_view.c - the published results of a job directory, in the order of the input */
#include "commands/job_view.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/codec.h"

enum {
    OPEN_MAX_VOLUMES = 64,
    ARENA_BLOCK = 1 << 20,
    STATUS_SIZE_MAX = 1 << 16,
    STATE_SIZE = 32
};

/* Looking for a key checks whole volumes up to so many bytes in all, then footers alone:
 * a key should not cost the reading of a large job. */
static const uint64_t SEARCH_CHECKED_MAX = (uint64_t)1 << 30;

struct open_volume {
    uint32_t id; /* 0: free */
    uint64_t used;
    struct volume *volume; /* owned */
};

struct job_view {
    char *folder;                /* owned */
    struct index *index;         /* owned */
    struct arena *arena;         /* owned: as long as the view */
    struct arena *scratch;       /* owned: one record, block or shard */
    struct bytes checked;        /* owned: uint32_t ids of volumes whose checksum holds */
    struct phase_record *phases; /* (phase_count) those with a name have been read */
    uint32_t phase_count;
    char state[STATE_SIZE];
    struct open_volume open[OPEN_MAX_VOLUMES];
    uint64_t uses;
    uint64_t checked_bytes; /* of the volumes in `checked` */
};

/* ---- opening ---- */

/* The text behind "state": enough for a file that only millrace writes. */
static void read_state(const char *folder, char state[STATE_SIZE])
{
    static const char name[] = "\"state\"";
    char path[PATH_MAX], text[STATUS_SIZE_MAX + 1];
    (void)snprintf(state, STATE_SIZE, "unknown");
    int length = snprintf(path, sizeof path, "%s/status.json", folder);
    FILE *file = length > 0 && (size_t)length < sizeof path ? fopen(path, "rb") : NULL;
    if (!file)
        return;
    size_t size = fread(text, 1, STATUS_SIZE_MAX, file);
    (void)fclose(file);
    text[size] = 0;
    const char *at = strstr(text, name);
    if (!at)
        return;
    at += sizeof name - 1;
    at += strspn(at, " \t\r\n:");
    size_t letters = strspn(at + (*at == '"'), "abcdefghijklmnopqrstuvwxyz_");
    if (*at == '"' && letters > 0 && letters < STATE_SIZE)
        (void)snprintf(state, STATE_SIZE, "%.*s", (int)letters, at + 1);
}

static enum error_code open_index(struct job_view *job, struct error *error)
{
    char path[PATH_MAX];
    struct stat facts;
    int length = snprintf(path, sizeof path, "%s/index.lmdb", job->folder);
    if (length < 0 || (size_t)length >= sizeof path)
        return error_set(error, ERROR_IO, "path too long: \"%s\"", job->folder);
    if (stat(job->folder, &facts) != 0)
        return error_set_errno(error, ERROR_IO, errno, "cannot open job \"%s\"",
                               job->folder);
    if (!S_ISDIR(facts.st_mode))
        return error_set(error, ERROR_IO, "\"%s\" is no job directory", job->folder);
    if (stat(path, &facts) != 0 && errno == ENOENT)
        return error_set(error, ERROR_IO, "job \"%s\" has published nothing yet",
                         job->folder);
    return index_open(path, &job->index, error);
}

enum error_code job_open(const char *folder, struct job_view **job, struct error *error)
{
    struct job_view *made = calloc(1, sizeof *made);
    if (made) {
        made->folder = malloc(strlen(folder) + 1);
        made->arena = arena_create(ARENA_BLOCK, 0);
        made->scratch = arena_create(ARENA_BLOCK, 0);
    }
    if (!made || !made->folder || !made->arena || !made->scratch) {
        job_close(made);
        return error_set(error, ERROR_MEMORY, "no memory to open a job");
    }
    memcpy(made->folder, folder, strlen(folder) + 1);
    enum error_code code = open_index(made, error);
    if (code != OK) {
        job_close(made);
        return code;
    }
    read_state(folder, made->state);
    *job = made;
    return OK;
}

void job_close(struct job_view *job)
{
    if (!job)
        return;
    for (size_t i = 0; i < OPEN_MAX_VOLUMES; i++)
        volume_close(job->open[i].volume);
    index_close(job->index);
    bytes_clear(&job->checked);
    arena_destroy(job->scratch);
    arena_destroy(job->arena);
    free(job->folder);
    free(job);
}

const char *job_folder(const struct job_view *job)
{
    return job->folder;
}

struct index *job_index(struct job_view *job)
{
    return job->index;
}

const char *job_state(const struct job_view *job)
{
    return job->state;
}

bool job_is_finished(const struct job_view *job)
{
    return strcmp(job->state, "finished") == 0;
}

/* Read once: a manifest may be long. */
enum error_code job_get_phase_number(struct job_view *job, uint32_t number,
                                     const struct phase_record **phase,
                                     struct error *error)
{
    if (!job->phases) {
        job->phase_count = index_phase_count(job->index);
        job->phases = ARENA_NEW(job->arena, struct phase_record, job->phase_count);
    }
    if (!job->phases) {
        (void)error_set(error, ERROR_MEMORY, "no memory for the phases of a job");
        return ERROR_MEMORY;
    }
    enum error_code code = ERROR_CLOSED;
    if (number < job->phase_count)
        code = job->phases[number].name ? OK
                                        : index_get_phase(job->index, number, job->arena,
                                                          &job->phases[number], error);
    if (code == OK)
        *phase = &job->phases[number];
    if (code != ERROR_CLOSED)
        return code;
    (void)error_set(error, ERROR_DAMAGED, "the index lacks phase %u", (unsigned)number);
    return ERROR_DAMAGED;
}

enum error_code job_get_phase(struct job_view *job, const char *name,
                              const struct phase_record **phase, struct error *error)
{
    char names[300] = "";
    uint32_t count = index_phase_count(job->index);
    if (count == 0)
        return error_set(error, ERROR_IO, "job \"%s\" has published nothing yet",
                         job->folder);
    for (uint32_t i = count; i-- > 0;) {
        enum error_code code = job_get_phase_number(job, i, phase, error);
        if (code != OK)
            return code;
        if (!name || strcmp((*phase)->name, name) == 0)
            return OK;
        size_t used = strlen(names);
        (void)snprintf(names + used, sizeof names - used, " \"%s\"", (*phase)->name);
    }
    return error_set(error, ERROR_CONFIG, "the job has no phase \"%s\"; there is%s", name,
                     names);
}

/* ---- volumes ---- */

static enum error_code find_path(struct job_view *job, const struct volume_record *volume,
                                 char *path, size_t size, struct error *error)
{
    const struct phase_record *phase;
    enum error_code code = job_get_phase_number(job, volume->phase, &phase, error);
    if (code != OK)
        return code;
    int length =
        snprintf(path, size, "%s/volumes/%s/%s", job->folder, phase->name, volume->name);
    if (length < 0 || (size_t)length >= size)
        return error_set(error, ERROR_IO, "path too long: \"%s\"", job->folder);
    return OK;
}

static bool is_checked(const struct job_view *job, uint32_t id)
{
    for (size_t i = 0; i < job->checked.size; i += sizeof id)
        if (load_u32(job->checked.data + i) == id)
            return true;
    return false;
}

/* Compare with what the index says, so that another volume under this name is seen. */
static enum error_code check_volume(struct job_view *job, const char *path,
                                    const struct volume_record *record, bool is_quick,
                                    struct error *error)
{
    struct volume_info info;
    if (is_checked(job, record->id))
        return OK;
    if (is_quick && record->size < SEARCH_CHECKED_MAX &&
        job->checked_bytes < SEARCH_CHECKED_MAX - record->size)
        is_quick = false;
    enum error_code code = is_quick ? volume_read_footer(path, &info, error)
                                    : volume_check(path, &info, error);
    if (code != OK)
        return code;
    if (info.size != record->size || !hash128_is_equal(info.checksum, record->checksum))
        return error_set(error, ERROR_DAMAGED,
                         "\"%s\" is not the volume that was indexed", path);
    if (!is_quick) {
        bytes_put_u32(&job->checked, record->id);
        job->checked_bytes += record->size;
    }
    return OK;
}

/* The volume's entry may lie in `arena`. */
static enum error_code find_volume(struct job_view *job, uint32_t id, bool is_quick,
                                   struct arena *arena, char *path, size_t size,
                                   struct error *error)
{
    struct volume_record record;
    enum error_code code = index_get_volume(job->index, id, arena, &record, error);
    if (code == ERROR_CLOSED)
        return error_set(error, ERROR_DAMAGED, "the index lacks volume %u", (unsigned)id);
    if (code == OK)
        code = find_path(job, &record, path, size, error);
    if (code == OK)
        code = check_volume(job, path, &record, is_quick, error);
    return code;
}

enum error_code job_find_volume(struct job_view *job, uint32_t id, char *path,
                                size_t size, struct error *error)
{
    arena_reset(job->scratch);
    return find_volume(job, id, false, job->scratch, path, size, error);
}

static struct open_volume *oldest_volume(struct job_view *job)
{
    struct open_volume *oldest = &job->open[0];
    for (size_t i = 0; i < OPEN_MAX_VOLUMES; i++) {
        if (job->open[i].id == 0)
            return &job->open[i];
        if (job->open[i].used < oldest->used)
            oldest = &job->open[i];
    }
    return oldest;
}

static enum error_code get_volume(struct job_view *job, uint32_t id, bool is_quick,
                                  struct volume **volume, struct error *error)
{
    char path[PATH_MAX];
    struct volume *opened = NULL;
    for (size_t i = 0; i < OPEN_MAX_VOLUMES; i++)
        if (job->open[i].id == id && id != 0) {
            job->open[i].used = ++job->uses;
            *volume = job->open[i].volume;
            return OK;
        }
    enum error_code code =
        find_volume(job, id, is_quick, job->arena, path, sizeof path, error);
    if (code == OK)
        code = volume_open(path, &opened, error);
    if (code != OK)
        return code;
    struct open_volume *slot = oldest_volume(job);
    volume_close(slot->volume);
    *slot = (struct open_volume){.id = id, .used = ++job->uses, .volume = opened};
    *volume = opened;
    return OK;
}

enum error_code job_get_volume(struct job_view *job, uint32_t id, struct volume **volume,
                               struct error *error)
{
    return get_volume(job, id, false, volume, error);
}

/* ---- shards ---- */

struct shard_list {
    struct bytes items; /* owned: struct job_shard, by number */
    struct arena *scratch;
};

static const struct job_shard *shards_of(const struct shard_list *list, size_t *count)
{
    *count = list->items.size / sizeof(struct job_shard);
    return (const void *)list->items.data;
}

static enum error_code note_shard(const struct shard_entry *entry, uint32_t volume_id,
                                  void *user, struct error *error)
{
    struct shard_list *list = user;
    struct job_shard shard = {.shard = entry->shard,
                              .volume_id = volume_id,
                              .first_block = entry->first_block,
                              .block_count = entry->block_count,
                              .reject_count = entry->reject_count,
                              .stored = account_stored(&entry->account).records};
    bytes_put(&list->items, &shard, sizeof shard);
    arena_reset(list->scratch);
    if (list->items.is_bad)
        return error_set(error, ERROR_MEMORY, "no memory for the list of shards");
    return OK;
}

static enum error_code list_shards(struct job_view *job, const struct phase_record *phase,
                                   struct shard_list *list, struct error *error)
{
    *list = (struct shard_list){.scratch = job->scratch};
    enum error_code code =
        index_each_shard(job->index, phase->phase, job->scratch, note_shard, list, error);
    if (code != OK)
        bytes_clear(&list->items);
    return code;
}

enum error_code job_count_records(struct job_view *job, const struct phase_record *phase,
                                  uint64_t *count, struct error *error)
{
    struct shard_list list;
    size_t shard_count;
    uint64_t sum = 0;
    enum error_code code = list_shards(job, phase, &list, error);
    if (code != OK)
        return code;
    const struct job_shard *shards = shards_of(&list, &shard_count);
    for (size_t i = 0; i < shard_count; i++)
        sum += shards[i].stored;
    bytes_clear(&list.items);
    *count = sum;
    return OK;
}

/* First shard of the list whose number is not below. */
static size_t find_shard(const struct job_shard *shards, size_t count, shard_id shard)
{
    size_t begin = 0;
    while (begin < count) {
        size_t middle = begin + (count - begin) / 2;
        if (shards[middle].shard < shard)
            begin = middle + 1;
        else
            count = middle;
    }
    return begin;
}

/* ---- walking ---- */

/* Neighbours in the order of names that belong to one run. */
struct stretch {
    uint32_t run;
    const char *first, *last; /* names of files; NULL: all of the run's */
};

struct walk {
    struct job_view *job;
    const struct job_visitor *visitor;
    const struct stretch *stretch;
};

static bool is_inside(const struct stretch *stretch, const char *file)
{
    return !stretch->first ||
           (strcmp(file, stretch->first) >= 0 && strcmp(file, stretch->last) <= 0);
}

static enum error_code walk_block(const struct walk *walk, struct volume *volume,
                                  const struct job_shard *shard, uint64_t number,
                                  struct error *error)
{
    const void *data;
    size_t size;
    struct batch *batch;
    struct file_names files;
    enum error_code code = volume_get_block(volume, number, &data, &size, error);
    if (code != OK)
        return code;
    arena_reset(walk->job->scratch);
    code = block_decode(data, size, walk->job->scratch, &batch, &files, error);
    for (uint32_t i = 0; code == OK && i < batch->count; i++) {
        struct job_record record = {.batch = batch,
                                    .row = i,
                                    .file = files.names[batch->origins[i].file],
                                    .shard = shard->shard};
        if (is_inside(walk->stretch, record.file))
            code = walk->visitor->record(&record, walk->visitor->user, error);
    }
    return code;
}

static enum error_code visit_reject(const struct reject *reject, void *user,
                                    struct error *error)
{
    const struct walk *walk = user;
    if (!is_inside(walk->stretch, reject->file))
        return OK;
    return walk->visitor->reject(reject, walk->visitor->user, error);
}

static enum error_code walk_shard(struct walk *walk, const struct job_shard *shard,
                                  struct error *error)
{
    const struct job_visitor *visitor = walk->visitor;
    struct volume *volume;
    if (visitor->shard)
        return visitor->shard(shard, walk->stretch->first, walk->stretch->last,
                              visitor->user, error);
    if (visitor->wants_shard && !visitor->wants_shard(shard, visitor->user))
        return OK;
    if (!visitor->record && shard->reject_count == 0)
        return OK;
    enum error_code code = get_volume(walk->job, shard->volume_id, false, &volume, error);
    for (uint64_t i = 0; code == OK && visitor->record && i < shard->block_count; i++)
        code = walk_block(walk, volume, shard, shard->first_block + i, error);
    if (code == OK && visitor->reject && shard->reject_count > 0) {
        arena_reset(walk->job->scratch);
        code = volume_each_reject(volume, shard->shard, walk->job->scratch, visit_reject,
                                  walk, error);
    }
    return code;
}

static enum error_code walk_run(struct walk *walk, const struct shard_list *list,
                                const struct stretch *stretch, struct error *error)
{
    size_t count;
    const struct job_shard *shards = shards_of(list, &count);
    enum error_code code = OK;
    walk->stretch = stretch;
    for (size_t i = find_shard(shards, count, SHARD_ID(stretch->run, 0));
         code == OK && i < count && SHARD_RUN(shards[i].shard) == stretch->run; i++)
        code = walk_shard(walk, &shards[i], error);
    walk->stretch = NULL;
    return code;
}

struct named_file {
    const char *name;
    uint32_t run;
};

static int compare_names(const void *a, const void *b)
{
    const struct named_file *left = a;
    const struct named_file *right = b;
    return strcmp(left->name, right->name);
}

/* The files that are in runs, by name: those that --extend added stand among the rest. */
static struct named_file *sort_files(const struct manifest *manifest, struct arena *arena,
                                     size_t *count)
{
    size_t total = 0;
    for (uint32_t i = 0; i < manifest->run_count; i++)
        total += manifest->runs[i].file_count;
    struct named_file *files = ARENA_NEW(arena, struct named_file, total);
    if (!files)
        return NULL;
    *count = 0;
    for (uint32_t i = 0; i < manifest->run_count; i++) {
        const struct run *run = &manifest->runs[i];
        for (uint32_t k = 0; k < run->file_count; k++)
            files[(*count)++] = (struct named_file){
                .name = manifest->files[run->first_file + k].name, .run = i};
    }
    qsort(files, total, sizeof *files, compare_names);
    return files;
}

static enum error_code walk_files(struct walk *walk, const struct phase_record *phase,
                                  const struct shard_list *list, struct error *error)
{
    size_t count;
    enum error_code code = OK;
    const struct manifest *manifest = &phase->manifest;
    struct named_file *files = sort_files(manifest, walk->job->arena, &count);
    if (!files)
        return error_set(error, ERROR_MEMORY, "no memory for the order of the input");
    for (size_t i = 0; code == OK && i < count;) {
        size_t end = i + 1;
        while (end < count && files[end].run == files[i].run)
            end++;
        struct stretch stretch = {.run = files[i].run};
        if (end - i < manifest->runs[files[i].run].file_count) {
            stretch.first = files[i].name;
            stretch.last = files[end - 1].name;
        }
        code = walk_run(walk, list, &stretch, error);
        i = end;
    }
    return code;
}

enum error_code job_walk(struct job_view *job, const struct phase_record *phase,
                         const struct job_visitor *visitor, struct error *error)
{
    struct shard_list list;
    struct walk walk = {.job = job, .visitor = visitor};
    enum error_code code = list_shards(job, phase, &list, error);
    if (code != OK)
        return code;
    code = walk_files(&walk, phase, &list, error);
    /* Runs without files are those of buckets and of earlier phases. */
    for (uint32_t i = 0; code == OK && i < phase->manifest.run_count; i++) {
        struct stretch stretch = {.run = i};
        if (phase->manifest.runs[i].file_count == 0)
            code = walk_run(&walk, &list, &stretch, error);
    }
    bytes_clear(&list.items);
    return code;
}

/* ---- single records ---- */

struct key_search {
    struct job_view *job;
    const struct phase_record *phase;
    uint32_t volume_id;
    const char *key;
    const struct job_visitor *visitor;
    uint64_t found;
    struct bytes places; /* owned: struct key_hit */
};

struct key_hit {
    struct job_shard shard;
    uint32_t position;
};

/* A shard may stand in a second volume, which does not count. */
static enum error_code note_place(shard_id shard, uint32_t position, void *user,
                                  struct error *error)
{
    struct key_search *search = user;
    struct shard_entry entry;
    uint32_t volume_id = 0;
    arena_reset(search->job->scratch);
    enum error_code code =
        index_get_shard(search->job->index, search->phase->phase, shard,
                        search->job->scratch, &entry, &volume_id, error);
    if (code == ERROR_CLOSED || (code == OK && volume_id != search->volume_id))
        return OK;
    if (code != OK)
        return code;
    struct key_hit hit = {.position = position};
    hit.shard = (struct job_shard){.shard = shard,
                                   .volume_id = volume_id,
                                   .first_block = entry.first_block,
                                   .block_count = entry.block_count};
    bytes_put(&search->places, &hit, sizeof hit);
    return search->places.is_bad ? error_set(error, ERROR_MEMORY, "no memory for a key")
                                 : OK;
}

static enum error_code search_volume(const struct volume_record *volume, void *user,
                                     struct error *error)
{
    struct key_search *search = user;
    struct volume *opened;
    if (volume->phase != search->phase->phase)
        return OK;
    enum error_code code = get_volume(search->job, volume->id, true, &opened, error);
    if (code != OK)
        return code;
    search->volume_id = volume->id;
    return volume_each_key(opened, search->key, strlen(search->key), note_place, search,
                           error);
}

static int compare_hits(const void *a, const void *b)
{
    const struct key_hit *left = a;
    const struct key_hit *right = b;
    if (left->shard.shard != right->shard.shard)
        return left->shard.shard < right->shard.shard ? -1 : 1;
    return (left->position > right->position) - (left->position < right->position);
}

static bool has_key(const struct batch *batch, uint32_t row, const char *key)
{
    size_t size = strlen(key);
    const struct column *column = batch->columns[0];
    return column_row_length(column, row) == size &&
           memcmp(column_row(column, row), key, size) == 0;
}

/* The hash found the place; the key itself is compared. */
static enum error_code visit_hit(struct key_search *search, const struct key_hit *hit,
                                 struct error *error)
{
    struct volume *volume;
    uint32_t left = hit->position;
    struct arena *scratch = search->job->scratch;
    enum error_code code =
        get_volume(search->job, hit->shard.volume_id, true, &volume, error);
    for (uint64_t i = 0; code == OK && i < hit->shard.block_count; i++) {
        const void *data;
        size_t size;
        struct batch *batch;
        struct file_names files;
        code = volume_get_block(volume, hit->shard.first_block + i, &data, &size, error);
        arena_reset(scratch);
        if (code == OK)
            code = block_decode(data, size, scratch, &batch, &files, error);
        if (code != OK)
            break;
        if (left >= batch->count) {
            left -= batch->count;
            continue;
        }
        if (!has_key(batch, left, search->key))
            return OK;
        struct job_record record = {.batch = batch,
                                    .row = left,
                                    .file = files.names[batch->origins[left].file],
                                    .shard = hit->shard.shard};
        search->found++;
        return search->visitor->record(&record, search->visitor->user, error);
    }
    return code;
}

enum error_code job_find_key(struct job_view *job, const struct phase_record *phase,
                             const char *key, const struct job_visitor *visitor,
                             uint64_t *found, struct error *error)
{
    struct key_search search = {
        .job = job, .phase = phase, .key = key, .visitor = visitor};
    enum error_code code =
        index_each_volume(job->index, job->arena, search_volume, &search, error);
    size_t count = search.places.size / sizeof(struct key_hit);
    struct key_hit *hits = (void *)search.places.data;
    if (code == OK && count > 0)
        qsort(hits, count, sizeof *hits, compare_hits);
    for (size_t i = 0; code == OK && i < count; i++)
        code = visit_hit(&search, &hits[i], error);
    bytes_clear(&search.places);
    *found = search.found;
    return code;
}
