/* diagnostics.c - all errors of a user's file, to be told in one go */
#include "core/diagnostics.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"

enum { DIAGNOSTICS_MAX = 500, MESSAGE_MAX = 600, NAME_MAX_LENGTH = 64, KNOWN_MAX = 400 };

static bool grow(struct diagnostics *list)
{
    size_t capacity = list->capacity ? list->capacity * 2 : 16;
    struct diagnostic *items = ARENA_NEW(list->arena, struct diagnostic, capacity);
    if (!items)
        return false;
    if (list->count)
        memcpy(items, list->items, list->count * sizeof *items);
    list->items = items;
    list->capacity = capacity;
    return true;
}

/* Cut a text that did not fit so that it ends in "..." and in no half of a character. */
static void mark_cut(char *text, size_t size)
{
    size_t end = size - 4;
    while (end > 0 && ((unsigned char)text[end] & 0xC0) == 0x80)
        end--;
    memcpy(text + end, "...", 4);
}

static size_t character_size(const unsigned char *at)
{
    size_t size = *at < 0xC0 ? 1 : *at < 0xE0 ? 2 : *at < 0xF0 ? 3 : 4;
    for (size_t i = 1; i < size; i++)
        if ((at[i] & 0xC0) != 0x80)
            return 1;
    return size;
}

/* A message is one line and does nothing to a terminal, whatever it quotes; where a quote
 * was cut, half a character may be left. */
static void clean(char *text)
{
    for (unsigned char *at = (unsigned char *)text; *at;) {
        size_t size = character_size(at);
        bool is_control = *at < 0x20 || *at == 0x7F || (*at == 0xC2 && at[1] < 0xA0);
        if (is_control || (size == 1 && *at >= 0x80))
            memset(at, '?', size);
        at += size;
    }
}

void diagnostics_add(struct diagnostics *list, struct source_position where,
                     const char *format, ...)
{
    char text[MESSAGE_MAX];
    if (list->count >= DIAGNOSTICS_MAX)
        return;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    if ((size_t)length >= sizeof text)
        mark_cut(text, sizeof text);
    clean(text);
    if (list->count == list->capacity && !grow(list))
        return;
    const char *copy = arena_copy_text(list->arena, text, strlen(text));
    if (!copy)
        return;
    list->items[list->count] = (struct diagnostic){.where = where, .text = copy};
    list->count++;
}

static int compare_places(const struct source_position *a,
                          const struct source_position *b)
{
    const char *left = a->file ? a->file : "", *right = b->file ? b->file : "";
    bool is_left_set = strcmp(left, "--set") == 0,
         is_right_set = strcmp(right, "--set") == 0;
    if (is_left_set != is_right_set)
        return is_left_set ? 1 : -1;
    int order = strcmp(left, right);
    if (order != 0)
        return order;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    if (a->column != b->column)
        return a->column < b->column ? -1 : 1;
    return 0;
}

/* Insertion sort: stable, and the errors come nearly in order. */
void diagnostics_sort(struct diagnostics *list)
{
    for (size_t i = 1; i < list->count; i++) {
        struct diagnostic moving = list->items[i];
        size_t at = i;
        while (at > 0 && compare_places(&list->items[at - 1].where, &moving.where) > 0) {
            list->items[at] = list->items[at - 1];
            at--;
        }
        list->items[at] = moving;
    }
}

void diagnostics_print(const struct diagnostics *list, FILE *file)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct diagnostic *item = &list->items[i];
        if (item->where.file)
            (void)fprintf(file, "%s:", item->where.file);
        if (item->where.line)
            (void)fprintf(file, "%u:%u:", (unsigned)item->where.line,
                          (unsigned)item->where.column);
        (void)fprintf(file, "%s%s\n", item->where.file ? " " : "", item->text);
    }
}

static char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c == '-' ? '_' : c;
}

static size_t least(size_t a, size_t b, size_t c)
{
    size_t both = a < b ? a : b;
    return both < c ? both : c;
}

/* Insertions, deletions, replacements and swaps of neighbours that turn one text into
 * the other (optimal string alignment). Lengths up to NAME_MAX_LENGTH. */
static size_t edit_distance(const char *a, size_t a_length, const char *b,
                            size_t b_length)
{
    size_t rows[3][NAME_MAX_LENGTH + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b_length; j++) {
        before[j] = 0;
        above[j] = j;
    }
    for (size_t i = 1; i <= a_length; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t cost = fold(a[i - 1]) != fold(b[j - 1]);
            row[j] = least(above[j] + 1, row[j - 1] + 1, above[j - 1] + cost);
            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
                fold(a[i - 2]) == fold(b[j - 1]) && before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
        size_t *oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return above[b_length];
}

static bool begins_with(const char *text, const char *head, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (fold(text[i]) != fold(head[i]))
            return false;
    return true;
}

/* A short form of a name ("vocab"), or a name with something behind it ("stages_list").
 * Nearly as good as one edit. */
static bool is_part(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t shorter = a_length < b_length ? a_length : b_length;
    return shorter >= 3 && begins_with(a, b, shorter);
}

const char *nearest_name(const char *text, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t best_distance = SIZE_MAX, length = strlen(text);
    if (length == 0 || length > NAME_MAX_LENGTH)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t name_length = strlen(names[i]);
        if (name_length > NAME_MAX_LENGTH)
            continue;
        size_t bound = length < 6 ? 1 + (length > 3) : length / 3;
        size_t distance = edit_distance(text, length, names[i], name_length);
        if (distance > bound && is_part(text, length, names[i], name_length))
            distance = bound;
        if (distance > bound || distance >= name_length || distance >= length ||
            distance >= best_distance)
            continue;
        best = names[i];
        best_distance = distance;
    }
    return best;
}

const char *suggest_name(const char *wrong, const char *const *names, size_t count,
                         char *text, size_t size)
{
    const char *nearest = nearest_name(wrong, names, count);
    text[0] = 0;
    if (nearest) {
        (void)snprintf(text, size, "; did you mean \"%s\"?", nearest);
        return text;
    }
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += strlen(names[i]) + 2;
    if (count == 0 || total + 16 > size || total > KNOWN_MAX)
        return text;
    size_t used = (size_t)snprintf(text, size, "; known %s ", count > 1 ? "are" : "is");
    for (size_t i = 0; i < count; i++) {
        const char *joint = i == 0 ? "" : i + 1 == count ? " and " : ", ";
        int written = snprintf(text + used, size - used, "%s%s", joint, names[i]);
        if (written < 0 || (size_t)written >= size - used)
            break;
        used += (size_t)written;
    }
    return text;
}
