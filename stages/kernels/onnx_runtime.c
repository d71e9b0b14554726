/* onnx_runtime.c - ONNX Runtime, opened at run time; its doorkeeper */
#include "stages/kernels/onnx_runtime.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/log.h"
#include "core/platform.h"
#include "stages/kernels/onnx_parts.h"

static const char library_name[] = "libonnxruntime.so.1";
/* Debian's packages put the second number into the name of the file. */
enum { MINOR_FIRST = ORT_API_WANTED, MINOR_LAST = 60 };

enum error_code onnx_check(const struct onnx_runtime *runtime, struct ort_status *status,
                           enum error_code code, struct error *error)
{
    static const char *const no_memory[] = {"bad_alloc", "bad allocation",
                                            "Failed to allocate memory"};
    char text[400];
    if (!status)
        return OK;
    (void)snprintf(text, sizeof text, "%s", runtime->api->get_error_message(status));
    runtime->api->release_status(status);
    for (char *at = text; *at; at++) {
        if ((unsigned char)*at < ' ')
            *at = ' ';
    }
    for (size_t i = 0; i < sizeof no_memory / sizeof no_memory[0]; i++) {
        if (strstr(text, no_memory[i]))
            code = ERROR_MEMORY;
    }
    return error_set(error, code, "ONNX Runtime: %s", text);
}

static void log_line(void *user, unsigned severity, const char *category, const char *id,
                     const char *place, const char *message)
{
    (void)user, (void)severity, (void)id;
    log_at(LEVEL_DEBUG, "ONNX Runtime: %s at %s: %s", category, place, message);
}

/* ---- where it is ---- */

/* Not unloaded when it is closed: its threads' and its processors' data outlive its
 * sessions. Its symbols serve nobody else. */
static void *open_library(const char *path)
{
    return dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
}

static enum error_code open_named(struct onnx_runtime *runtime, const char *path,
                                  const char *origin, struct error *error)
{
    int size = snprintf(runtime->path, sizeof runtime->path, "%s", path);
    if (size < 0 || (size_t)size >= sizeof runtime->path)
        return error_set(error, ERROR_CONFIG, "the path of ONNX Runtime%s is too long",
                         origin);
    runtime->library = open_library(path);
    if (!runtime->library)
        return error_set(error, ERROR_CONFIG, "cannot open ONNX Runtime%s: %s", origin,
                         dlerror());
    return OK;
}

static enum error_code open_by_loader(struct onnx_runtime *runtime, struct error *error)
{
    (void)snprintf(runtime->path, sizeof runtime->path, "%s", library_name);
    runtime->library = open_library(runtime->path);
    for (int minor = MINOR_LAST; !runtime->library && minor >= MINOR_FIRST; minor--) {
        (void)snprintf(runtime->path, sizeof runtime->path, "%s.%d", library_name, minor);
        runtime->library = open_library(runtime->path);
    }
    if (runtime->library)
        return OK;
    return error_set(
        error, ERROR_CONFIG,
        "ONNX Runtime is not installed: there is no %s beside the "
        "executable, in %s or where the system's loader looks; fetch it with "
        "\"pipelines/prepare_onnxruntime data\" in millrace's source folder, "
        "or name it in MILLRACE_ONNXRUNTIME",
        library_name, module_path_installed());
}

static enum error_code find_library(struct onnx_runtime *runtime, const char *path,
                                    struct error *error)
{
    const char *wanted = getenv("MILLRACE_ONNXRUNTIME");
    char found[MODULE_PATH_SIZE];
    bool is_found;
    if (path)
        return open_named(runtime, path, "", error);
    if (wanted && *wanted)
        return open_named(runtime, wanted, ", named in MILLRACE_ONNXRUNTIME", error);
    enum error_code code =
        module_path_find(library_name, "data", found, &is_found, error);
    if (code != OK)
        return code;
    return is_found ? open_named(runtime, found, "", error)
                    : open_by_loader(runtime, error);
}

/* ---- opening ---- */

static enum error_code find_functions(struct onnx_runtime *runtime, struct error *error)
{
    void *symbol = dlsym(runtime->library, "OrtGetApiBase");
    ort_get_api_base get_api_base;
    static_assert(sizeof symbol == sizeof get_api_base, "as POSIX has it");
    memcpy(&get_api_base, &symbol, sizeof symbol);
    const struct ort_api_base *base = symbol ? get_api_base() : NULL;
    if (!base)
        return error_set(error, ERROR_CONFIG, "\"%s\" is not ONNX Runtime",
                         runtime->path);
    (void)snprintf(runtime->version, sizeof runtime->version, "%s", base->get_version());
    char *end;
    unsigned long major = strtoul(runtime->version, &end, 10);
    unsigned long minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
    if (major == 1 && minor >= ORT_API_WANTED) /* else it would complain by itself */
        runtime->api = base->get_api(ORT_API_WANTED);
    if (!runtime->api)
        return error_set(error, ERROR_CONFIG,
                         "\"%s\" is ONNX Runtime %s: millrace goes with 1.%d and later "
                         "versions of 1",
                         runtime->path, runtime->version, ORT_API_WANTED);
    return OK;
}

static enum error_code open_environment(struct onnx_runtime *runtime, struct error *error)
{
    const struct ort_api *api = runtime->api;
    enum error_code code = onnx_check(
        runtime,
        api->create_env(log_line, NULL, ORT_SEVERITY_WARNING, "millrace", &runtime->env),
        ERROR_CONFIG, error);
    if (code == OK)
        code = onnx_check(runtime, api->disable_telemetry(runtime->env), ERROR_CONFIG,
                          error);
    if (code == OK)
        code = onnx_check(runtime,
                          api->create_memory_info(ORT_DEVICE_ALLOCATOR,
                                                  ORT_DEFAULT_MEMORY, &runtime->memory),
                          ERROR_CONFIG, error);
    if (code != OK)
        return error_wrap(error, "cannot start \"%s\"", runtime->path);
    const char *build = api->get_build_info();
    (void)snprintf(runtime->name, sizeof runtime->name, "onnxruntime %s %08x",
                   runtime->version, (unsigned)(hash64(build, strlen(build), 0) >> 32));
    return OK;
}

enum error_code onnx_runtime_open(const char *path, struct onnx_runtime **runtime,
                                  struct error *error)
{
    struct onnx_runtime *opened = calloc(1, sizeof *opened);
    if (!opened)
        return error_set(error, ERROR_MEMORY, "no memory to open ONNX Runtime");
    enum error_code code = find_library(opened, path, error);
    if (code == OK)
        code = find_functions(opened, error);
    if (code == OK)
        code = open_environment(opened, error);
    if (code != OK) {
        onnx_runtime_close(opened);
        return code;
    }
    *runtime = opened;
    return OK;
}

void onnx_runtime_close(struct onnx_runtime *runtime)
{
    if (!runtime)
        return;
    if (runtime->memory)
        runtime->api->release_memory_info(runtime->memory);
    if (runtime->env)
        runtime->api->release_env(runtime->env);
    if (runtime->library)
        (void)dlclose(runtime->library);
    free(runtime);
}

const char *onnx_runtime_version(const struct onnx_runtime *runtime)
{
    return runtime->version;
}

const char *onnx_runtime_path(const struct onnx_runtime *runtime)
{
    return runtime->path;
}

const char *onnx_runtime_name(const struct onnx_runtime *runtime)
{
    return runtime->name;
}

enum error_code onnx_runtime_copy_name(char *name, size_t size, struct error *error)
{
    struct onnx_runtime *runtime = NULL;
    enum error_code code = onnx_runtime_open(NULL, &runtime, error);
    if (code != OK || !runtime)
        return code;
    (void)snprintf(name, size, "%s", runtime->name);
    onnx_runtime_close(runtime);
    return OK;
}
