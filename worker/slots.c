/* slots.c - memory files in which a stream's shards lie for all executors of a worker */
#include "worker/slots.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct mapped_slot {
    struct slot slot; /* data, capacity as mapped here */
    int fd;
};

struct slots {
    struct mapped_slot *items;
    uint32_t count;
};

static bool map_slot(struct mapped_slot *item, size_t size)
{
    if (item->slot.data)
        (void)munmap(item->slot.data, item->slot.capacity);
    item->slot.data = NULL;
    item->slot.capacity = 0;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, item->fd, 0);
    if (memory == MAP_FAILED)
        return false;
    item->slot.data = memory;
    item->slot.capacity = size;
    return true;
}

static bool grow_slot(struct slot *slot, size_t size)
{
    struct mapped_slot *item = slot->user;
    if (size <= slot->capacity)
        return true;
    size_t rounded = (size + 0xFFFF) & ~(size_t)0xFFFF;
    /* The file may be larger than this mapping: another executor grew it before. */
    struct stat info;
    if (fstat(item->fd, &info) != 0)
        return false;
    if ((size_t)info.st_size > rounded)
        rounded = (size_t)info.st_size;
    else if (ftruncate(item->fd, (off_t)rounded) != 0)
        return false;
    return map_slot(item, rounded);
}

enum error_code slots_create(const uint32_t *fds, uint32_t count, struct slots **slots,
                             struct error *error)
{
    struct slots *made = calloc(1, sizeof *made);
    struct mapped_slot *items = calloc(count ? count : 1, sizeof *items);
    if (!made || !items) {
        free(made);
        free(items);
        return error_set(error, ERROR_MEMORY, "no memory for slots");
    }
    for (uint32_t i = 0; i < count; i++) {
        items[i].fd = (int)fds[i];
        (void)fcntl(items[i].fd, F_SETFD, FD_CLOEXEC);
        items[i].slot.grow = grow_slot;
        items[i].slot.user = &items[i];
    }
    made->items = items;
    made->count = count;
    *slots = made;
    return OK;
}

void slots_destroy(struct slots *slots)
{
    if (!slots)
        return;
    for (uint32_t i = 0; i < slots->count; i++) {
        if (slots->items[i].slot.data)
            (void)munmap(slots->items[i].slot.data, slots->items[i].slot.capacity);
        (void)close(slots->items[i].fd);
    }
    free(slots->items);
    free(slots);
}

enum error_code slots_for_writing(struct slots *slots, uint32_t number,
                                  struct slot **slot, struct error *error)
{
    if (number >= slots->count)
        return error_set(error, ERROR_FATAL, "there is no slot %u", number);
    *slot = &slots->items[number].slot;
    return OK;
}

enum error_code slots_for_reading(struct slots *slots, uint32_t number, size_t capacity,
                                  const unsigned char **data, struct error *error)
{
    if (number >= slots->count)
        return error_set(error, ERROR_FATAL, "there is no slot %u", number);
    struct mapped_slot *item = &slots->items[number];
    if (item->slot.capacity < capacity && !map_slot(item, capacity))
        return error_set_errno(error, ERROR_MEMORY, errno, "cannot map slot %u", number);
    *data = item->slot.data;
    return OK;
}
