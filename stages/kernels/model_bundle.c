/* model_bundle.c - the models of a stage in one file, compiled for this machine */
#include "stages/kernels/model_bundle.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "stages/kernels/onnx_runtime.h"
#include "stages/kernels/onnx_session.h"

enum { PAGE = 4096, NAME_SIZE = 128, COPY_SIZE = 1 << 16, PATH_SIZE = 4096 };
#define MAGIC 0x32646e7562726d31 /* "1mrbund2" */

/* The first page of the file. */
struct bundle_header {
    uint64_t magic, count;
    char runtime[NAME_SIZE];
    uint64_t notes[BUNDLE_NOTES];
    uint64_t offsets[BUNDLE_MODELS_MAX], sizes[BUNDLE_MODELS_MAX];
};

/* Behind the last model, at a page: the file at `path`. */
static enum error_code append_file(FILE *out, const char *path, uint64_t *at,
                                   uint64_t *size, struct error *error)
{
    enum error_code code = OK;
    FILE *in = fopen(path, "rb");
    char buffer[COPY_SIZE];
    *size = 0;
    if (!in)
        code = error_set_errno(error, ERROR_IO, errno, "cannot read %s", path);
    else if (fseek(out, (long)*at, SEEK_SET))
        code = error_set_errno(error, ERROR_IO, errno, "cannot write a bundle");
    while (code == OK) {
        size_t got = fread(buffer, 1, sizeof buffer, in);
        if (got == 0)
            break;
        if (fwrite(buffer, 1, got, out) != got)
            code = error_set_errno(error, ERROR_IO, errno, "cannot write a bundle");
        *size += got;
    }
    if (code == OK && ferror(in))
        code = error_set_errno(error, ERROR_IO, errno, "cannot read %s", path);
    if (in)
        (void)fclose(in);
    return code;
}

static enum error_code append_model(const struct onnx_runtime *runtime, FILE *out,
                                    const char *path, const char *target, size_t i,
                                    struct bundle_header *header, uint64_t *at,
                                    struct error *error)
{
    char compiled[PATH_SIZE];
    if (snprintf(compiled, sizeof compiled, "%s.model", target) >= (int)sizeof compiled)
        return error_set(error, ERROR_IO, "the path %s is too long", target);
    header->offsets[i] = *at;
    enum error_code code = onnx_model_compile(runtime, path, compiled, error);
    if (code == OK)
        code = append_file(out, compiled, at, &header->sizes[i], error);
    (void)remove(compiled);
    *at += (header->sizes[i] + PAGE - 1) / PAGE * PAGE;
    return code;
}

enum error_code model_bundle_write(const struct onnx_runtime *runtime,
                                   const char *const *paths, size_t count,
                                   const uint64_t notes[BUNDLE_NOTES], const char *target,
                                   struct error *error)
{
    struct bundle_header header = {.magic = MAGIC, .count = count};
    uint64_t at = PAGE;
    if (count > BUNDLE_MODELS_MAX)
        return error_set(error, ERROR_FATAL, "too many models for a bundle");
    (void)snprintf(header.runtime, sizeof header.runtime, "%s",
                   onnx_runtime_name(runtime));
    memcpy(header.notes, notes, sizeof header.notes);
    FILE *out = fopen(target, "wb");
    if (!out)
        return error_set_errno(error, ERROR_IO, errno, "cannot write %s", target);
    enum error_code code = OK;
    for (size_t i = 0; code == OK && i < count; i++)
        code = append_model(runtime, out, paths[i], target, i, &header, &at, error);
    if (code == OK && (fseek(out, 0, SEEK_SET) ||
                       fwrite(&header, sizeof header, 1, out) != 1 || fflush(out)))
        code = error_set_errno(error, ERROR_IO, errno, "cannot write %s", target);
    if (fclose(out) && code == OK)
        code = error_set_errno(error, ERROR_IO, errno, "cannot write %s", target);
    if (code != OK)
        (void)remove(target);
    return code;
}

static bool is_whole(const struct bundle_header *header, size_t size)
{
    bool is_good = header->magic == MAGIC && header->count <= BUNDLE_MODELS_MAX;
    for (size_t i = 0; is_good && i < header->count; i++)
        is_good =
            header->offsets[i] <= size && header->sizes[i] <= size - header->offsets[i];
    return is_good;
}

enum error_code model_bundle_open(const struct onnx_runtime *runtime, const void *bundle,
                                  size_t size, size_t i, const char *name,
                                  struct onnx_session **session, struct error *error)
{
    struct bundle_header header;
    if (size < sizeof header)
        return error_set(error, ERROR_DAMAGED, "the prepared model %s is cut short",
                         name);
    memcpy(&header, bundle, sizeof header);
    if (!is_whole(&header, size) || i >= header.count)
        return error_set(error, ERROR_DAMAGED, "the prepared model %s is damaged", name);
    header.runtime[NAME_SIZE - 1] = 0;
    if (strcmp(header.runtime, onnx_runtime_name(runtime)) != 0)
        return error_set(error, ERROR_DAMAGED,
                         "the prepared model %s is of \"%s\", the library here is \"%s\"",
                         name, header.runtime, onnx_runtime_name(runtime));
    return onnx_session_open_bytes(runtime, name,
                                   (const unsigned char *)bundle + header.offsets[i],
                                   (size_t)header.sizes[i], session, error);
}

uint64_t model_bundle_note(const void *bundle, size_t i)
{
    struct bundle_header header;
    memcpy(&header, bundle, sizeof header);
    return header.notes[i];
}
