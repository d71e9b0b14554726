/* status_file.c - JOB/status.json: the verdict and the totals of a job */
#include "coordinator/status_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "coordinator/status_json.h"
#include "core/arena.h"
#include "core/bytes.h"
#include "core/clock.h"

enum { PATH_SIZE = 4096, SIZE_MAX_READ = 16 << 20 };

/* ---- the shape ---- */

static const char *const state_names[] = {[STATUS_RUNNING] = "running",
                                          [STATUS_FINISHED] = "finished",
                                          [STATUS_FAILED] = "failed",
                                          [STATUS_STOPPED] = "stopped",
                                          [STATUS_STOPPED + 1] = NULL};
static const char *const kind_names[] = {"dropped", "quarantined", NULL};

#define PART(group_name, field_name, type_name, member)                        \
    {                                                                          \
        .group = (group_name), .name = (field_name), .type = JSON_##type_name, \
        .offset = offsetof(struct status_part, member)                         \
    }
static const struct json_field part_fields[] = {
    {.name = "state",
     .type = JSON_NAME,
     .offset = offsetof(struct status_part, state),
     .names = state_names},
    PART(NULL, "seconds", F64, seconds),
    PART("shards", "total", U64, shards_total),
    PART("shards", "done", U64, shards_done),
    PART("shards", "exact", BOOL, is_total_exact),
    PART("records", "read", U64, account.read.records),
    PART("records", "emitted", U64, account.emitted.records),
    PART("records", "dropped", U64, account.dropped.records),
    PART("records", "quarantined", U64, account.quarantined.records),
    PART("bytes", "read", U64, account.read.bytes),
    PART("bytes", "emitted", U64, account.emitted.bytes),
    PART("bytes", "dropped", U64, account.dropped.bytes),
    PART("bytes", "quarantined", U64, account.quarantined.bytes),
    PART("bytes", "separators", U64, account.separator_bytes),
    PART("made", "used", U64, account.used.records),
    PART("made", "made", U64, account.made.made.records),
    PART("made", "merged", U64, account.made.merged.records),
    PART("made", "emitted", U64, account.made.emitted.records),
    PART("made", "dropped", U64, account.made.dropped.records),
    PART("made", "quarantined", U64, account.made.quarantined.records),
    PART(NULL, "stored_bytes", U64, stored_bytes),
    {.name = NULL}};

#define STATUS(group_name, field_name, type_name, member)                      \
    {                                                                          \
        .group = (group_name), .name = (field_name), .type = JSON_##type_name, \
        .offset = offsetof(struct status, member)                              \
    }
static const struct json_field status_fields[] = {
    STATUS(NULL, "name", TEXT, name),
    STATUS(NULL, "session", U64, session),
    STATUS(NULL, "pid", U32, pid),
    STATUS(NULL, "host", TEXT, host),
    STATUS(NULL, "boot", TEXT, boot),
    STATUS(NULL, "process_start", U64, process_start),
    STATUS(NULL, "started_ms", I64, started_ms),
    STATUS(NULL, "updated_ms", I64, updated_ms),
    STATUS(NULL, "started", TIME, started_ms), /* for people; not read */
    STATUS(NULL, "updated", TIME, updated_ms),
    STATUS(NULL, "workers", U32, workers),
    STATUS(NULL, "executors", U32, executors),
    STATUS(NULL, "retried", U64, retried),
    STATUS(NULL, "speculated", U64, speculated),
    STATUS(NULL, "changed_worker", U64, changed_worker),
    STATUS("fsyncs", "count", U64, fsync_count),
    STATUS("fsyncs", "us", U64, fsync_us),
    STATUS("fsyncs", "mean_us", F64, fsync_mean_us),
    STATUS(NULL, "message", TEXT, message),
    {.name = NULL}};

static const struct json_field phase_fields[] = {
    {.name = "name", .type = JSON_TEXT, .offset = offsetof(struct status_phase, name)},
    {.name = NULL}};

static const struct json_field reason_fields[] = {
    {.name = "stage", .type = JSON_TEXT, .offset = offsetof(struct reason, stage)},
    {.name = "reason", .type = JSON_TEXT, .offset = offsetof(struct reason, reason)},
    {.name = "kind",
     .type = JSON_FLAG_NAME,
     .offset = offsetof(struct reason, is_quarantine),
     .names = kind_names},
    {.name = "records",
     .type = JSON_U64,
     .offset = offsetof(struct reason, tally.records)},
    {.name = "bytes", .type = JSON_U64, .offset = offsetof(struct reason, tally.bytes)},
    {.name = NULL}};

const char *status_state_name(enum status_state state)
{
    return state_names[state];
}

/* ---- to and from text ---- */

static void put(struct bytes *out, const char *text)
{
    bytes_put(out, text, strlen(text));
}

void status_write(const struct status *status, struct bytes *out)
{
    struct status full = *status;
    full.fsync_mean_us =
        full.fsync_count ? (double)full.fsync_us / (double)full.fsync_count : 0;
    put(out, "{");
    json_write_fields(part_fields, &full.part, out);
    put(out, ",");
    json_write_fields(status_fields, &full, out);
    put(out, ",\"phases\":[");
    for (size_t i = 0; i < status->phase_count; i++) {
        put(out, i ? ",{" : "{");
        json_write_fields(phase_fields, &status->phases[i], out);
        put(out, ",");
        json_write_fields(part_fields, &status->phases[i].part, out);
        put(out, "}");
    }
    put(out, "],\"reasons\":[");
    for (size_t i = 0; i < status->reason_count; i++) {
        put(out, i ? ",{" : "{");
        json_write_fields(reason_fields, &status->reasons[i], out);
        put(out, "}");
    }
    put(out, "]}");
}

static bool read_phase(struct json_reader *reader, void *item)
{
    struct status_phase *phase = item;
    const struct json_target targets[] = {
        {phase_fields, phase}, {part_fields, &phase->part}, {NULL, NULL}};
    return json_read_object(reader, targets, NULL) && phase->name;
}

static bool read_reason(struct json_reader *reader, void *item)
{
    const struct reason *reason = item;
    const struct json_target targets[] = {{reason_fields, item}, {NULL, NULL}};
    return json_read_object(reader, targets, NULL) && reason->stage && reason->reason;
}

enum error_code status_read(const char *text, size_t size, struct arena *arena,
                            struct status *status, struct error *error)
{
    struct status read = {0};
    void *phases = NULL, *reasons = NULL;
    const struct json_target targets[] = {
        {status_fields, &read}, {part_fields, &read.part}, {NULL, NULL}};
    const struct json_list lists[] = {
        {"phases", sizeof(struct status_phase), _Alignof(struct status_phase), read_phase,
         &phases, &read.phase_count},
        {"reasons", sizeof(struct reason), _Alignof(struct reason), read_reason, &reasons,
         &read.reason_count},
        {.name = NULL}};
    struct json_reader reader = {.at = text, .end = text + size, .arena = arena};
    if (!json_read_object(&reader, targets, lists) || !json_is_at_end(&reader) ||
        !read.name || !read.host)
        return error_set(error, ERROR_DAMAGED, "status.json is damaged");
    read.phases = phases;
    read.reasons = reasons;
    *status = read;
    return OK;
}

/* ---- to and from the file ---- */

static enum error_code write_temporary(const char *path, const struct bytes *text,
                                       bool is_durable, struct error *error)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file < 0)
        return error_set_errno(error, ERROR_IO, errno, "cannot make %s", path);
    enum error_code code = OK;
    size_t at = 0;
    while (at < text->size) {
        ssize_t count = write(file, text->data + at, text->size - at);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            break;
        at += (size_t)count;
    }
    if (at < text->size || (is_durable && fsync(file) != 0))
        code = error_set_errno(error, ERROR_IO, errno, "cannot write %s", path);
    if (close(file) != 0 && code == OK)
        code = error_set_errno(error, ERROR_IO, errno, "cannot write %s", path);
    return code;
}

enum error_code status_save(const char *job, const struct status *status,
                            struct error *error)
{
    char path[PATH_SIZE], temporary[PATH_SIZE];
    int length = snprintf(path, sizeof path, "%s/status.json", job);
    int more = snprintf(temporary, sizeof temporary, "%s/.status.json", job);
    if (length < 0 || more < 0 || more >= PATH_SIZE)
        return error_set(error, ERROR_IO, "path of job \"%.100s...\" is too long", job);
    struct bytes text = {0};
    /* How far a run is will be told anew in a moment; a verdict has to last. */
    bool is_durable = status->part.state != STATUS_RUNNING;
    status_write(status, &text);
    put(&text, "\n");
    enum error_code code =
        text.is_bad ? error_set(error, ERROR_MEMORY, "status.json: out of memory")
                    : write_temporary(temporary, &text, is_durable, error);
    if (code == OK && rename(temporary, path) != 0)
        code = error_set_errno(error, ERROR_IO, errno, "cannot replace %s", path);
    if (code != OK)
        (void)unlink(temporary);
    bytes_clear(&text);
    return code;
}

static enum error_code read_whole(int file, const char *path, struct bytes *text,
                                  struct error *error)
{
    for (;;) {
        unsigned char *room = bytes_reserve(text, 1 << 16);
        if (!room || text->size > SIZE_MAX_READ)
            return error_set(error, ERROR_MEMORY, "%s is too long", path);
        ssize_t count = read(file, room, 1 << 16);
        if (count < 0)
            return error_set_errno(error, ERROR_IO, errno, "cannot read %s", path);
        if (count == 0)
            return OK;
        text->size += (size_t)count;
    }
}

enum error_code status_load(const char *job, struct arena *arena, struct status *status,
                            struct error *error)
{
    char path[PATH_SIZE];
    int length = snprintf(path, sizeof path, "%s/status.json", job);
    if (length < 0 || length >= PATH_SIZE)
        return error_set(error, ERROR_CLOSED, "there is no job \"%.100s...\"", job);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 && (errno == ENOENT || errno == ENOTDIR))
        return error_set(error, ERROR_CLOSED, "there is no %s: is \"%s\" a job?", path,
                         job);
    if (file < 0)
        return error_set_errno(error, ERROR_IO, errno, "cannot open %s", path);
    struct bytes text = {0};
    enum error_code code = read_whole(file, path, &text, error);
    if (code == OK)
        code = status_read((const char *)text.data, text.size, arena, status, error);
    bytes_clear(&text);
    (void)close(file);
    return code;
}
