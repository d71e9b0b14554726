/* manifest.c - the input of a phase: its files, and how they are cut into shards */
#include "core/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/arena.h"
#include "core/file_list.h"
#include "core/json.h"

enum { IMAGES_GROUPED = 1024 };

static int compare_paths(const void *left, const void *right)
{
    const struct listed_file *a = left, *b = right;
    int order = strcmp(a->path, b->path);
    if (order != 0)
        return order;
    return (a->number > b->number) - (a->number < b->number);
}

static int compare_names(const void *left, const void *right)
{
    const struct input_file *a = left, *b = right;
    return strcmp(a->name, b->name);
}

/* The same file listed twice counts once; the first pattern gives the name. */
static size_t remove_repeated(struct listed_file *items, size_t count)
{
    size_t kept = 0;
    if (count > 0)
        qsort(items, count, sizeof *items, compare_paths);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || strcmp(items[kept - 1].path, items[i].path) != 0)
            items[kept++] = items[i];
    return kept;
}

static enum compression find_compression(const unsigned char *magic, size_t size)
{
    if (size >= 2 && magic[0] == 0x1f && magic[1] == 0x8b)
        return COMPRESSION_GZIP;
    if (size < 4)
        return COMPRESSION_NONE;
    bool is_frame = memcmp(magic, "\x28\xb5\x2f\xfd", 4) == 0;
    /* A skippable frame: 0x184D2A50 to 0x184D2A5F. */
    bool is_skippable =
        (magic[0] & 0xf0) == 0x50 && memcmp(magic + 1, "\x2a\x4d\x18", 3) == 0;
    return is_frame || is_skippable ? COMPRESSION_ZSTD : COMPRESSION_NONE;
}

/* First bytes of a file. */
static enum error_code look_at(const struct listed_file *item, struct input_file *file,
                               struct error *error)
{
    unsigned char magic[4];
    int descriptor = open(item->path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return error_set_errno(error, ERROR_CONFIG, errno, "cannot open \"%.300s\"",
                               item->path);
    ssize_t got = pread(descriptor, magic, sizeof magic, 0);
    int number = errno;
    (void)close(descriptor);
    if (got < 0)
        return error_set_errno(error, ERROR_CONFIG, number, "cannot read \"%.300s\"",
                               item->path);
    if (!json_is_utf8(item->name, strlen(item->name)))
        return error_set(error, ERROR_CONFIG, "the name of \"%.300s\" is not UTF-8",
                         item->path);
    *file = (struct input_file){.path = item->path,
                                .name = item->name,
                                .size = item->size,
                                .compression = find_compression(magic, (size_t)got)};
    return OK;
}

static enum error_code look_at_all(const struct file_list *list, struct arena *arena,
                                   struct manifest *manifest, struct error *error)
{
    if (list->count >= UINT32_MAX)
        return error_set(error, ERROR_CONFIG, "%zu files are too many", list->count);
    struct input_file *files = ARENA_RAW(arena, struct input_file, list->count);
    if (!files)
        return error_set(error, ERROR_MEMORY, "no memory for %zu files", list->count);
    for (size_t i = 0; i < list->count; i++) {
        enum error_code code = look_at(&list->items[i], &files[i], error);
        if (code != OK)
            return code;
        manifest->bytes += files[i].size;
    }
    qsort(files, list->count, sizeof *files, compare_names);
    for (size_t i = 1; i < list->count; i++)
        if (strcmp(files[i - 1].name, files[i].name) == 0)
            return error_set(error, ERROR_CONFIG,
                             "two files have the name \"%.100s\": \"%.150s\" and "
                             "\"%.150s\"",
                             files[i].name, files[i - 1].path, files[i].path);
    manifest->files = files;
    manifest->file_count = (uint32_t)list->count;
    return OK;
}

/* Is a file one record, whatever its size? */
static bool is_whole(const struct manifest *manifest)
{
    return manifest->format == FORMAT_TEXT || manifest->format == FORMAT_IMAGES;
}

/* An empty file is no record of text, but an image that is lost. */
static bool is_counted(const struct manifest *manifest, const struct input_file *file)
{
    return file->size > 0 || manifest->format == FORMAT_IMAGES;
}

/* Shards of a plain file that is large enough for runs of its own. */
static enum error_code count_shards(const struct manifest *manifest,
                                    const struct input_file *file, uint32_t *count,
                                    struct error *error)
{
    uint64_t shard_bytes = manifest->shard_bytes;
    uint64_t shards = is_whole(manifest) ? 1 : (file->size - 1) / shard_bytes + 1;
    if (shards >= SHARDS_UNKNOWN)
        return error_set(error, ERROR_CONFIG,
                         "\"%.300s\" has too many shards of %llu bytes: make shard.bytes "
                         "larger",
                         file->path, (unsigned long long)shard_bytes);
    *count = (uint32_t)shards;
    return OK;
}

static bool is_small(const struct manifest *manifest, const struct input_file *file)
{
    return file->compression == COMPRESSION_NONE && is_counted(manifest, file) &&
           manifest->format != FORMAT_TAR && file->size < manifest->shard_bytes;
}

/* A run of the small files from `first` on that fit into a shard. */
static struct run group_files(const struct manifest *manifest, uint32_t first)
{
    uint64_t bytes = 0;
    uint32_t next = first;
    /* Images cost more to process than their bytes tell. */
    uint32_t most = manifest->format == FORMAT_IMAGES ? IMAGES_GROUPED : UINT32_MAX;
    while (next < manifest->file_count && next - first < most &&
           is_small(manifest, &manifest->files[next]) &&
           manifest->files[next].size <= manifest->shard_bytes - bytes)
        bytes += manifest->files[next++].size;
    return (struct run){
        .kind = RUN_GROUP, .first_file = first, .file_count = next - first, .count = 1};
}

/* Append runs for the files from `first` on; there is room for one a file. */
static enum error_code cut_files(struct manifest *manifest, uint32_t first,
                                 struct error *error)
{
    for (uint32_t i = first; i < manifest->file_count;) {
        const struct input_file *file = &manifest->files[i];
        struct run run = {.kind = RUN_STREAM,
                          .first_file = i,
                          .file_count = 1,
                          .count = SHARDS_UNKNOWN};
        if (is_small(manifest, file)) {
            run = group_files(manifest, i);
        } else if (file->compression == COMPRESSION_NONE && file->size > 0 &&
                   manifest->format != FORMAT_TAR) {
            run.kind = RUN_PLAIN;
            enum error_code code = count_shards(manifest, file, &run.count, error);
            if (code != OK)
                return code;
        }
        i += run.file_count;
        if (is_counted(manifest, file))
            manifest->runs[manifest->run_count++] = run;
    }
    return OK;
}

static enum error_code build(const struct input_spec *input, const char *folder,
                             struct file_list *list, struct manifest *manifest,
                             struct error *error)
{
    enum error_code code = OK;
    for (size_t i = 0; i < input->paths.count && code == OK; i++)
        code = file_list_expand(list, input->paths.items[i], folder, error);
    if (code != OK)
        return code;
    list->count = remove_repeated(list->items, list->count);
    code = look_at_all(list, list->arena, manifest, error);
    if (code != OK)
        return code;
    manifest->runs = ARENA_RAW(list->arena, struct run, manifest->file_count);
    if (!manifest->runs)
        return error_set(error, ERROR_MEMORY, "no memory for %zu files", list->count);
    return cut_files(manifest, 0, error);
}

enum error_code manifest_build(const struct input_spec *input, uint64_t shard_bytes,
                               const char *folder, struct arena *arena,
                               struct manifest *manifest, struct error *error)
{
    struct file_list list = {.arena = arena};
    struct manifest built = {.shard_bytes = shard_bytes > 0 ? shard_bytes : 1,
                             .format = input->format};
    enum error_code code = build(input, folder, &list, &built, error);
    file_list_clear(&list);
    if (code == OK)
        *manifest = built;
    else if (code == ERROR_CONFIG && error)
        error->where = input->paths_position;
    return code;
}

static int compare_file_pointers(const void *left, const void *right)
{
    const struct input_file *const *a = left, *const *b = right;
    return strcmp((*a)->name, (*b)->name);
}

/* A file of `old` must be in `wanted` as it was. `wanted` is sorted by name, or is after
 * all when sorted here. */
static enum error_code check_kept(const struct input_file *file,
                                  const struct input_file *found, struct error *error)
{
    if (!found)
        return error_set(error, ERROR_CONFIG, "the input file \"%.300s\" is gone",
                         file->name);
    if (found->size != file->size)
        return error_set(
            error, ERROR_CONFIG, "the input file \"%.300s\" has %llu bytes, it had %llu",
            file->name, (unsigned long long)found->size, (unsigned long long)file->size);
    return OK;
}

/* Merge two lists sorted by name: old files are checked, new ones appended. */
static enum error_code merge(const struct manifest *old, const struct manifest *wanted,
                             const struct input_file **sorted, struct input_file *files,
                             uint32_t *count, struct error *error)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < old->file_count; i++)
        sorted[i] = &old->files[i];
    qsort(sorted, old->file_count, sizeof(const struct input_file *),
          compare_file_pointers);
    for (uint32_t i = 0; i < wanted->file_count || at < old->file_count;) {
        const struct input_file *file = i < wanted->file_count ? &wanted->files[i] : NULL;
        int order = !file                   ? -1
                    : at == old->file_count ? 1
                                            : strcmp(sorted[at]->name, file->name);
        if (order > 0) {
            files[(*count)++] = *file;
            i++;
            continue;
        }
        enum error_code code = check_kept(sorted[at], order == 0 ? file : NULL, error);
        if (code != OK)
            return code;
        at++;
        i++;
    }
    return OK;
}

enum error_code manifest_extend(const struct manifest *old, const struct manifest *wanted,
                                struct arena *arena, struct manifest *manifest,
                                struct error *error)
{
    size_t most = (size_t)old->file_count + wanted->file_count;
    struct input_file *files = ARENA_RAW(arena, struct input_file, most);
    const struct input_file **sorted =
        ARENA_RAW(arena, const struct input_file *, old->file_count);
    struct run *runs = ARENA_RAW(arena, struct run, old->run_count + (size_t)most);
    if (!files || !sorted || !runs || most >= UINT32_MAX)
        return error_set(error, ERROR_MEMORY, "no memory for %zu files", most);
    struct manifest extended = {.files = files,
                                .file_count = old->file_count,
                                .runs = runs,
                                .run_count = old->run_count,
                                .shard_bytes = old->shard_bytes,
                                .format = wanted->format};
    if (old->file_count > 0)
        memcpy(files, old->files, old->file_count * sizeof *files);
    if (old->run_count > 0)
        memcpy(runs, old->runs, old->run_count * sizeof *runs);
    enum error_code code = merge(old, wanted, sorted, files, &extended.file_count, error);
    if (code == OK)
        code = cut_files(&extended, old->file_count, error);
    if (code != OK)
        return code;
    for (uint32_t i = 0; i < extended.file_count; i++)
        extended.bytes += files[i].size;
    *manifest = extended;
    return OK;
}

struct hash128 manifest_fingerprint(const struct manifest *manifest)
{
    /* A sum: an extended manifest has its files in another order. */
    struct hash128 sum = {0};
    for (uint32_t i = 0; i < manifest->file_count; i++) {
        const struct input_file *file = &manifest->files[i];
        struct hash128 name = hash128(file->name, strlen(file->name));
        uint64_t parts[3] = {name.low, name.high, file->size};
        sum = hash128_add(sum, hash128(parts, sizeof parts));
    }
    return sum;
}

void manifest_plain_range(const struct manifest *manifest, shard_id shard,
                          uint64_t *begin, uint64_t *end)
{
    const struct run *run = &manifest->runs[SHARD_RUN(shard)];
    uint32_t index = SHARD_INDEX(shard);
    *begin = index * manifest->shard_bytes;
    /* Format text: the one shard is the file, whatever its size. */
    *end = index + 1 >= run->count ? manifest->files[run->first_file].size
                                   : *begin + manifest->shard_bytes;
}
