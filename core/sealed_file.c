/* sealed_file.c - published files: written once, with a footer page that holds their size
 * and checksum */
#include "core/sealed_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/clock.h"
#include "core/hash.h"
#include "core/platform.h"
#include "core/volume.h"

enum {
    COPY_SIZE = 1 << 18, /* stays in the second-level cache while it is hashed */
    WRITEBACK_SIZE = 4 << 20,
    FOOTER_VERSION = 1,
    VERSION_AT = 8,
    SIZE_AT = 16,
    CHECKSUM_AT = 24,
    FOOTER_END = 40 /* zeros from here on */
};
static const unsigned char footer_magic[8] = {'M', 'I', 'L', 'L', 'R', 'A', 'C', 'E'};

static void write_footer(unsigned char footer[FOOTER_SIZE],
                         const struct volume_info *info)
{
    memset(footer, 0, FOOTER_SIZE);
    memcpy(footer, footer_magic, sizeof footer_magic);
    store_u32(footer + VERSION_AT, FOOTER_VERSION);
    store_u64(footer + SIZE_AT, info->size);
    store_u64(footer + CHECKSUM_AT, info->checksum.low);
    store_u64(footer + CHECKSUM_AT + 8, info->checksum.high);
}

static bool read_footer(const unsigned char footer[FOOTER_SIZE], struct volume_info *info)
{
    unsigned char wanted[FOOTER_SIZE];
    *info =
        (struct volume_info){.size = load_u64(footer + SIZE_AT),
                             .checksum = {.low = load_u64(footer + CHECKSUM_AT),
                                          .high = load_u64(footer + CHECKSUM_AT + 8)}};
    write_footer(wanted, info);
    return memcmp(footer, wanted, FOOTER_SIZE) == 0;
}

static enum error_code write_all(int file, const unsigned char *data, size_t size,
                                 const char *path, struct error *error)
{
    while (size > 0) {
        ssize_t written = write(file, data, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return error_set_errno(error, ERROR_IO, written < 0 ? errno : EIO,
                                   "cannot write \"%s\"", path);
        data += written;
        size -= (size_t)written;
    }
    return OK;
}

/* Reads `size` bytes at `offset`, less only at the end of the file. */
static ssize_t read_at(int file, unsigned char *data, size_t size, uint64_t offset)
{
    size_t got = 0;
    while (got < size) {
        ssize_t n = pread(file, data + got, size - got, (off_t)(offset + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return (ssize_t)got;
}

static enum error_code timed_fsync(int file, const char *path, struct volume_info *info,
                                   struct error *error)
{
    int64_t begin = clock_now_us();
    int status = fsync(file);
    int number = errno;
    info->fsync_us += clock_now_us() - begin;
    info->fsync_count++;
    if (status != 0)
        return error_set_errno(error, ERROR_IO, number, "cannot fsync \"%s\"", path);
    return OK;
}

static enum error_code fsync_folder(const char *path, struct volume_info *info,
                                    struct error *error)
{
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return error_set_errno(error, ERROR_IO, errno, "cannot open \"%s\"", path);
    enum error_code code = timed_fsync(folder, path, info, error);
    (void)close(folder);
    return code;
}

/* Make the folder and those above it that are missing. */
static enum error_code make_folder(const char *path, struct volume_info *info,
                                   struct error *error)
{
    char part[PATH_MAX];
    size_t size = strlen(path);
    if (size == 0 || size >= sizeof part)
        return error_set(error, ERROR_IO, "path too long: \"%s\"", path);
    memcpy(part, path, size + 1);
    bool is_new = false;
    for (size_t i = 1; i <= size; i++) {
        if (part[i] != '/' && part[i] != 0)
            continue;
        char end = part[i];
        part[i] = 0;
        if (mkdir(part, 0777) == 0)
            is_new = true;
        else if (errno != EEXIST)
            return error_set_errno(error, ERROR_IO, errno, "cannot make folder \"%s\"",
                                   part);
        part[i] = end;
    }
    char *slash = strrchr(part, '/');
    if (!is_new || !slash || slash == part)
        return OK;
    *slash = 0;
    return fsync_folder(part, info, error);
}

/* Hashes the first `size` bytes of `source` and, unless `target` is negative, writes them
 * there. */
static enum error_code pass_bytes(int source, uint64_t size, int target, const char *path,
                                  struct hash128 *checksum, struct error *error)
{
    enum error_code code = OK;
    struct bytes buffer = {0};
    struct hash_stream *hash = hash_stream_create();
    unsigned char *data = bytes_reserve(&buffer, COPY_SIZE);
    if (!hash || !data)
        code = error_set(error, ERROR_MEMORY, "no memory to read \"%s\"", path);
    (void)posix_fadvise(source, 0, (off_t)size, POSIX_FADV_SEQUENTIAL);
    for (uint64_t offset = 0; code == OK && offset < size; offset += COPY_SIZE) {
        uint64_t left = size - offset;
        size_t wanted = left < COPY_SIZE ? (size_t)left : COPY_SIZE;
        ssize_t got = read_at(source, data, wanted, offset);
        if (got != (ssize_t)wanted) {
            code = error_set_errno(error, ERROR_IO, got < 0 ? errno : EIO,
                                   "cannot read \"%s\"", path);
            break;
        }
        hash_stream_update(hash, data, wanted);
        if (target >= 0)
            code = write_all(target, data, wanted, path, error);
        uint64_t end = offset + wanted;
        if (end % WRITEBACK_SIZE == 0) /* the disk works while we go on */
            platform_begin_writeback(target >= 0 ? target : source, end - WRITEBACK_SIZE,
                                     WRITEBACK_SIZE);
    }
    if (code == OK)
        *checksum = hash_stream_value(hash);
    bytes_clear(&buffer);
    hash_stream_destroy(hash);
    return code;
}

/* The file ends with the footer afterwards, whatever stood there. */
static enum error_code append_footer(int file, uint64_t size, const char *path,
                                     struct volume_info *info, struct error *error)
{
    unsigned char footer[FOOTER_SIZE];
    info->size = size + FOOTER_SIZE;
    write_footer(footer, info);
    if (lseek(file, (off_t)size, SEEK_SET) < 0 || ftruncate(file, (off_t)size) != 0)
        return error_set_errno(error, ERROR_IO, errno, "cannot write \"%s\"", path);
    enum error_code code = write_all(file, footer, sizeof footer, path, error);
    return code == OK ? timed_fsync(file, path, info, error) : code;
}

static enum error_code write_copy(int source, uint64_t size, const char *path,
                                  struct volume_info *info, struct error *error)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file < 0)
        return error_set_errno(error, ERROR_IO, errno, "cannot create \"%s\"", path);
    enum error_code code = pass_bytes(source, size, file, path, &info->checksum, error);
    if (code == OK)
        code = append_footer(file, size, path, info, error);
    if (close(file) != 0 && code == OK)
        code = error_set_errno(error, ERROR_IO, errno, "cannot close \"%s\"", path);
    if (code != OK)
        (void)unlink(path);
    return code;
}

/* Can the source be renamed into the folder? */
static bool is_same_file_system(const struct stat *source, const char *folder)
{
    struct stat facts;
    return stat(folder, &facts) == 0 && facts.st_dev == source->st_dev;
}

/* LMDB leaves pages at the end unwritten that it took and gave back. */
static enum error_code open_source(const char *path, uint64_t size, int *file,
                                   struct stat *facts, struct error *error)
{
    int opened = open(path, O_RDWR | O_CLOEXEC);
    if (opened < 0)
        return error_set_errno(error, ERROR_IO, errno, "cannot open \"%s\"", path);
    if (fstat(opened, facts) != 0 ||
        ((uint64_t)facts->st_size < size && ftruncate(opened, (off_t)size) != 0)) {
        enum error_code code =
            error_set_errno(error, ERROR_IO, errno, "cannot read \"%s\"", path);
        (void)close(opened);
        return code;
    }
    *file = opened;
    return OK;
}

static enum error_code put_in_place(const char *from, const char *folder,
                                    const char *name, struct volume_info *info,
                                    struct error *error)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    if (rename(from, path) != 0)
        return error_set_errno(error, ERROR_IO, errno, "cannot rename \"%s\"", from);
    return fsync_folder(folder, info, error);
}

static enum error_code publish_copy(int file, const char *source, uint64_t size,
                                    const char *folder, const char *name,
                                    struct volume_info *info, struct error *error)
{
    char temporary[PATH_MAX];
    int length = snprintf(temporary, sizeof temporary, "%s/.%s.tmp", folder, name);
    if (length < 0 || (size_t)length >= sizeof temporary)
        return error_set(error, ERROR_IO, "path too long: \"%s/%s\"", folder, name);
    enum error_code code = write_copy(file, size, temporary, info, error);
    if (code != OK)
        return code;
    code = put_in_place(temporary, folder, name, info, error);
    if (code == OK)
        (void)unlink(source);
    else
        (void)unlink(temporary);
    return code;
}

/* Bytes behind `size` do not disturb LMDB: a source that stays is as good as before. */
static enum error_code publish_itself(int file, const char *source, uint64_t size,
                                      const char *folder, const char *name,
                                      struct volume_info *info, struct error *error)
{
    enum error_code code = pass_bytes(file, size, -1, source, &info->checksum, error);
    if (code == OK)
        code = append_footer(file, size, source, info, error);
    if (code == OK)
        code = put_in_place(source, folder, name, info, error);
    return code;
}

enum error_code sealed_file_publish(const char *source, uint64_t size, const char *folder,
                                    const char *name, struct volume_info *info,
                                    struct error *error)
{
    struct volume_info made = {0};
    struct stat facts = {0};
    int file = -1;
    enum error_code code = make_folder(folder, &made, error);
    if (code == OK)
        code = open_source(source, size, &file, &facts, error);
    if (code != OK)
        return code;
    code = is_same_file_system(&facts, folder)
               ? publish_itself(file, source, size, folder, name, &made, error)
               : publish_copy(file, source, size, folder, name, &made, error);
    (void)close(file);
    if (code == OK)
        *info = made;
    return code;
}

static enum error_code load_footer(int file, const char *path, struct volume_info *info,
                                   struct error *error)
{
    struct stat facts;
    unsigned char footer[FOOTER_SIZE];
    if (fstat(file, &facts) != 0)
        return error_set_errno(error, ERROR_IO, errno, "cannot read \"%s\"", path);
    if (!S_ISREG(facts.st_mode) || facts.st_size < FOOTER_SIZE)
        return error_set(error, ERROR_DAMAGED, "damaged: \"%s\" has no footer", path);
    ssize_t got =
        read_at(file, footer, FOOTER_SIZE, (uint64_t)facts.st_size - FOOTER_SIZE);
    if (got < 0)
        return error_set_errno(error, ERROR_IO, errno, "cannot read \"%s\"", path);
    if (got != FOOTER_SIZE || !read_footer(footer, info) ||
        info->size != (uint64_t)facts.st_size)
        return error_set(error, ERROR_DAMAGED,
                         "damaged: the footer of \"%s\" does not fit the file", path);
    return OK;
}

enum error_code sealed_file_read_footer(const char *path, struct volume_info *info,
                                        struct error *error)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return error_set_errno(error, ERROR_IO, errno, "cannot open \"%s\"", path);
    enum error_code code = load_footer(file, path, info, error);
    (void)close(file);
    return code;
}

enum error_code sealed_file_check(const char *path, struct volume_info *info,
                                  struct error *error)
{
    struct volume_info read = {0};
    struct hash128 value = {0};
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return error_set_errno(error, ERROR_IO, errno, "cannot open \"%s\"", path);
    enum error_code code = load_footer(file, path, &read, error);
    if (code == OK)
        code = pass_bytes(file, read.size - FOOTER_SIZE, -1, path, &value, error);
    (void)close(file);
    if (code != OK)
        return code;
    if (!hash128_is_equal(value, read.checksum))
        return error_set(error, ERROR_DAMAGED, "damaged: \"%s\" fails its checksum",
                         path);
    *info = read;
    return OK;
}
