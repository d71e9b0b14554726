/* executor_phase.c - an executor opens and closes phases and publishes volumes */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/platform.h"
#include "stages/registry.h"
#include "worker/executor_state.h"
#include "worker/fold.h"

enum { PATH_SIZE = 4096, RUN_BLOCK = 64 << 10, BATCH_BLOCK = 1 << 20 };

static void prepared_path(const struct executor *executor, uint32_t phase, size_t stage,
                          char *path)
{
    (void)snprintf(path, PATH_SIZE, "%s/phase-%u-stage-%zu.prepared",
                   executor->setup.scratch, phase, stage);
}

static void volume_path(const struct executor *executor, char *path)
{
    (void)snprintf(path, PATH_SIZE, "%s/executor-%u.lmdb", executor->setup.scratch,
                   executor->setup.executor);
}

enum error_code executor_setup(struct executor *executor, struct cursor message,
                               struct error *error)
{
    executor->run = arena_create(RUN_BLOCK, 0);
    executor->batch_arena = arena_create(BATCH_BLOCK, 0);
    executor->task_arena = arena_create(RUN_BLOCK, 0);
    executor->phase_arena = arena_create(RUN_BLOCK, 0);
    executor->stream.arena = arena_create(RUN_BLOCK, 0);
    if (!executor->run || !executor->batch_arena || !executor->task_arena ||
        !executor->phase_arena || !executor->stream.arena)
        return error_set(error, ERROR_MEMORY, "no memory for an executor");
    struct control_setup *setup = &executor->setup;
    if (!control_read_setup(message, executor->run, setup))
        return error_set(error, ERROR_FATAL, "a set-up message is cut short");
    struct diagnostics diagnostics = {.arena = executor->run};
    executor->pipeline =
        pipeline_parse_checked(setup->yaml, setup->yaml_size, "pipeline.yaml",
                               setup->folder, stage_types, executor->run, &diagnostics);
    if (!executor->pipeline) {
        const struct diagnostic *first = diagnostics.count ? &diagnostics.items[0] : NULL;
        return error_set(error, ERROR_CONFIG, "this machine cannot read the pipeline: %s",
                         first ? first->text : "no reason given");
    }
    executor->pipeline =
        pipeline_resolve_artefacts(executor->pipeline, setup->job_folder, executor->run);
    if (!executor->pipeline)
        return error_set(error, ERROR_MEMORY, "no memory for a pipeline");
    enum error_code code =
        slots_create(setup->slots, setup->slot_count, &executor->slots, error);
    if (setup->memory)
        platform_limit_memory(setup->memory);
    return code;
}

/* Append the name unless it is there. */
static enum error_code add_library(char names[LIBRARIES_SIZE], const char *name,
                                   struct error *error)
{
    size_t used = strlen(names), size = strlen(name);
    const char *separator = used ? ", " : "";
    if (strstr(names, name))
        return OK;
    if (size == 0 || used + strlen(separator) + size >= LIBRARIES_SIZE)
        return error_set(error, ERROR_FATAL, "stages use too many libraries");
    (void)snprintf(names + used, LIBRARIES_SIZE - used, "%s%s", separator, name);
    return OK;
}

enum error_code executor_libraries(const struct executor *executor,
                                   char names[LIBRARIES_SIZE], struct error *error)
{
    const struct pipeline *pipeline = executor->pipeline;
    names[0] = 0;
    for (size_t p = 0; p < pipeline->phase_count; p++)
        for (size_t i = 0; i < pipeline->phases[p].stage_count; i++) {
            const struct stage_type *type = pipeline->phases[p].stages[i].type;
            char name[STAGE_LIBRARY_SIZE] = "";
            if (!type->library)
                continue;
            enum error_code code = type->library(name, error);
            if (code != OK)
                return error_wrap(error, "stage %s cannot run here", type->name);
            code = add_library(names, name, error);
            if (code != OK)
                return code;
        }
    return OK;
}

enum error_code executor_prepare(struct executor *executor, uint32_t phase,
                                 struct error *error)
{
    const struct phase_spec *spec = &executor->pipeline->phases[phase];
    for (size_t i = 0; i < spec->stage_count; i++) {
        const struct stage_spec *stage = &spec->stages[i];
        if (!stage->type->prepare)
            continue;
        char path[PATH_SIZE];
        prepared_path(executor, phase, i, path);
        enum error_code code = stage->type->prepare(stage->options, path, error);
        if (code != OK) {
            (void)error_wrap(error, "stage %s cannot be prepared", stage->type->name);
            return code;
        }
    }
    return OK;
}

/* Map what prepare() wrote; {NULL, 0} where the stage prepares nothing. */
static enum error_code map_prepared(struct executor *executor, uint32_t phase,
                                    size_t stage, struct chain_prepared *prepared,
                                    struct error *error)
{
    *prepared = (struct chain_prepared){0};
    if (!executor->pipeline->phases[phase].stages[stage].type->prepare)
        return OK;
    char path[PATH_SIZE];
    prepared_path(executor, phase, stage, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0) {
        enum error_code code =
            error_set_errno(error, ERROR_IO, errno, "cannot open \"%s\"", path);
        if (fd >= 0)
            (void)close(fd);
        return code;
    }
    void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_SHARED, fd, 0);
    int number = errno;
    (void)close(fd);
    if (data == MAP_FAILED)
        return error_set_errno(error, ERROR_IO, number, "cannot map \"%s\"", path);
    *prepared = (struct chain_prepared){.data = data, .size = (size_t)info.st_size};
    return OK;
}

static void before_process(void *user, uint32_t stage, uint32_t first, uint32_t last)
{
    struct flight *flight = user;
    atomic_store_explicit(&flight->stage, stage, memory_order_relaxed);
    atomic_store_explicit(&flight->first, first, memory_order_relaxed);
    atomic_store_explicit(&flight->count, last - first + 1, memory_order_relaxed);
    atomic_store_explicit(&flight->is_active, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&flight->sequence, 1, memory_order_release);
}

static void after_process(void *user, uint32_t stage)
{
    (void)stage;
    struct flight *flight = user;
    atomic_store_explicit(&flight->is_active, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&flight->sequence, 1, memory_order_release);
}

static enum error_code open_chain(struct executor *executor, uint32_t phase,
                                  struct error *error)
{
    const struct phase_spec *spec = &executor->pipeline->phases[phase];
    struct chain_prepared *prepared =
        ARENA_NEW(executor->phase_arena, struct chain_prepared, spec->stage_count);
    if (!prepared)
        return error_set(error, ERROR_MEMORY, "no memory for a phase");
    for (size_t i = 0; i < spec->stage_count; i++) {
        enum error_code code = map_prepared(executor, phase, i, &prepared[i], error);
        if (code != OK)
            return code;
    }
    struct chain_hooks hooks = {
        .user = executor->flight, .before = before_process, .after = after_process};
    return chain_open(spec, prepared, &hooks, &executor->chain, error);
}

/* visit of volume_each_shard(): tell what a volume left by our predecessor holds. */
static enum error_code note_entry(const struct shard_entry *entry, void *user,
                                  struct error *error)
{
    struct executor *executor = user;
    struct bytes one = {0};
    shard_entry_write(entry, &one);
    bytes_put_text(&executor->finished, one.data, one.size);
    bool is_bad = one.is_bad || executor->finished.is_bad;
    bytes_clear(&one);
    executor->finished_count++;
    return is_bad ? error_set(error, ERROR_MEMORY, "no memory for an entry") : OK;
}

static enum error_code read_left_volume(struct executor *executor, const char *path,
                                        uint32_t phase, struct error *error)
{
    struct volume *volume;
    struct volume_meta meta;
    enum error_code code = volume_open(path, &volume, error);
    if (code != OK)
        return code;
    code = volume_read_meta(volume, executor->task_arena, &meta, error);
    if (code == OK && meta.phase != phase)
        code = error_set(error, ERROR_DAMAGED, "\"%s\" is of another phase", path);
    if (code == OK)
        code =
            volume_each_shard(volume, executor->task_arena, note_entry, executor, error);
    volume_close(volume);
    return code;
}

static enum error_code open_volume(struct executor *executor, uint32_t phase,
                                   struct error *error)
{
    char path[PATH_SIZE], host[256];
    volume_path(executor, path);
    platform_host_name(host, sizeof host);
    struct volume_meta meta = {.fingerprint = executor->setup.fingerprint,
                               .phase = phase,
                               .phase_name = executor->pipeline->phases[phase].name,
                               .host = host};
    uint64_t count = 0;
    executor->finished_count = 0;
    bytes_reset(&executor->finished);
    if (access(path, F_OK) == 0 && read_left_volume(executor, path, phase, error) != OK) {
        /* Killed before its first commit, so that nothing in it was ever told; or what a
         * finished phase had run twice. */
        executor->finished_count = 0;
        bytes_reset(&executor->finished);
        (void)unlink(path);
    }
    enum error_code code = output_open(&executor->pipeline->phases[phase], &meta, path,
                                       &executor->output, &count, error);
    if (code == OK)
        output_write_early(executor->output, executor->setup.job_folder);
    executor->volume_shards = (uint32_t)count;
    executor->volume_since_ms = count ? clock_now_ms() : 0;
    return code;
}

void executor_close_phase(struct executor *executor)
{
    executor_drop_stream(executor);
    output_close(executor->output);
    source_destroy(executor->source);
    fold_destroy(executor->fold);
    chain_close(executor->chain);
    executor->fold = NULL;
    executor->output = NULL;
    executor->source = NULL;
    executor->chain = NULL;
    executor->phase = UINT32_MAX;
    if (executor->phase_arena)
        arena_reset(executor->phase_arena);
}

static void report_entries(struct executor *executor)
{
    bytes_put_u32(&executor->message, executor->finished_count);
    bytes_put(&executor->message, executor->finished.data, executor->finished.size);
    executor->finished_count = 0;
    bytes_reset(&executor->finished);
}

static enum error_code open_fold(struct executor *executor, uint32_t phase,
                                 struct error *error)
{
    const struct phase_spec *spec = &executor->pipeline->phases[phase];
    if (spec->fit == FIT_NONE)
        return OK;
    return fold_create(spec, chain_stage(executor->chain, spec->stage_count - 1),
                       executor->setup.job_folder, executor->setup.volume_prefix,
                       &executor->fold, error);
}

enum error_code executor_open_phase(struct executor *executor, uint32_t phase,
                                    struct error *error)
{
    executor_close_phase(executor);
    enum error_code code = open_chain(executor, phase, error);
    if (code == OK)
        code = source_create(executor->pipeline, phase, executor->setup.job_folder,
                             &executor->source, error);
    if (code == OK)
        code = open_fold(executor, phase, error);
    if (code == OK)
        code = open_volume(executor, phase, error);
    if (code != OK)
        return code;
    executor->phase = phase;
    bytes_reset(&executor->message);
    bytes_put_u32(&executor->message, phase);
    report_entries(executor);
    return executor_send(executor, CONTROL_OPENED, error);
}

enum error_code executor_commit(struct executor *executor, struct error *error)
{
    executor->commit_ms = clock_now_ms();
    if (executor->finished_count == 0)
        return OK;
    enum error_code code = output_commit(executor->output, error);
    if (code != OK)
        return code;
    bytes_reset(&executor->message);
    bytes_put_u64(&executor->message, (uint64_t)executor->finished_us);
    executor->finished_us = 0;
    report_entries(executor);
    return executor_send(executor, CONTROL_FINISHED, error);
}

enum error_code executor_seal(struct executor *executor, struct error *error)
{
    enum error_code code = executor_commit(executor, error);
    if (code != OK)
        return code;
    struct control_sealed sealed = {.name = "", .shard_count = executor->volume_shards};
    char folder[PATH_SIZE], name[128];
    if (executor->volume_shards) {
        struct volume_info info = {0};
        (void)snprintf(folder, sizeof folder, "%s/volumes/%s", executor->setup.job_folder,
                       executor->pipeline->phases[executor->phase].name);
        (void)snprintf(name, sizeof name, "%s-%04u.lmdb", executor->setup.volume_prefix,
                       ++executor->volume_number);
        code = output_seal(executor->output, folder, name, &info, error);
        if (code != OK)
            return code;
        sealed.name = name;
        sealed.size = info.size;
        sealed.checksum = info.checksum;
        sealed.fsync_count = info.fsync_count;
        sealed.fsync_us = info.fsync_us;
        output_close(executor->output);
        executor->output = NULL;
        code = open_volume(executor, executor->phase, error);
        if (code != OK)
            return code;
    }
    control_write_sealed(&sealed, &executor->message);
    return executor_send(executor, CONTROL_SEALED, error);
}
