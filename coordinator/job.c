/* job.c - a job directory: made, recognised, compared */
#include "coordinator/job.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/ledger.h"

enum { PATH_SIZE = 4096, NONCE_SIZE = 33 };

enum error_code job_plan_make(const struct pipeline *pipeline, struct arena *arena,
                              struct job_plan *plan, struct error *error)
{
    plan->pipeline = pipeline;
    plan->manifests = ARENA_NEW(arena, struct manifest, pipeline->phase_count);
    if (!plan->manifests)
        return error_set(error, ERROR_MEMORY, "no memory for the input");
    for (size_t i = 0; i < pipeline->phase_count; i++) {
        const struct phase_spec *phase = &pipeline->phases[i];
        if (phase->input.format == FORMAT_PHASE)
            continue;
        enum error_code code =
            manifest_build(&phase->input, phase->shard_bytes, pipeline->folder, arena,
                           &plan->manifests[i], error);
        if (code != OK)
            return code;
    }
    struct bytes lines = {0};
    enum error_code code = pipeline_describe(pipeline, &lines, error);
    if (code == OK)
        code = pipeline_fingerprint(pipeline, &plan->fingerprint, error);
    plan->description = code == OK && !lines.is_bad
                            ? arena_copy_text(arena, (const char *)lines.data, lines.size)
                            : NULL;
    if (code == OK && !plan->description)
        code = error_set(error, ERROR_MEMORY, "no memory for the pipeline's description");
    bytes_clear(&lines);
    return code;
}

/* The first line of `a` that is not a line of `b`, as (start, length); length 0: none. */
static size_t first_difference(const char *a, const char *b, const char **line)
{
    for (const char *at = a; *at;) {
        size_t length = strcspn(at, "\n");
        bool is_found = false;
        for (const char *other = b; *other && !is_found;) {
            size_t n = strcspn(other, "\n");
            is_found = n == length && memcmp(other, at, n) == 0;
            other += n + (other[n] == '\n');
        }
        if (!is_found && length) {
            *line = at;
            return length;
        }
        at += length + (at[length] == '\n');
    }
    return 0;
}

static enum error_code refuse_description(const char *folder, const char *was,
                                          const char *is, struct error *error)
{
    const char *before = "nothing", *now = "nothing";
    size_t before_size = first_difference(was, is, &before);
    size_t now_size = first_difference(is, was, &now);
    if (!before_size)
        before_size = strlen(before);
    if (!now_size)
        now_size = strlen(now);
    return error_set(error, ERROR_CONFIG,
                     "the job \"%s\" was started from another pipeline: there \"%.*s\", "
                     "here \"%.*s\"; give another --job, or remove the old one",
                     folder, (int)before_size, before, (int)now_size, now);
}

/* Compare the inputs of one phase with how the job knew them. */
static enum error_code compare_input(const char *folder, const struct manifest *known,
                                     struct manifest *wanted, bool is_extended,
                                     bool has_fit, struct arena *arena,
                                     struct error *error)
{
    struct manifest merged;
    enum error_code code = manifest_extend(known, wanted, arena, &merged, error);
    if (code != OK)
        return error_wrap(error, "the input of job \"%s\" has changed", folder);
    if (merged.file_count > known->file_count && !is_extended) {
        const char *name = "";
        for (uint32_t i = 0; i < wanted->file_count; i++) {
            bool is_known = false;
            for (uint32_t k = 0; k < known->file_count && !is_known; k++)
                is_known = strcmp(known->files[k].name, wanted->files[i].name) == 0;
            if (!is_known) {
                name = wanted->files[i].name;
                break;
            }
        }
        return error_set(error, ERROR_CONFIG,
                         "the input of job \"%s\" has %u more files than when it was "
                         "started (first \"%s\"); take them in with --extend",
                         folder, merged.file_count - known->file_count, name);
    }
    if (merged.file_count > known->file_count && has_fit)
        return error_set(error, ERROR_CONFIG,
                         "the job \"%s\" cannot be extended: more input would change the "
                         "artefacts that it has made; give another --job",
                         folder);
    *wanted = merged;
    return OK;
}

static enum error_code compare_with_index(const char *folder, struct job_plan *plan,
                                          bool is_extended, struct index *index,
                                          struct arena *arena, enum job_state *state,
                                          struct error *error)
{
    const void *data;
    size_t size;
    enum error_code code = index_get_meta(index, "description", &data, &size, error);
    if (code != OK)
        return code == ERROR_CLOSED ? OK : code;
    if (size != strlen(plan->description) || memcmp(data, plan->description, size) != 0) {
        const char *was = arena_copy_text(arena, data, size);
        return was ? refuse_description(folder, was, plan->description, error)
                   : error_set(error, ERROR_MEMORY, "no memory to compare jobs");
    }
    bool is_complete = index_phase_count(index) == plan->pipeline->phase_count;
    for (uint32_t i = 0; i < index_phase_count(index); i++) {
        struct phase_record record;
        code = index_get_phase(index, i, arena, &record, error);
        if (code != OK)
            return code;
        uint32_t known = record.manifest.file_count;
        if (plan->pipeline->phases[i].input.format != FORMAT_PHASE)
            code =
                compare_input(folder, &record.manifest, &plan->manifests[i], is_extended,
                              plan->pipeline->phases[i].fit != FIT_NONE, arena, error);
        if (code != OK)
            return code;
        is_complete = is_complete && record.is_complete &&
                      (plan->pipeline->phases[i].input.format == FORMAT_PHASE ||
                       known == plan->manifests[i].file_count);
    }
    if (is_complete)
        *state = JOB_FINISHED;
    return OK;
}

/* Did somebody stop in the middle of job_make()? */
static bool is_hardly_begun(const char *folder)
{
    static const char *const made[] = {
        ".",   "..",    "volumes",    "artefacts",
        "log", "nonce", ".nonce.tmp", ".pipeline.yaml.tmp"};
    DIR *directory = opendir(folder);
    if (!directory)
        return false;
    bool is_ours = true;
    struct dirent *entry;
    while (is_ours && (entry = readdir(directory)) != NULL) {
        is_ours = false;
        for (size_t i = 0; !is_ours && i < sizeof made / sizeof *made; i++)
            is_ours = strcmp(entry->d_name, made[i]) == 0;
    }
    (void)closedir(directory);
    return is_ours;
}

/* Without an index only the fingerprint in pipeline.yaml can be compared. */
static enum error_code compare_with_yaml(const char *folder, const struct job_plan *plan,
                                         struct error *error)
{
    char path[PATH_SIZE], line[128] = "", hex[33];
    (void)snprintf(path, sizeof path, "%s/pipeline.yaml", folder);
    FILE *file = fopen(path, "re");
    if (!file && is_hardly_begun(folder))
        return OK;
    if (!file)
        return error_set(error, ERROR_CONFIG,
                         "\"%s\" is there and is no job directory; give another --job",
                         folder);
    (void)fgets(line, sizeof line, file);
    (void)fclose(file);
    hash128_format(plan->fingerprint, hex);
    if (!strstr(line, hex))
        return error_set(error, ERROR_CONFIG,
                         "the job \"%s\" was started from another pipeline; give another "
                         "--job, or remove the old one",
                         folder);
    return OK;
}

static bool is_empty_folder(const char *folder, bool *is_there)
{
    DIR *directory = opendir(folder);
    *is_there = directory != NULL;
    if (!directory)
        return true;
    bool is_empty = true;
    struct dirent *entry;
    while (is_empty && (entry = readdir(directory)) != NULL)
        is_empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    (void)closedir(directory);
    return is_empty;
}

enum error_code job_examine(const char *folder, struct job_plan *plan, bool is_extended,
                            struct arena *arena, enum job_state *state,
                            struct error *error)
{
    bool is_there;
    *state = JOB_ABSENT;
    if (access(folder, F_OK) == 0) {
        struct stat info;
        if (stat(folder, &info) == 0 && !S_ISDIR(info.st_mode))
            return error_set(error, ERROR_CONFIG,
                             "\"%s\" is no folder; give another --job", folder);
    }
    if (is_empty_folder(folder, &is_there))
        return OK;
    *state = JOB_STARTED;
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s/index.lmdb", folder);
    struct index *index;
    struct error damage = {0};
    if (access(path, F_OK) != 0 || index_open(path, &index, &damage) != OK)
        return compare_with_yaml(folder, plan, error);
    enum error_code code =
        compare_with_index(folder, plan, is_extended, index, arena, state, error);
    index_close(index);
    return code;
}

static enum error_code sync_folder(const char *folder, struct error *error)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(error, ERROR_IO, errno, "cannot open \"%s\"", folder);
    int failed = fsync(fd);
    int number = errno;
    (void)close(fd);
    return failed ? error_set_errno(error, ERROR_IO, number, "cannot sync \"%s\"", folder)
                  : OK;
}

enum error_code job_write_file(const char *folder, const char *name, const void *data,
                               size_t size, struct error *error)
{
    char path[PATH_SIZE], temporary[PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    (void)snprintf(temporary, sizeof temporary, "%s/.%s.tmp", folder, name);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return error_set_errno(error, ERROR_IO, errno, "cannot write \"%s\"", path);
    const unsigned char *at = data;
    enum error_code code = OK;
    while (size > 0 && code == OK) {
        ssize_t n = write(fd, at, size);
        if (n < 0 && errno != EINTR)
            code = error_set_errno(error, ERROR_IO, errno, "cannot write \"%s\"", path);
        if (n > 0) {
            at += n;
            size -= (size_t)n;
        }
    }
    if (code == OK && fsync(fd) != 0)
        code = error_set_errno(error, ERROR_IO, errno, "cannot write \"%s\"", path);
    (void)close(fd);
    if (code == OK && rename(temporary, path) != 0)
        code = error_set_errno(error, ERROR_IO, errno, "cannot write \"%s\"", path);
    if (code != OK)
        (void)unlink(temporary);
    return code == OK ? sync_folder(folder, error) : code;
}

static enum error_code make_folder(const char *path, struct error *error)
{
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        return error_set_errno(error, ERROR_IO, errno, "cannot make the folder \"%s\"",
                               path);
    return OK;
}

/* The job's nonce: read, or made once. */
static enum error_code make_nonce(const char *folder, struct arena *arena,
                                  const char **nonce, struct error *error)
{
    char path[PATH_SIZE], text[NONCE_SIZE + 1] = "";
    (void)snprintf(path, sizeof path, "%s/nonce", folder);
    FILE *file = fopen(path, "re");
    if (file) {
        (void)fgets(text, sizeof text, file);
        (void)fclose(file);
        text[strcspn(text, "\n")] = 0;
    }
    enum error_code code = OK;
    if (!text[0]) {
        int64_t seed[3] = {clock_wall_ms(), clock_now_us(), (int64_t)getpid()};
        hash128_format(hash128(seed, sizeof seed), text);
        code = job_write_file(folder, "nonce", text, strlen(text), error);
    }
    *nonce = arena_copy_text(arena, text, strlen(text));
    if (code == OK && !*nonce)
        code = error_set(error, ERROR_MEMORY, "no memory for a nonce");
    return code;
}

enum error_code job_make(const char *folder, const struct job_plan *plan,
                         struct arena *arena, const char **nonce, struct error *error)
{
    char path[PATH_SIZE], hex[33], head[64];
    enum error_code code = make_folder(folder, error);
    static const char *const parts[] = {"volumes", "artefacts", "log"};
    for (size_t i = 0; code == OK && i < sizeof parts / sizeof *parts; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, parts[i]);
        code = make_folder(path, error);
    }
    if (code == OK)
        code = make_nonce(folder, arena, nonce, error);
    struct bytes yaml = {0};
    hash128_format(plan->fingerprint, hex);
    (void)snprintf(head, sizeof head, "# fingerprint %s\n", hex);
    bytes_put(&yaml, head, strlen(head));
    pipeline_write(plan->pipeline, &yaml);
    if (code == OK && yaml.is_bad)
        code = error_set(error, ERROR_MEMORY, "no memory for the pipeline");
    if (code == OK)
        code = job_write_file(folder, "pipeline.yaml", yaml.data, yaml.size, error);
    bytes_clear(&yaml);
    return code;
}
