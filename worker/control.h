/* control.h - what worker and executor say to each other */
#ifndef WORKER_CONTROL_H
#define WORKER_CONTROL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/hash.h"
#include "core/manifest.h"
#include "core/reader.h"

struct arena;

/* Every message has a fixed meaning and order of fields; control.c writes and reads the
 * larger ones. Leases travel as MESSAGE_LEASE (core/protocol.h), one lease each. */
enum control_type {
    /* worker to executor */
    CONTROL_SETUP = 1, /* struct control_setup */
    CONTROL_PREPARE,   /* u32 phase: run the stages' prepare() */
    CONTROL_OPEN,      /* u32 phase: open stages and volume */
    CONTROL_RUN,       /* a MESSAGE_LEASE: do these shards */
    CONTROL_STREAM,    /* struct control_stream: own this stream from now on */
    CONTROL_FILL,      /* u32 run, u32 count, count x u32 slot: read the next shards */
    CONTROL_SLOT,      /* struct control_slot: do the shard in this slot */
    CONTROL_SEAL,      /* publish the volume now */
    CONTROL_EXIT,
    /* executor to worker */
    CONTROL_READY,    /* set up; text: names of the stages' libraries, or "" */
    CONTROL_PREPARED, /* u32 phase */
    CONTROL_OPENED, /* u32 phase, u32 count, count x text: entries of a volume taken over */
    CONTROL_FINISHED, /* u64 us they took, u32 count, count x text: entries, committed */
    CONTROL_FILLED,   /* struct control_filled */
    CONTROL_SEALED,   /* struct control_sealed */
    CONTROL_FAILED    /* u8 control_type that failed, u64 shard, u8 error_code, text */
};

/* Exit statuses of an executor that tell the worker what happened. */
enum { EXECUTOR_EXIT_MEMORY = 70, EXECUTOR_EXIT_CLOSED = 71 };

struct control_setup {
    const char *yaml; /* resolved pipeline */
    size_t yaml_size;
    const char *folder;        /* of the pipeline */
    const char *job_folder;    /* absolute */
    const char *scratch;       /* folder of this worker on node-local scratch */
    const char *volume_prefix; /* published volumes are named PREFIX-NUMBER.lmdb */
    struct hash128 fingerprint;
    uint32_t executor;     /* number within its worker, from 0 */
    uint64_t memory;       /* limit on data memory */
    const uint32_t *slots; /* (slot_count): descriptors of the slots' memory files */
    uint32_t slot_count;
};

struct control_stream {
    uint32_t run;
    uint32_t file;
    const char *path, *name;
    enum compression compression;
    uint32_t index; /* first shard wanted */
    struct stream_entry entry;
    const uint32_t *done; /* (done_count, 2): ranges [first, end) to pass over */
    uint32_t done_count;
};

/* A shard of a stream, cut and waiting in a slot. */
struct control_filled {
    uint32_t run;
    uint32_t slot;     /* UINT32_MAX: no shard, the end alone */
    uint64_t capacity; /* of the slot's memory file */
    struct cut cut;    /* cut.index, data_offset, data_size, end, oversize, entry */
    uint32_t total;    /* shards of the stream when cut.end is not STREAM_MORE */
};

struct control_sealed {
    const char *name;
    uint64_t size;
    struct hash128 checksum;
    uint32_t fsync_count;
    int64_t fsync_us;
    uint32_t shard_count;
};

/* `out` is reset first. */
void control_write_setup(const struct control_setup *setup, struct bytes *out);
void control_write_stream(const struct control_stream *stream, struct bytes *out);
void control_write_filled(const struct control_filled *filled, struct bytes *out);
void control_write_sealed(const struct control_sealed *sealed, struct bytes *out);
/* False: cut short. Texts and arrays are copied into the arena. */
bool control_read_setup(struct cursor in, struct arena *arena,
                        struct control_setup *setup);
bool control_read_stream(struct cursor in, struct arena *arena,
                         struct control_stream *stream);
bool control_read_filled(struct cursor *in, struct control_filled *filled);
bool control_read_sealed(struct cursor in, struct arena *arena,
                         struct control_sealed *sealed);
const char *control_take_text(struct cursor *in, struct arena *arena); /* NULL: bad */

/* What an executor is at, in memory shared with its worker, so that it outlives a crash.
 * The executor alone writes; `sequence` grows whenever anything else changed. */
struct flight {
    _Atomic uint64_t sequence;
    _Atomic uint64_t shard;
    _Atomic uint32_t is_active; /* inside a stage's process() */
    _Atomic uint32_t stage;
    _Atomic uint32_t first, count;   /* ordinals of the records in process() */
    _Atomic uint64_t records, bytes; /* read so far, for progress */
};

#endif
