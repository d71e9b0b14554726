/* tokenizer_file.c - a vocabulary file as stages use it: checked, prepared, opened */
#include "stages/kernels/tokenizer_file.h"

#include <errno.h>
#include <stdio.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "stages/kernels/tokenizer.h"

enum { WORK_BLOCK = 4 << 20 };

/* Read the file; the specification lives in `work`. */
static enum error_code read_and_check(const struct tokenizer_wish *wish,
                                      struct arena *work,
                                      const struct tokenizer_spec **spec,
                                      struct error *error)
{
    enum error_code code = tokenizer_read(wish->path, wish->pattern, work, spec, error);
    if (code != OK)
        return code;
    if (wish->options)
        code = tokenizer_check(*spec, wish->options, error);
    if (code == OK && (wish->is_decoded || wish->is_lossless))
        code = tokenizer_check_decoder(*spec, error);
    if (code == OK && wish->is_lossless && !tokenizer_is_lossless(*spec))
        code = error_set(error, ERROR_CONFIG,
                         "its tokens do not spell the text to the byte, so that there is "
                         "no round trip to check");
    if (code != OK)
        (void)error_wrap(error, "vocabulary \"%s\"", wish->path);
    return code;
}

enum error_code tokenizer_file_check(const struct tokenizer_wish *wish,
                                     struct error *error)
{
    const struct tokenizer_spec *spec;
    struct arena *work = arena_create(WORK_BLOCK, 0);
    if (!work)
        return error_set(error, ERROR_MEMORY, "no memory to check a vocabulary");
    enum error_code code = read_and_check(wish, work, &spec, error);
    arena_destroy(work);
    return code;
}

static enum error_code write_file(const char *path, const struct bytes *content,
                                  struct error *error)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        return error_set_errno(error, ERROR_IO, errno, "cannot create \"%s\"", path);
    bool is_written = fwrite(content->data, 1, content->size, file) == content->size;
    int number = errno;
    if (fclose(file) != 0 && is_written) {
        is_written = false;
        number = errno;
    }
    if (!is_written)
        return error_set_errno(error, ERROR_IO, number, "cannot write \"%s\"", path);
    return OK;
}

enum error_code tokenizer_file_prepare(const struct tokenizer_wish *wish,
                                       const char *path, struct error *error)
{
    const struct tokenizer_spec *spec;
    struct bytes image = {0};
    struct arena *work = arena_create(WORK_BLOCK, 0);
    if (!work)
        return error_set(error, ERROR_MEMORY, "no memory to compile a vocabulary");
    enum error_code code = read_and_check(wish, work, &spec, error);
    if (code == OK) {
        code = tokenizer_build(spec, work, &image, error);
        if (code != OK)
            (void)error_wrap(error, "vocabulary \"%s\"", wish->path);
    }
    if (code == OK)
        code = write_file(path, &image, error);
    bytes_clear(&image);
    arena_destroy(work);
    return code;
}
