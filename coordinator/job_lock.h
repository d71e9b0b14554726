/* job_lock.h - one coordinator a job: the file JOB/lock
 *
 * JOB/lock is a small text: who runs the job, in which session, and a counter that beats.
 * JOB/lock.N is the claim of session N; it is made by link(2), so that of several that take
 * over exactly one wins, on network file systems too. A holder whose successor's claim is
 * there is fenced off, whatever JOB/lock says. */
#ifndef COORDINATOR_JOB_LOCK_H
#define COORDINATOR_JOB_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

enum { LOCK_BEAT_MS = 2000 };

struct job_lock; /* heap object */

/* What JOB/lock says. */
struct lock_record {
    uint64_t session; /* 0: there is none */
    bool is_held;     /* false: released */
    char host[256], boot[64];
    uint32_t pid;
    uint64_t start; /* of the process, in ticks since boot */
    uint64_t nonce, beat;
    char since[32]; /* wall time */
};

/* Take the lock of the job directory `job`, which exists. A holder on this host is dead
 * when its process is gone, and its lock taken over at once; one on another host when its
 * counter stands still for three times `beat_ms` (LOCK_BEAT_MS; the call then lasts so
 * long). ERROR_CONFIG: somebody runs the job, the text says who. ERROR_IO, ERROR_FULL. */
enum error_code lock_acquire(const char *job, int64_t beat_ms, struct job_lock **lock,
                             struct error *error);
/* Say "released" in the file, which stays for the session's number, and free the object.
 * NULL is allowed; a lock lost to another session is left alone. */
void lock_release(struct job_lock *lock);

/* To be called every LOCK_BEAT_MS. ERROR_CLOSED: another session has the job. ERROR_IO: the
 * counter could not be written, try again. */
enum error_code lock_beat(struct job_lock *lock, struct error *error);
bool lock_is_ours(const struct job_lock *lock);
uint64_t lock_session(const struct job_lock *lock); /* from 1 */

/* Who has the job, or had it last. ERROR_IO, ERROR_DAMAGED. */
enum error_code lock_read(const char *job, struct lock_record *record,
                          struct error *error);
/* True: it runs on this host; false: it is gone. *is_known false: it is on another host,
 * so that only its counter can tell. */
bool lock_holder_is_alive(const struct lock_record *record, bool *is_known);

#endif
