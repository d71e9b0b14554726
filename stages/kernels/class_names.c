/* class_names.c - what classes are called */
#include "stages/kernels/class_names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"

enum { PIECE = 1 << 14 };

struct class_names {
    struct bytes text, starts; /* owned: all names, and where each begins: uint64_t */
};

/* Lines are cut out at "\n"; a "\r" before it and blank lines at the end do not count. */
static void find_names(struct class_names *names)
{
    struct bytes *text = &names->text;
    while (text->size > 0 &&
           (text->data[text->size - 1] == '\n' || text->data[text->size - 1] == '\r'))
        text->size--;
    uint64_t start = 0;
    while (start < text->size) {
        const unsigned char *end =
            memchr(text->data + start, '\n', (size_t)(text->size - start));
        bytes_put_u64(&names->starts, start);
        start = end ? (uint64_t)(end - text->data) + 1 : text->size;
    }
    bytes_put_u64(&names->starts, text->size + 1);
}

enum error_code class_names_open(const char *path, struct class_names **names,
                                 struct error *error)
{
    struct class_names *made = calloc(1, sizeof *made);
    enum error_code code = OK;
    *names = NULL;
    if (!made)
        return error_set(error, ERROR_MEMORY, "no memory for names of classes");
    FILE *file = path ? fopen(path, "rb") : NULL;
    if (path && !file)
        code = error_set_errno(error, ERROR_IO, errno, "cannot read %s", path);
    for (size_t got = 1; file && got > 0;) {
        unsigned char *room = bytes_reserve(&made->text, PIECE);
        got = room ? fread(room, 1, PIECE, file) : 0;
        made->text.size += got;
    }
    if (file && ferror(file))
        code = error_set_errno(error, ERROR_IO, errno, "cannot read %s", path);
    if (file)
        (void)fclose(file);
    find_names(made);
    if (code == OK && (made->text.is_bad || made->starts.is_bad))
        code = error_set(error, ERROR_MEMORY, "no memory for names of classes");
    if (code == OK)
        *names = made;
    else
        class_names_close(made);
    return code;
}

void class_names_close(struct class_names *names)
{
    if (!names)
        return;
    bytes_clear(&names->text);
    bytes_clear(&names->starts);
    free(names);
}

size_t class_names_put(const struct class_names *names, uint32_t class,
                       char text[CLASS_NAME_MAX])
{
    size_t count = names->starts.size / sizeof(uint64_t) - 1, size = 0;
    if (class < count) {
        const unsigned char *starts = names->starts.data + sizeof(uint64_t) * class;
        uint64_t begin = load_u64(starts), end = load_u64(starts + sizeof(uint64_t)) - 1;
        while (end > begin && names->text.data[end - 1] == '\r')
            end--;
        size = (size_t)(end - begin) < CLASS_NAME_MAX ? (size_t)(end - begin)
                                                      : CLASS_NAME_MAX - 1;
        while (size < (size_t)(end - begin) && size > 0 &&
               (names->text.data[begin + size] & 0xC0) == 0x80)
            size--; /* not in the middle of a character */
        memcpy(text, names->text.data + begin, size);
    }
    text[size] = 0;
    return size > 0 ? size
                    : (size_t)snprintf(text, CLASS_NAME_MAX, "%u", (unsigned)class);
}
