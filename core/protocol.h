/* protocol.h - the messages between coordinator and worker */
#ifndef CORE_PROTOCOL_H
#define CORE_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/account.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/manifest.h"

struct arena;
struct bytes;

enum { PROTOCOL_VERSION = 2, MESSAGE_SIZE_MAX = 64 << 20 };

enum message_type {
    MESSAGE_HELLO = 1, /* worker: who I am */
    MESSAGE_WELCOME,   /* coordinator: the job */
    MESSAGE_REFUSE,    /* coordinator: you cannot take part, because */
    MESSAGE_PHASE,     /* coordinator: a phase begins */
    MESSAGE_LEASE,     /* coordinator: shards to do */
    MESSAGE_REVOKE,    /* coordinator: give these back unless they are running */
    MESSAGE_HEARTBEAT, /* both: I live; credit and progress */
    MESSAGE_DONE,      /* worker: a volume is published */
    MESSAGE_FAIL,      /* worker: a shard failed */
    MESSAGE_STREAM,    /* worker: how far a stream is read, or its end */
    MESSAGE_FLUSH,     /* coordinator: seal what you have */
    MESSAGE_DRAIN,     /* coordinator: finish what runs, seal, give the rest back */
    MESSAGE_RETURN,    /* worker: shards given back undone */
    MESSAGE_LIBRARIES, /* worker: what its stages compute with */
    MESSAGE_BYE        /* both: the end of the conversation */
};

struct message_hello {
    uint32_t version;
    uint64_t incarnation;
    const char *host;
    uint32_t pid;
    uint32_t executors;
    uint64_t memory; /* bytes of the machine */
    const char *cpu_level;
};

struct message_welcome {
    uint32_t worker; /* number of the worker in this session, from 1 */
    uint64_t session;
    const char *job_folder; /* absolute */
    const char *nonce;      /* must stand in job_folder/nonce */
    struct hash128 fingerprint;
    const char *pipeline_yaml; /* resolved: paths absolute */
    size_t pipeline_size;
    int64_t silence_ms;
};

struct message_phase {
    uint32_t phase;
};

struct message_file {
    uint32_t file; /* number in the manifest */
    const char *path, *name;
    uint64_t size;
    enum compression compression;
};

struct lease_suspect {
    uint32_t ordinal;
    uint32_t stage;
    uint32_t strikes;   /* 2: condemned, reject it without running it */
    const char *reason; /* of the first strike */
};

struct lease {
    shard_id shard; /* for a stream: its run, index SHARDS_UNKNOWN */
    uint32_t count; /* consecutive shards of one run, each at this epoch */
    uint32_t epoch;
    uint32_t generation;
    enum run_kind kind;
    uint32_t first_file, file_count; /* into the files of a message */
    uint64_t begin, step;            /* plain: shard i covers [begin + i * step, ... */
    uint64_t end;                    /* ... + step), the last one ends here */
    /* streams: */
    uint64_t entry_compressed, entry_decompressed; /* where to enter */
    uint32_t entry_shard; /* first shard at or behind the entry */
    const uint32_t
        *done; /* (done_count, 2): ranges [first, end) of shards done already */
    uint32_t done_count;
    /* single shards: */
    const struct lease_suspect *suspects;
    uint32_t suspect_count;
    uint32_t isolate_begin, isolate_end; /* ordinals to be run one at a time */
};

struct message_lease {
    uint32_t phase;
    const struct message_file *files;
    uint32_t file_count;
    const struct lease *leases;
    uint32_t lease_count;
};

struct shard_range {
    shard_id shard; /* first; a stream as in struct lease */
    uint32_t count;
    uint32_t epoch;
};

struct message_ranges { /* REVOKE, RETURN */
    uint32_t phase;
    const struct shard_range *ranges;
    uint32_t count;
};

struct message_heartbeat {
    uint32_t credit;        /* shards that the worker wants to hold in all */
    uint32_t stream_credit; /* streams that it wants to hold in all */
    uint32_t held, streams_held;
    uint64_t records, bytes; /* processed so far in this phase, finished or not */
    uint32_t executors;      /* alive */
    uint64_t cpu_us;         /* of worker and executors */
};

struct message_done {
    uint32_t phase;
    const char *volume; /* file name below volumes/PHASE/ */
    uint64_t size;
    struct hash128 checksum;
    uint32_t fsync_count;
    int64_t fsync_us;
    const struct shard_entry *entries; /* with epochs, one for one: */
    const uint32_t *epochs;
    uint32_t count;
};

enum fail_class {
    FAIL_RECORD,         /* one record, alone, killed an executor */
    FAIL_SHARD,          /* the shard cannot be done, no record to blame */
    FAIL_INFRASTRUCTURE, /* executor killed from outside, scratch unusable */
    FAIL_FULL,           /* a disk is full */
    FAIL_CONFIG          /* a stage cannot be opened: the run must end */
};

#define SHARD_NONE UINT64_MAX
struct message_fail {
    uint32_t phase;
    shard_id shard; /* SHARD_NONE: the worker as such cannot go on (FULL, CONFIG) */
    uint32_t epoch;
    enum fail_class class;
    uint32_t ordinal; /* FAIL_RECORD */
    uint32_t stage;   /* index in the phase */
    const char *reason;
    const char *text;
};

struct message_stream {
    uint32_t phase;
    uint32_t run;
    uint32_t epoch;
    uint32_t count;       /* shards in all, or SHARDS_UNKNOWN */
    uint32_t entry_shard; /* first shard that can be reached from the entry */
    uint64_t entry_compressed, entry_decompressed;
};

struct message_refuse {
    const char *reason;
};

/* Only in jobs that have a stage with a library (core/stage.h). */
struct message_libraries {
    const char *names;
};

/* A decoded message: `type` says which member. Texts and arrays live in the arena. */
struct message {
    enum message_type type;
    union {
        struct message_hello hello;
        struct message_welcome welcome;
        struct message_refuse refuse;
        struct message_phase phase;
        struct message_lease lease;
        struct message_ranges ranges; /* REVOKE, RETURN */
        struct message_heartbeat heartbeat;
        struct message_done done;
        struct message_fail fail;
        struct message_stream stream;
        struct message_libraries libraries;
    } as; /* FLUSH, DRAIN and BYE have none */
};

/* Append the message to `out`. */
void message_write(const struct message *message, struct bytes *out);
/* ERROR_DAMAGED: not a message. Never reads outside `data`; array lengths are checked
 * against the bytes left before memory is taken. */
enum error_code message_read(const void *data, size_t size, struct arena *arena,
                             struct message *message, struct error *error);

#endif
