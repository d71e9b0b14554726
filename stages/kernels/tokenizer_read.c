/* tokenizer_read.c - read a tokenizer of whatever format from a file or a folder */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/json.h"
#include "stages/kernels/bert_vocab_file.h"
#include "stages/kernels/gpt2_files.h"
#include "stages/kernels/sentencepiece_file.h"
#include "stages/kernels/tiktoken_spec.h"
#include "stages/kernels/tokenizer.h"
#include "stages/kernels/tokenizer_json.h"
#include "stages/kernels/tokenizer_spec.h"

enum { FILE_SIZE_MAX = 256 << 20, PATH_SIZE = 4096 };

static enum error_code read_file(const char *path, struct bytes *content,
                                 struct error *error)
{
    enum { STEP = 1 << 18 };
    enum error_code code = OK;
    FILE *file = fopen(path, "rb");
    if (!file)
        return error_set_errno(error, ERROR_IO, errno, "cannot open vocabulary \"%s\"",
                               path);
    size_t size = 0;
    do {
        unsigned char *room = bytes_reserve(content, STEP);
        size = room ? fread(room, 1, STEP, file) : 0;
        content->size += size;
    } while (size > 0 && content->size <= FILE_SIZE_MAX);
    if (content->is_bad)
        code =
            error_set(error, ERROR_MEMORY, "no memory to read vocabulary \"%s\"", path);
    else if (ferror(file))
        code = error_set_errno(error, ERROR_IO, errno, "cannot read vocabulary \"%s\"",
                               path);
    else if (content->size > FILE_SIZE_MAX)
        code = error_set(error, ERROR_CONFIG, "vocabulary \"%s\" is larger than 256 MiB",
                         path);
    (void)fclose(file);
    return code;
}

/* ---- which file, and what it is ---- */

static bool ends_with(const char *path, const char *end)
{
    size_t size = strlen(path), end_size = strlen(end);
    return size >= end_size && strcmp(path + size - end_size, end) == 0;
}

/* `path` with its end `from` put in place of by `to`. False: too long. */
static bool sibling(const char *path, const char *from, const char *to,
                    char other[PATH_SIZE])
{
    int size = (int)(strlen(path) - strlen(from));
    int written = snprintf(other, PATH_SIZE, "%.*s%s", size, path, to);
    return written > 0 && written < PATH_SIZE;
}

static bool is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* The file of a folder that says what the tokenizer is. */
static enum error_code find_in_folder(const char *folder, char path[PATH_SIZE],
                                      struct error *error)
{
    static const char *const names[] = {"tokenizer.json", "tokenizer.model", "vocab.json",
                                        "vocab.txt"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct stat status;
        int written = snprintf(path, PATH_SIZE, "%s/%s", folder, names[i]);
        if (written > 0 && written < PATH_SIZE && stat(path, &status) == 0)
            return OK;
    }
    return error_set(error, ERROR_CONFIG,
                     "folder \"%s\" has no tokenizer.json, tokenizer.model, vocab.json "
                     "or vocab.txt",
                     folder);
}

enum format {
    FORMAT_TOKENIZER_JSON,
    FORMAT_VOCAB_JSON,
    FORMAT_MERGES,
    FORMAT_TIKTOKEN,
    FORMAT_SENTENCEPIECE,
    FORMAT_VOCAB_TXT,
    FORMAT_UNKNOWN
};

static bool is_blank(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_base64(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           c == '+' || c == '/' || c == '=';
}

/* The first line that is not empty: base64, a space, a number. */
static bool looks_like_tiktoken(const unsigned char *at, const unsigned char *end)
{
    while (at < end && (*at == '\n' || *at == '\r'))
        at++;
    const unsigned char *begin = at;
    while (at < end && is_base64(*at))
        at++;
    if (at == begin || (at - begin) % 4 != 0 || at == end || *at++ != ' ')
        return false;
    begin = at;
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at > begin && (at == end || *at == '\n' || *at == '\r');
}

/* Field 1 of ModelProto, a piece, whose field 1 is its text. */
static bool looks_like_sentencepiece(const unsigned char *at, size_t size)
{
    if (size < 8 || at[0] != 0x0A)
        return false;
    size_t head = 1;
    while (head < 6 && at[head] & 0x80)
        head++;
    return at[head + 1] == 0x0A && !json_is_utf8(at, size);
}

static bool has_line(const unsigned char *at, const unsigned char *end, const char *line)
{
    size_t size = strlen(line);
    while (at < end) {
        const unsigned char *next = memchr(at, '\n', (size_t)(end - at));
        size_t left = (size_t)((next ? next : end) - at);
        if (left >= size && memcmp(at, line, size) == 0 &&
            (left == size || is_blank(at[size])))
            return true;
        at = next ? next + 1 : end;
    }
    return false;
}

static enum format tell_format(const char *path, const unsigned char *text, size_t size)
{
    const unsigned char *end = text + size, *at = text;
    if (looks_like_sentencepiece(text, size))
        return FORMAT_SENTENCEPIECE;
    while (at < end && is_blank(*at))
        at++;
    if (at < end && *at == '{')
        return gpt2_files_is_vocabulary(text, size) ? FORMAT_VOCAB_JSON
                                                    : FORMAT_TOKENIZER_JSON;
    if (size >= 8 && memcmp(text, "#version", 8) == 0)
        return FORMAT_MERGES;
    if (looks_like_tiktoken(text, end))
        return FORMAT_TIKTOKEN;
    if (has_line(text, end, "[UNK]"))
        return FORMAT_VOCAB_TXT;
    return ends_with(path, "merges.txt") ? FORMAT_MERGES : FORMAT_UNKNOWN;
}

/* ---- reading ---- */

/* GPT-2's two files: `first` is the content of `path`, the other one lies beside it. */
static enum error_code read_pair(const char *path, bool is_vocabulary,
                                 const struct bytes *first, struct arena *arena,
                                 struct tokenizer_spec *spec, struct error *error)
{
    const char *own = is_vocabulary ? "vocab.json" : "merges.txt";
    const char *wanted = is_vocabulary ? "merges.txt" : "vocab.json";
    char other[PATH_SIZE];
    struct bytes second = {0};
    if (!ends_with(path, own) || !sibling(path, own, wanted, other))
        return error_set(error, ERROR_CONFIG,
                         "its name does not end in %s, so that its %s could be found",
                         own, wanted);
    enum error_code code = read_file(other, &second, error);
    const struct bytes *vocabulary = is_vocabulary ? first : &second;
    const struct bytes *merges = is_vocabulary ? &second : first;
    if (code == OK)
        code = gpt2_files_read(vocabulary->data, vocabulary->size, merges->data,
                               merges->size, arena, spec, error);
    bytes_clear(&second);
    return code;
}

static enum error_code read_content(const char *path, const char *pattern,
                                    const struct bytes *content, struct arena *arena,
                                    struct tokenizer_spec *spec, struct error *error)
{
    static const char *const not_known =
        "it is no .tiktoken file, tokenizer.json, SentencePiece model, vocab.json with "
        "merges.txt or vocab.txt of BERT";
    enum format format = tell_format(path, content->data, content->size);
    bool is_named = pattern && strcmp(pattern, "auto") != 0;
    if (is_named && format != FORMAT_TIKTOKEN && format != FORMAT_UNKNOWN)
        return error_set(error, ERROR_CONFIG,
                         "a pattern can be named for .tiktoken files alone");
    switch (format) {
    case FORMAT_TOKENIZER_JSON:
        return tokenizer_json_read(content->data, content->size, arena, spec, error);
    case FORMAT_VOCAB_JSON:
        return read_pair(path, true, content, arena, spec, error);
    case FORMAT_MERGES:
        return read_pair(path, false, content, arena, spec, error);
    case FORMAT_TIKTOKEN:
        return tiktoken_spec_read(content->data, content->size, pattern, arena, spec,
                                  error);
    case FORMAT_VOCAB_TXT:
        return bert_vocab_read(content->data, content->size, BERT_CASE_AUTO, arena, spec,
                               error);
    case FORMAT_SENTENCEPIECE:
        return sentencepiece_read(content->data, content->size, arena, spec, error);
    case FORMAT_UNKNOWN:
        break;
    }
    return error_set(error, ERROR_CONFIG, "%s", not_known);
}

enum error_code tokenizer_read(const char *path, const char *pattern, struct arena *arena,
                               const struct tokenizer_spec **spec, struct error *error)
{
    char found[PATH_SIZE];
    const char *file = path;
    struct bytes content = {0};
    struct tokenizer_spec *read = ARENA_NEW(arena, struct tokenizer_spec, 1);
    if (!read)
        return error_set(error, ERROR_MEMORY, "no memory to read a tokenizer");
    if (is_folder(path)) {
        enum error_code code = find_in_folder(path, found, error);
        if (code != OK)
            return code;
        file = found;
    }
    enum error_code code = read_file(file, &content, error);
    if (code == OK) {
        code = read_content(file, pattern, &content, arena, read, error);
        if (code != OK)
            (void)error_wrap(error, "vocabulary \"%s\"", file);
    }
    bytes_clear(&content);
    if (code == OK)
        *spec = read;
    return code;
}
