/* zmq_keys.c - read and write the file with the CURVE keys */
#include "core/zmq_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_SIZE_MAX = 2048 };

static const struct key_line {
    const char *name;
    size_t offset;
} key_lines[] = {
    {"server-public", offsetof(struct zmq_keys, server_public)},
    {"server-secret", offsetof(struct zmq_keys, server_secret)},
    {"client-public", offsetof(struct zmq_keys, client_public)},
    {"client-secret", offsetof(struct zmq_keys, client_secret)},
};
enum { KEY_LINE_COUNT = sizeof key_lines / sizeof key_lines[0] };

static bool is_z85(const char *text, size_t size)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    for (size_t i = 0; i < size; i++)
        if (text[i] == 0 || !strchr(digits, text[i]))
            return false;
    return true;
}

/* The value of line "NAME KEY" copied to `key`. */
static bool find_key(const char *text, const char *name, char *key)
{
    size_t name_size = strlen(name);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        size_t size = strcspn(line, "\r\n");
        const char *value = line + name_size + 1;
        if (size == name_size + ZMQ_KEY_SIZE && strncmp(line, name, name_size) == 0 &&
            line[name_size] == ' ' && is_z85(value, ZMQ_KEY_SIZE - 1)) {
            memcpy(key, value, ZMQ_KEY_SIZE - 1);
            key[ZMQ_KEY_SIZE - 1] = 0;
            return true;
        }
    }
    return false;
}

static enum error_code check_owner(int fd, const char *path, struct error *error)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return error_set_errno(error, ERROR_CONFIG, errno, "cannot look at keys \"%s\"",
                               path);
    if (!S_ISREG(status.st_mode))
        return error_set(error, ERROR_CONFIG, "keys \"%s\" is not a file", path);
    if (status.st_uid != geteuid())
        return error_set(error, ERROR_CONFIG,
                         "keys \"%s\" belongs to another user: copy it, or make one with "
                         "\"millrace keys FILE\"",
                         path);
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return error_set(error, ERROR_CONFIG,
                         "keys \"%s\" can be read by others (mode %03o): run \"chmod 600 "
                         "%s\"",
                         path, (unsigned)(status.st_mode & 0777), path);
    return OK;
}

static enum error_code read_text(int fd, const char *path, char *text, size_t size,
                                 struct error *error)
{
    size_t used = 0;
    while (used < size - 1) {
        ssize_t got = read(fd, text + used, size - 1 - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set_errno(error, ERROR_CONFIG, errno, "cannot read keys \"%s\"",
                                   path);
        if (got == 0)
            break;
        used += (size_t)got;
    }
    text[used] = 0;
    return OK;
}

enum error_code zmq_keys_load(const char *path, struct zmq_keys *keys,
                              struct error *error)
{
    char text[FILE_SIZE_MAX];
    struct zmq_keys found;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return error_set_errno(error, ERROR_CONFIG, errno, "cannot open keys \"%s\"",
                               path);
    enum error_code code = check_owner(fd, path, error);
    if (code == OK)
        code = read_text(fd, path, text, sizeof text, error);
    (void)close(fd);
    if (code != OK)
        return code;
    for (size_t i = 0; i < KEY_LINE_COUNT; i++)
        if (!find_key(text, key_lines[i].name, (char *)&found + key_lines[i].offset))
            return error_set(
                error, ERROR_CONFIG,
                "\"%s\" is not a keys file: it has no good line \"%s\"; make "
                "one with \"millrace keys FILE\"",
                path, key_lines[i].name);
    *keys = found;
    return OK;
}

static bool write_all(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t put = write(fd, text, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return false;
        text += put;
        size -= (size_t)put;
    }
    return true;
}

enum error_code zmq_keys_save(const char *path, const struct zmq_keys *keys,
                              struct error *error)
{
    char text[FILE_SIZE_MAX];
    int size = snprintf(text, sizeof text,
                        "# millrace keys: give this file to the coordinator and to every "
                        "worker, show it to nobody else\n"
                        "server-public %s\nserver-secret %s\n"
                        "client-public %s\nclient-secret %s\n",
                        keys->server_public, keys->server_secret, keys->client_public,
                        keys->client_secret);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return error_set(error, ERROR_CONFIG,
                         "\"%s\" exists already: keys are never overwritten", path);
    if (fd < 0)
        return error_set_errno(error, ERROR_CONFIG, errno, "cannot write keys \"%s\"",
                               path);
    bool is_written = write_all(fd, text, (size_t)size);
    int number = errno;
    if (close(fd) != 0 && is_written) {
        is_written = false;
        number = errno;
    }
    if (is_written)
        return OK;
    (void)unlink(path);
    return error_set_errno(error, ERROR_IO, number, "cannot write keys \"%s\"", path);
}
