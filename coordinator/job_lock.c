/* job_lock.c - one coordinator a job: the file JOB/lock */
#include "coordinator/job_lock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/hash.h"
#include "core/platform.h"

enum { PATH_SIZE = 4096, TEXT_SIZE = 1024, ATTEMPTS = 100, LOOKS = 12 };
#define SESSION_MAX UINT64_C(999999999999999) /* more is a damaged file */

struct job_lock {
    char *job; /* owned */
    struct lock_record record;
};

/* ---- paths and text ---- */

static enum error_code make_path(char path[PATH_SIZE], const char *job, const char *name,
                                 uint64_t number, struct error *error)
{
    int length = number ? snprintf(path, PATH_SIZE, "%s/%s%" PRIu64, job, name, number)
                        : snprintf(path, PATH_SIZE, "%s/%s", job, name);
    if (length < 0 || length >= PATH_SIZE)
        return error_set(error, ERROR_CONFIG, "path of job \"%.100s...\" is too long",
                         job);
    return OK;
}

static int write_record(char text[TEXT_SIZE], const struct lock_record *record)
{
    return snprintf(text, TEXT_SIZE,
                    "millrace-lock 1\nsession %" PRIu64 "\nstate %s\nhost %s\nboot %s\n"
                    "pid %" PRIu32 "\nstart %" PRIu64 "\nnonce %016" PRIx64
                    "\nbeat %" PRIu64 "\nsince %s\nend\n",
                    record->session, record->is_held ? "held" : "released", record->host,
                    record->boot, record->pid, record->start, record->nonce, record->beat,
                    record->since);
}

/* The value of the next line "NAME VALUE\n", cut out in place; NULL: another line. */
static const char *next_value(char **at, const char *name)
{
    size_t length = strlen(name);
    char *end = strchr(*at, '\n');
    if (!end || strncmp(*at, name, length) != 0 || (*at)[length] != ' ')
        return NULL;
    const char *value = *at + length + 1;
    *end = 0;
    *at = end + 1;
    return value;
}

static bool next_text(char **at, const char *name, char *text, size_t size)
{
    const char *value = next_value(at, name);
    if (!value || strlen(value) >= size)
        return false;
    memcpy(text, value, strlen(value) + 1);
    return true;
}

static bool next_number(char **at, const char *name, int base, uint64_t *number)
{
    const char *value = next_value(at, name);
    if (!value || *value == 0 || strspn(value, "0123456789abcdef") != strlen(value))
        return false;
    char *end;
    errno = 0;
    *number = strtoull(value, &end, base);
    return errno == 0 && *end == 0;
}

static bool read_record(char *text, struct lock_record *record)
{
    *record = (struct lock_record){0};
    char version[8], state[16];
    uint64_t pid = 0;
    bool is_good = next_text(&text, "millrace-lock", version, sizeof version) &&
                   next_number(&text, "session", 10, &record->session) &&
                   next_text(&text, "state", state, sizeof state) &&
                   next_text(&text, "host", record->host, sizeof record->host) &&
                   next_text(&text, "boot", record->boot, sizeof record->boot) &&
                   next_number(&text, "pid", 10, &pid) &&
                   next_number(&text, "start", 10, &record->start) &&
                   next_number(&text, "nonce", 16, &record->nonce) &&
                   next_number(&text, "beat", 10, &record->beat) &&
                   next_text(&text, "since", record->since, sizeof record->since);
    is_good = is_good && strcmp(text, "end\n") == 0 && pid <= INT32_MAX &&
              record->session > 0 && record->session <= SESSION_MAX;
    if (!is_good) {
        *record = (struct lock_record){0};
        return false;
    }
    record->pid = (uint32_t)pid;
    record->is_held = strcmp(state, "held") == 0;
    return true;
}

/* ---- files ---- */

/* ERROR_CLOSED: there is no such file. */
static enum error_code load(const char *path, struct lock_record *record,
                            struct error *error)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 && (errno == ENOENT || errno == ESTALE))
        return error_set(error, ERROR_CLOSED, "there is no %s", path);
    if (file < 0)
        return error_set_errno(error, ERROR_IO, errno, "cannot open %s", path);
    char text[TEXT_SIZE];
    ssize_t size = read(file, text, sizeof text - 1);
    int number = errno;
    (void)close(file);
    if (size < 0)
        return error_set_errno(error, ERROR_IO, number, "cannot read %s", path);
    text[size] = 0;
    if (!read_record(text, record))
        return error_set(error, ERROR_DAMAGED, "%s is not a lock file", path);
    return OK;
}

static enum error_code write_file(const char *path, const struct lock_record *record,
                                  struct error *error)
{
    char text[TEXT_SIZE];
    int size = write_record(text, record);
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (file < 0)
        return error_set_errno(error, ERROR_IO, errno, "cannot make %s", path);
    bool is_good =
        size > 0 && size < TEXT_SIZE && write(file, text, (size_t)size) == size;
    int number = errno;
    if (close(file) != 0 && is_good) { /* network file systems report here */
        is_good = false;
        number = errno;
    }
    if (is_good)
        return OK;
    (void)unlink(path);
    return error_set_errno(error, ERROR_IO, number, "cannot write %s", path);
}

static enum error_code write_temporary(const struct job_lock *lock, char path[PATH_SIZE],
                                       struct error *error)
{
    char name[64];
    (void)snprintf(name, sizeof name, ".lock-%016" PRIx64, lock->record.nonce);
    enum error_code code = make_path(path, lock->job, name, 0, error);
    if (code != OK)
        return code;
    (void)unlink(path); /* ours alone, by its nonce */
    return write_file(path, &lock->record, error);
}

/* Put our record in place as JOB/lock. */
static enum error_code store(const struct job_lock *lock, struct error *error)
{
    char temporary[PATH_SIZE], path[PATH_SIZE];
    enum error_code code = make_path(path, lock->job, "lock", 0, error);
    if (code == OK)
        code = write_temporary(lock, temporary, error);
    if (code != OK)
        return code;
    if (rename(temporary, path) != 0) {
        code = error_set_errno(error, ERROR_IO, errno, "cannot replace %s", path);
        (void)unlink(temporary);
    }
    return code;
}

/* N of the name "lock.N", else 0. */
static uint64_t claim_number(const char *name)
{
    const char *digits = name + 5;
    if (strncmp(name, "lock.", 5) != 0 || *digits == 0 || strlen(digits) > 15 ||
        strspn(digits, "0123456789") != strlen(digits))
        return 0;
    return strtoull(digits, NULL, 10);
}

/* The highest N of the files JOB/lock.N, 0 when there is none. */
static enum error_code highest_claim(const char *job, uint64_t *session,
                                     struct error *error)
{
    DIR *folder = opendir(job);
    if (!folder)
        return error_set_errno(error, ERROR_IO, errno, "cannot open job \"%s\"", job);
    *session = 0;
    for (const struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        uint64_t number = claim_number(entry->d_name);
        if (number > *session)
            *session = number;
    }
    (void)closedir(folder);
    return OK;
}

/* The latest session: that of JOB/lock, or of a claim above it, which is of a coordinator
 * that has only begun, or that was overwritten by one it had fenced off. */
enum error_code lock_read(const char *job, struct lock_record *record,
                          struct error *error)
{
    char path[PATH_SIZE];
    uint64_t claimed = 0;
    *record = (struct lock_record){0};
    enum error_code code = highest_claim(job, &claimed, error);
    if (code == OK)
        code = make_path(path, job, "lock", 0, error);
    if (code != OK)
        return code;
    code = load(path, record, error);
    bool is_there = code == OK;
    if (code != OK && code != ERROR_CLOSED && code != ERROR_DAMAGED)
        return code;
    if (claimed > record->session || (claimed && !is_there)) {
        code = make_path(path, job, "lock.", claimed, error);
        if (code != OK)
            return code;
        code = load(path, record, error);
        record->session = claimed;
    }
    if (code == ERROR_CLOSED) {
        *record = (struct lock_record){0};
        return OK;
    }
    return code;
}

bool lock_holder_is_alive(const struct lock_record *record, bool *is_known)
{
    char host[sizeof record->host], boot[sizeof record->boot];
    platform_host_name(host, sizeof host);
    platform_boot_id(boot, sizeof boot);
    /* A host of this name with another boot id may be a namesake. */
    *is_known = record->pid != 0 && strcmp(host, record->host) == 0 &&
                strcmp(boot, record->boot) == 0;
    return *is_known && record->start != 0 &&
           platform_process_start((int)record->pid) == record->start;
}

/* ---- taking it ---- */

static bool is_same_beat(const struct lock_record *a, const struct lock_record *b)
{
    return a->session == b->session && a->is_held == b->is_held && a->nonce == b->nonce &&
           a->beat == b->beat;
}

static enum error_code refuse(const struct lock_record *record, struct error *error)
{
    return error_set(error, ERROR_CONFIG,
                     "job is being run by process %" PRIu32 " on %s since %s (session "
                     "%" PRIu64 ")",
                     record->pid, record->host[0] ? record->host : "an unknown host",
                     record->since, record->session);
}

/* Watch the counter of a holder elsewhere. *is_dead false: look again, it changed hands. */
static enum error_code watch(const char *job, const struct lock_record *seen,
                             int64_t beat_ms, bool *is_dead, struct error *error)
{
    *is_dead = false;
    for (int i = 0; i < LOOKS; i++) {
        clock_sleep_ms(beat_ms * 3 / LOOKS + 1);
        struct lock_record now;
        enum error_code code = lock_read(job, &now, error);
        if (code != OK && code != ERROR_DAMAGED)
            return code;
        if (is_same_beat(seen, &now))
            continue;
        if (now.is_held && now.session == seen->session)
            return refuse(&now, error);
        return OK;
    }
    *is_dead = true;
    return OK;
}

/* Is the job free to take? *is_free false: look again. */
static enum error_code judge(const char *job, const struct lock_record *seen,
                             bool is_damaged, int64_t beat_ms, bool *is_free,
                             struct error *error)
{
    *is_free = true;
    if (!seen->is_held && !is_damaged)
        return OK;
    bool is_known = false;
    bool is_alive = lock_holder_is_alive(seen, &is_known);
    if (is_alive)
        return refuse(seen, error);
    if (is_known)
        return OK;
    return watch(job, seen, beat_ms, is_free, error);
}

/* *has_won false: another one was faster. */
static enum error_code claim(const struct job_lock *lock, bool *has_won,
                             struct error *error)
{
    char temporary[PATH_SIZE], path[PATH_SIZE];
    *has_won = false;
    enum error_code code =
        make_path(path, lock->job, "lock.", lock->record.session, error);
    if (code == OK)
        code = write_temporary(lock, temporary, error);
    if (code != OK)
        return code;
    struct stat status;
    int number = link(temporary, path) == 0 ? 0 : errno;
    /* Network file systems may lose the answer: the count of links tells. */
    if (number == 0 || (stat(temporary, &status) == 0 && status.st_nlink == 2))
        *has_won = true;
    else if (number == EPERM || number == ENOTSUP || number == ENOSYS) {
        /* A file system without links makes a file exclusively, if not in one piece. */
        code = write_file(path, &lock->record, error);
        *has_won = code == OK;
        if (code != OK && access(path, F_OK) == 0)
            code = OK;
    } else if (number != EEXIST &&
               number != ENOENT) { /* ENOENT: a winner swept it away */
        code = error_set_errno(error, ERROR_IO, number, "cannot make %s", path);
    }
    (void)unlink(temporary);
    return code;
}

/* Claims of earlier sessions, and the temporary files of coordinators that were killed
 * while they wrote one. */
static void sweep(const struct job_lock *lock)
{
    DIR *folder = opendir(lock->job);
    if (!folder)
        return;
    for (const struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        char path[PATH_SIZE];
        uint64_t number = claim_number(entry->d_name);
        bool is_old = number ? number < lock->record.session
                             : strncmp(entry->d_name, ".lock-", 6) == 0;
        if (is_old && make_path(path, lock->job, entry->d_name, 0, NULL) == OK)
            (void)unlink(path);
    }
    (void)closedir(folder);
}

/* One attempt to take the job from the session seen. *is_taken false: try again. */
static enum error_code take(struct job_lock *lock, uint64_t before, bool *is_taken,
                            struct error *error)
{
    lock->record.session = before + 1;
    enum error_code code = claim(lock, is_taken, error);
    if (code != OK || !*is_taken)
        return code;
    /* A slow one may claim a number whose file was already cleared away. */
    struct lock_record latest;
    code = lock_read(lock->job, &latest, error);
    if (code == OK && latest.session == lock->record.session &&
        latest.nonce == lock->record.nonce)
        code = store(lock, error);
    else
        *is_taken = false;
    if (code == OK && *is_taken) {
        sweep(lock);
    } else {
        char path[PATH_SIZE];
        if (make_path(path, lock->job, "lock.", lock->record.session, NULL) == OK)
            (void)unlink(path);
    }
    return code;
}

static uint64_t make_nonce(const struct lock_record *record)
{
    unsigned char noise[32] = {0};
    FILE *file = fopen("/dev/urandom", "rb");
    if (file) {
        size_t count = fread(noise, 1, sizeof noise, file);
        (void)count; /* the process and the time alone would do */
        (void)fclose(file);
    }
    uint64_t seed = hash64(record->boot, sizeof record->boot, record->start);
    seed ^= (uint64_t)clock_now_us() ^ (uint64_t)record->pid << 32;
    return hash64(noise, sizeof noise, seed) | 1;
}

static enum error_code create_lock(const char *job, struct job_lock **lock,
                                   struct error *error)
{
    struct job_lock *made = calloc(1, sizeof *made);
    size_t size = strlen(job) + 1;
    if (made)
        made->job = malloc(size);
    if (!made || !made->job) {
        free(made);
        return error_set(error, ERROR_MEMORY, "job lock: out of memory");
    }
    memcpy(made->job, job, size);
    struct lock_record *record = &made->record;
    record->is_held = true;
    record->pid = (uint32_t)getpid();
    record->start = platform_process_start(getpid());
    platform_host_name(record->host, sizeof record->host);
    platform_boot_id(record->boot, sizeof record->boot);
    clock_format(clock_wall_ms(), record->since, sizeof record->since);
    record->nonce = make_nonce(record);
    *lock = made;
    return OK;
}

static void discard(struct job_lock *lock)
{
    if (!lock)
        return;
    free(lock->job);
    free(lock);
}

enum error_code lock_acquire(const char *job, int64_t beat_ms, struct job_lock **lock,
                             struct error *error)
{
    struct job_lock *made = NULL;
    enum error_code code = create_lock(job, &made, error);
    if (!made)
        return code;
    bool is_taken = false;
    for (int i = 0; code == OK && !is_taken && i < ATTEMPTS; i++) {
        struct lock_record seen;
        bool is_free = false;
        code = lock_read(job, &seen, error);
        bool is_damaged = code == ERROR_DAMAGED;
        if (code == OK || is_damaged)
            code = judge(job, &seen, is_damaged, beat_ms, &is_free, error);
        if (code == OK && is_free)
            code = take(made, seen.session, &is_taken, error);
    }
    if (code == OK && !is_taken)
        code =
            error_set(error, ERROR_IO, "cannot lock job \"%s\": it changes hands", job);
    if (code == OK) {
        *lock = made;
        made = NULL;
    }
    discard(made);
    return code;
}

/* ---- keeping it ---- */

/* OK, ERROR_CLOSED with the successor's name, or ERROR_IO when it cannot be told. */
static enum error_code check(const struct job_lock *lock, struct error *error)
{
    char path[PATH_SIZE];
    struct lock_record latest = {0};
    const struct lock_record *ours = &lock->record;
    enum error_code code = make_path(path, lock->job, "lock.", ours->session + 1, error);
    if (code == OK)
        code = load(path, &latest, error);
    bool is_lost = code == OK || code == ERROR_DAMAGED;
    if (code == ERROR_CLOSED) {
        code = lock_read(lock->job, &latest, error);
        if (code == ERROR_IO || code == ERROR_CONFIG)
            return code;
        /* A record of an earlier session is a late write of one that we fenced off. */
        is_lost = latest.session > ours->session ||
                  (code == OK && latest.session == ours->session &&
                   latest.nonce != ours->nonce);
    } else if (!is_lost) {
        return code;
    }
    if (!is_lost)
        return OK;
    bool is_named = code == OK && latest.host[0];
    return error_set(error, ERROR_CLOSED, "fenced off by session %" PRIu64 " on %s",
                     is_named ? latest.session : ours->session + 1,
                     is_named ? latest.host : "an unknown host");
}

enum error_code lock_beat(struct job_lock *lock, struct error *error)
{
    enum error_code code = check(lock, error);
    if (code != OK)
        return code;
    lock->record.beat++;
    return store(lock, error);
}

bool lock_is_ours(const struct job_lock *lock)
{
    return check(lock, NULL) != ERROR_CLOSED;
}

uint64_t lock_session(const struct job_lock *lock)
{
    return lock->record.session;
}

void lock_release(struct job_lock *lock)
{
    if (lock && lock_is_ours(lock)) {
        lock->record.is_held = false;
        (void)store(lock, NULL); /* our process will be gone, which says the same */
    }
    discard(lock);
}
