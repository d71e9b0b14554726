/* tar_scan.c - the members of a tar file, found one after another */
#include "core/tar_scan.h"

#include <string.h>

#include "core/hash.h"

enum { BLOCK = 512, NAME_AT = 0, SIZE_AT = 124, SUM_AT = 148, TYPE_AT = 156 };
enum { MAGIC_AT = 257, PREFIX_AT = 345, NAME_FIELD = 100, PREFIX_FIELD = 155 };
enum { SUM_FIELD = 8, SIZE_FIELD = 12, JUNK_MARK = 1 };

/* What headers before a member say of it. */
struct extension {
    const unsigned char *name;
    size_t name_size;
    uint64_t size;
    bool has_size;
};

static bool is_zero(const unsigned char *block, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (block[i])
            return false;
    return true;
}

/* Octal digits, or a big-endian number behind a byte of 0x80. False: neither. */
static bool read_number(const unsigned char *field, size_t size, uint64_t *value)
{
    uint64_t sum = 0;
    size_t i = 0;
    if (field[0] & 0x80) {
        size_t first = size > 8 ? size - 8 : 1; /* no more fits */
        if (field[0] != 0x80 || !is_zero(field + 1, first - 1))
            return false;
        for (i = first; i < size; i++)
            sum = sum << 8 | field[i];
        *value = sum;
        return sum < UINT64_MAX / 2;
    }
    while (i < size && field[i] == ' ')
        i++;
    bool has_digit = false;
    for (; i < size && field[i] >= '0' && field[i] <= '7'; i++, has_digit = true)
        sum = sum << 3 | (uint64_t)(field[i] - '0');
    *value = sum;
    return (has_digit || i == size || field[i] == 0) &&
           (i == size || field[i] == 0 || field[i] == ' ');
}

/* Is the block a header? Old programs took bytes as signed. */
static bool is_header(const unsigned char *block)
{
    uint64_t wanted, size;
    uint64_t sum = 0;
    int64_t signed_sum = 0;
    for (size_t i = 0; i < BLOCK; i++) {
        unsigned char byte =
            i >= SUM_AT && i < SUM_AT + SUM_FIELD ? (unsigned char)' ' : block[i];
        sum += byte;
        signed_sum += byte < 128 ? byte : (int64_t)byte - 256;
    }
    if (!read_number(block + SUM_AT, SUM_FIELD, &wanted) ||
        !read_number(block + SIZE_AT, SIZE_FIELD, &size) || block[NAME_AT] == 0)
        return false;
    return wanted == sum || (signed_sum >= 0 && wanted == (uint64_t)signed_sum);
}

static size_t field_size(const unsigned char *field, size_t most)
{
    const unsigned char *end = memchr(field, 0, most);
    return end ? (size_t)(end - field) : most;
}

/* pax: lines of "LENGTH KEY=VALUE\n". */
static void read_pax(const unsigned char *data, size_t size, struct extension *extension)
{
    size_t at = 0;
    while (at < size) {
        size_t length = 0, i = at;
        for (; i < size && data[i] >= '0' && data[i] <= '9' && length < size; i++)
            length = length * 10 + (size_t)(data[i] - '0');
        if (i == at || i == size || data[i] != ' ' || length > size - at ||
            length < i - at + 2)
            return;
        const unsigned char *key = data + i + 1;
        size_t left = at + length - (i + 1) - 1; /* without the line feed */
        if (left >= 5 && memcmp(key, "path=", 5) == 0) {
            extension->name = key + 5;
            extension->name_size = left - 5;
        } else if (left > 5 && memcmp(key, "size=", 5) == 0) {
            uint64_t value = 0;
            for (size_t k = 5;
                 k < left && key[k] >= '0' && key[k] <= '9' && value < UINT64_MAX / 32;
                 k++)
                value = value * 10 + (uint64_t)(key[k] - '0');
            extension->size = value;
            extension->has_size = true;
        }
        at += length;
    }
}

static uint64_t padded(uint64_t size)
{
    return (size + BLOCK - 1) / BLOCK * BLOCK;
}

static enum tar_kind junk(size_t size, struct tar_unit *unit)
{
    *unit =
        (struct tar_unit){.kind = TAR_JUNK, .size = size < BLOCK ? size : (size_t)BLOCK};
    return TAR_JUNK;
}

/* The member whose own header is at data[at], behind those of its extension. */
static enum tar_kind take_member(const unsigned char *data, size_t at,
                                 const struct extension *extension, struct tar_unit *unit)
{
    const unsigned char *header = data + at;
    char type = (char)header[TYPE_AT];
    bool is_file = type == 0 || type == '0' || type == '7';
    uint64_t size = 0;
    (void)read_number(header + SIZE_AT, SIZE_FIELD, &size);
    if (extension->has_size)
        size = extension->size;
    /* Links and the like have no content, whatever the field says. */
    if (type >= '1' && type <= '6')
        size = 0;
    *unit = (struct tar_unit){.kind = is_file ? TAR_FILE : TAR_OTHER,
                              .size = at + BLOCK + padded(size),
                              .data_begin = at + BLOCK,
                              .data_size = size};
    unit->name = header + NAME_AT;
    unit->name_size = field_size(header + NAME_AT, NAME_FIELD);
    if (memcmp(header + MAGIC_AT, "ustar\0", 6) == 0) {
        unit->prefix = header + PREFIX_AT;
        unit->prefix_size = field_size(header + PREFIX_AT, PREFIX_FIELD);
    }
    if (extension->name) {
        unit->name = extension->name;
        unit->name_size = extension->name_size;
        unit->prefix_size = 0;
    }
    if (is_file && unit->name_size > 0 && unit->name[unit->name_size - 1] == '/')
        unit->kind = TAR_OTHER; /* a folder, before there was a type for it */
    return unit->kind;
}

enum tar_kind tar_look(const unsigned char *data, size_t size, bool is_end,
                       struct tar_unit *unit)
{
    struct extension extension = {0};
    size_t at = 0;
    if (size < BLOCK && !is_end)
        return TAR_MORE;
    size_t first = size < BLOCK ? size : (size_t)BLOCK;
    if (is_zero(data, first)) {
        *unit = (struct tar_unit){.kind = TAR_PADDING, .size = first};
        return TAR_PADDING;
    }
    for (;;) {
        if (size - at < BLOCK)
            return is_end ? junk(size, unit) : TAR_MORE;
        if (!is_header(data + at))
            return junk(size, unit);
        char type = (char)data[at + TYPE_AT];
        if (type != 'x' && type != 'L' && type != 'K')
            return take_member(data, at, &extension, unit);
        uint64_t length = 0;
        (void)read_number(data + at + SIZE_AT, SIZE_FIELD, &length);
        if (length > TAR_HEADERS_MAX - at)
            return junk(size, unit);
        if (size - at - BLOCK < padded(length))
            return is_end ? junk(size, unit) : TAR_MORE;
        const unsigned char *text = data + at + BLOCK;
        if (type == 'x') {
            read_pax(text, (size_t)length, &extension);
        } else if (type == 'L') {
            extension.name = text;
            extension.name_size = field_size(text, (size_t)length);
        }
        at += BLOCK + (size_t)padded(length);
        if (at > TAR_HEADERS_MAX)
            return junk(size, unit);
    }
}

size_t tar_unit_name(const struct tar_unit *unit, char name[TAR_NAME_MAX])
{
    size_t size = 0;
    if (unit->prefix_size > 0) {
        memcpy(name, unit->prefix, unit->prefix_size);
        size = unit->prefix_size;
        name[size++] = '/';
    }
    size_t room = TAR_NAME_MAX - size;
    size_t count = unit->name_size < room ? unit->name_size : room;
    memcpy(name + size, unit->name, count);
    return size + count;
}

/* Where the extension's dot stands, or the end. */
static size_t base_size(const char *name, size_t size)
{
    size_t begin = size;
    while (begin > 0 && name[begin - 1] != '/')
        begin--;
    const char *dot = begin < size ? memchr(name + begin, '.', size - begin) : NULL;
    return dot && dot > name + begin ? (size_t)(dot - name) : size;
}

bool tar_sample_takes(struct tar_sample *sample, const struct tar_unit *unit)
{
    char name[TAR_NAME_MAX];
    uint64_t mark = 0;
    if (unit->kind == TAR_JUNK)
        mark = JUNK_MARK;
    else if (unit->kind == TAR_FILE)
        mark = hash64(name, base_size(name, tar_unit_name(unit, name)), 0) | 2;
    bool is_taken = mark != 0 && mark == sample->mark &&
                    (unit->kind == TAR_JUNK || sample->count < TAR_SAMPLE_MAX);
    if (!is_taken)
        *sample = (struct tar_sample){.mark = mark};
    sample->count++;
    return is_taken;
}

void tar_extension(const char *name, size_t size, char *extension, size_t capacity)
{
    size_t at = base_size(name, size) + 1, count = 0;
    for (; at < size && count + 1 < capacity; at++, count++)
        extension[count] =
            name[at] >= 'A' && name[at] <= 'Z' ? (char)(name[at] - 'A' + 'a') : name[at];
    extension[count] = 0;
}
