/* block_reader.c - blocks of a job's volumes for one thread of several */
#include "commands/block_reader.h"

#include <limits.h>
#include <stdlib.h>

#include "commands/job_view.h"
#include "core/arena.h"
#include "core/volume.h"

enum { OPEN_VOLUMES = 4, ARENA_BLOCK = 1 << 18 };

struct open_file {
    uint32_t id; /* 0: free */
    uint64_t used;
    struct volume *volume; /* owned */
};

struct block_reader {
    struct job_view *job;
    pthread_mutex_t *lock;
    struct arena *arena; /* owned: one block */
    struct open_file open[OPEN_VOLUMES];
    uint64_t uses;
    size_t mapped, mapped_max; /* bytes read since the volumes were opened */
};

struct block_reader *block_reader_create(struct job_view *job, pthread_mutex_t *lock,
                                         size_t mapped_max)
{
    struct block_reader *made = calloc(1, sizeof *made);
    if (!made)
        return NULL;
    *made = (struct block_reader){.job = job, .lock = lock, .mapped_max = mapped_max};
    made->arena = arena_create(ARENA_BLOCK, 0);
    if (!made->arena) {
        free(made);
        return NULL;
    }
    return made;
}

static void close_all(struct block_reader *reader)
{
    for (size_t i = 0; i < OPEN_VOLUMES; i++) {
        volume_close(reader->open[i].volume);
        reader->open[i] = (struct open_file){0};
    }
    reader->mapped = 0;
}

void block_reader_destroy(struct block_reader *reader)
{
    if (!reader)
        return;
    close_all(reader);
    arena_destroy(reader->arena);
    free(reader);
}

static enum error_code open_volume(struct block_reader *reader, uint32_t id,
                                   struct volume **volume, struct error *error)
{
    char path[PATH_MAX];
    struct open_file *oldest = &reader->open[0];
    for (size_t i = 0; i < OPEN_VOLUMES; i++) {
        struct open_file *file = &reader->open[i];
        if (file->id == id && file->volume) {
            file->used = ++reader->uses;
            *volume = file->volume;
            return OK;
        }
        if (file->used < oldest->used)
            oldest = file;
    }
    (void)pthread_mutex_lock(reader->lock);
    enum error_code code = job_find_volume(reader->job, id, path, sizeof path, error);
    (void)pthread_mutex_unlock(reader->lock);
    if (code == OK)
        code = volume_open(path, volume, error);
    if (code != OK)
        return code;
    volume_close(oldest->volume);
    *oldest = (struct open_file){.id = id, .used = ++reader->uses, .volume = *volume};
    return OK;
}

enum error_code block_reader_get(struct block_reader *reader, uint32_t volume_id,
                                 uint64_t number, struct batch **batch,
                                 struct file_names *files, struct error *error)
{
    struct volume *volume;
    const void *data;
    size_t size;
    /* Pages of a mapped file count as this process's until it is unmapped. */
    if (reader->mapped > reader->mapped_max)
        close_all(reader);
    arena_reset(reader->arena);
    enum error_code code = open_volume(reader, volume_id, &volume, error);
    if (code == OK)
        code = volume_get_block(volume, number, &data, &size, error);
    if (code != OK)
        return code;
    reader->mapped += size;
    return block_decode(data, size, reader->arena, batch, files, error);
}
