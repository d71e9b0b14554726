/* onnx_session.c - a model in ONNX format, ready to run */
#include "stages/kernels/onnx_session.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "stages/kernels/onnx_parts.h"

enum { ARENA_BLOCK = 4096, SHAPE_TEXT = 200, FOLDER_SIZE = 4096 };

struct ports {
    struct onnx_port *items; /* (count) */
    const char **names;      /* (count): of what is asked for in a run */
    size_t count;
};

struct model_bytes {
    void *map;        /* owned; NULL: the bytes are borrowed */
    const void *data; /* (size) */
    size_t size;
};

struct onnx_session {
    const struct onnx_runtime *runtime;
    struct ort_session *session;
    struct arena *arena; /* of this and of what stands below */
    struct model_bytes model;
    struct ports inputs, outputs;
    struct ort_value **given;       /* (inputs.count): around the caller's buffers */
    const struct ort_value **views; /* the same */
    struct ort_value **results;     /* (outputs.count), NULL: not there */
};

/* ---- types and shapes ---- */

static const struct {
    unsigned number; /* ONNX's */
    const char *name;
    size_t size;
} types[] = {
    [ONNX_OTHER] = {0, "another type", 0},
    [ONNX_F32] = {1, "f32", 4},
    [ONNX_F64] = {11, "f64", 8},
    [ONNX_F16] = {10, "f16", 2},
    [ONNX_U8] = {2, "u8", 1},
    [ONNX_I8] = {3, "i8", 1},
    [ONNX_I32] = {6, "i32", 4},
    [ONNX_I64] = {7, "i64", 8},
    [ONNX_BOOL] = {9, "bool", 1},
};
enum { TYPE_COUNT = sizeof types / sizeof types[0] };

const char *onnx_type_name(enum onnx_type type)
{
    return types[type].name;
}

size_t onnx_type_size(enum onnx_type type)
{
    return types[type].size;
}

static enum onnx_type type_of(unsigned number)
{
    for (size_t i = ONNX_OTHER + 1; i < TYPE_COUNT; i++) {
        if (types[i].number == number)
            return (enum onnx_type)i;
    }
    return ONNX_OTHER;
}

/* "(1, 3, ?, ?)" */
static const char *shape_text(const int64_t *shape, size_t rank, char text[SHAPE_TEXT])
{
    size_t used = (size_t)snprintf(text, SHAPE_TEXT, "(");
    for (size_t i = 0; i < rank; i++) {
        char number[24] = "?";
        if (shape[i] >= 0)
            (void)snprintf(number, sizeof number, "%lld", (long long)shape[i]);
        used += (size_t)snprintf(text + used, SHAPE_TEXT - used, "%s%s",
                                 i > 0 ? ", " : "", number);
    }
    (void)snprintf(text + used, SHAPE_TEXT - used, ")");
    return text;
}

/* Type and shape out of `info`; more dimensions than we take make it ONNX_OTHER. */
static enum error_code read_shape(const struct onnx_runtime *runtime,
                                  const struct ort_tensor_info *info,
                                  enum onnx_type *type, size_t *rank,
                                  int64_t shape[ONNX_RANK_MAX], struct error *error)
{
    const struct ort_api *api = runtime->api;
    unsigned number = 0;
    size_t found = 0;
    enum error_code code =
        onnx_check(runtime, api->get_element_type(info, &number), ERROR_CONFIG, error);
    if (code == OK)
        code = onnx_check(runtime, api->get_rank(info, &found), ERROR_CONFIG, error);
    if (code != OK)
        return code;
    *type = found <= ONNX_RANK_MAX ? type_of(number) : ONNX_OTHER;
    *rank = *type == ONNX_OTHER ? 0 : found;
    return onnx_check(runtime, api->get_shape(info, shape, *rank), ERROR_CONFIG, error);
}

/* ---- what the model declares ---- */

static enum error_code read_name(struct onnx_session *session, bool is_input, size_t i,
                                 const char **name, struct error *error)
{
    const struct ort_api *api = session->runtime->api;
    struct ort_allocator *allocator;
    char *text = NULL;
    enum error_code code =
        onnx_check(session->runtime, api->get_allocator(&allocator), ERROR_CONFIG, error);
    if (code != OK)
        return code;
    code = onnx_check(session->runtime,
                      (is_input ? api->get_input_name : api->get_output_name)(
                          session->session, i, allocator, &text),
                      ERROR_CONFIG, error);
    if (code != OK)
        return code;
    *name = arena_copy_text(session->arena, text, strlen(text));
    code = onnx_check(session->runtime, api->allocator_free(allocator, text),
                      ERROR_CONFIG, error);
    if (code == OK && !*name)
        return error_set(error, ERROR_MEMORY, "no memory for the names of a model");
    return code;
}

static enum error_code read_port(struct onnx_session *session, bool is_input, size_t i,
                                 struct onnx_port *port, struct error *error)
{
    const struct onnx_runtime *runtime = session->runtime;
    const struct ort_api *api = runtime->api;
    struct ort_type_info *type = NULL;
    const struct ort_tensor_info *info = NULL; /* part of `type` */
    enum error_code code = read_name(session, is_input, i, &port->name, error);
    if (code != OK)
        return code;
    code = onnx_check(runtime,
                      (is_input ? api->get_input_type
                                : api->get_output_type)(session->session, i, &type),
                      ERROR_CONFIG, error);
    if (code != OK)
        return code;
    code = onnx_check(runtime, api->get_tensor_type(type, &info), ERROR_CONFIG, error);
    if (code == OK && info)
        code = read_shape(runtime, info, &port->type, &port->rank, port->shape, error);
    api->release_type_info(type);
    return code;
}

static enum error_code read_ports(struct onnx_session *session, bool is_input,
                                  struct ports *ports, struct error *error)
{
    const struct ort_api *api = session->runtime->api;
    size_t count = 0;
    enum error_code code =
        onnx_check(session->runtime,
                   (is_input ? api->get_input_count
                             : api->get_output_count)(session->session, &count),
                   ERROR_CONFIG, error);
    if (code != OK)
        return code;
    ports->items = ARENA_NEW(session->arena, struct onnx_port, count);
    ports->names = ARENA_NEW(session->arena, const char *, count);
    if (!ports->items || !ports->names)
        return error_set(error, ERROR_MEMORY, "no memory for %zu ports of a model",
                         count);
    ports->count = count;
    for (size_t i = 0; i < count && code == OK; i++)
        code = read_port(session, is_input, i, &ports->items[i], error);
    return code;
}

static enum error_code read_model(struct onnx_session *session, struct error *error)
{
    enum error_code code = read_ports(session, true, &session->inputs, error);
    if (code == OK)
        code = read_ports(session, false, &session->outputs, error);
    if (code != OK)
        return code;
    session->given = ARENA_NEW(session->arena, struct ort_value *, session->inputs.count);
    session->views =
        ARENA_NEW(session->arena, const struct ort_value *, session->inputs.count);
    session->results =
        ARENA_NEW(session->arena, struct ort_value *, session->outputs.count);
    if (!session->given || !session->views || !session->results)
        return error_set(error, ERROR_MEMORY, "no memory for the ports of a model");
    return OK;
}

/* ---- opening ---- */

/* Smaller models get weights of their own: read from a mapped file, whose pages are small,
 * convolutions take 2 to 4 % longer. */
enum { SHARED_MIN = 32 << 20 };

struct config {
    const char *key, *value;
};

static bool is_ort_format(const struct model_bytes *model)
{
    return model->size >= 8 && memcmp((const char *)model->data + 4, "ORTM", 4) == 0;
}

/* One thread, one operator after another. Patterns of memory are left out: the library
 * keeps one for every shape of input that it meets, and never lets go of it. Its arena
 * stays: it holds what the largest run took, which is less than what malloc() keeps. */
static enum error_code set_options(const struct onnx_runtime *runtime,
                                   struct ort_session_options *options,
                                   const struct config *configs, size_t count,
                                   struct error *error)
{
    const struct ort_api *api = runtime->api;
    struct ort_status *status = api->set_threads_inside(options, 1);
    if (!status)
        status = api->set_threads_across(options, 1);
    if (!status)
        status = api->set_execution_mode(options, ORT_SEQUENTIAL_EXECUTION);
    if (!status)
        status = api->set_optimization_level(options, ORT_ALL_OPTIMIZATIONS);
    if (!status)
        status = api->set_deterministic(options, true);
    if (!status)
        status = api->disable_memory_pattern(options);
    for (size_t i = 0; i < count && !status; i++)
        status = api->add_config(options, configs[i].key, configs[i].value);
    return onnx_check(runtime, status, ERROR_CONFIG, error);
}

/* `folder`: of the weights that a model keeps beside it, NULL: none; `target`: where the
 * optimised model goes, NULL: nowhere. */
static enum error_code start(const struct onnx_runtime *runtime,
                             const struct model_bytes *model, const char *folder,
                             const char *target, struct ort_session **session,
                             struct error *error)
{
    const struct ort_api *api = runtime->api;
    struct ort_session_options *options = NULL;
    struct config configs[3];
    size_t count = 0;
    if (is_ort_format(model)) {
        configs[count++] = (struct config){"session.use_ort_model_bytes_directly", "1"};
        if (model->size >= SHARED_MIN)
            configs[count++] =
                (struct config){"session.use_ort_model_bytes_for_initializers", "1"};
    } else if (folder) {
        configs[count++] = (struct config){
            "session.model_external_initializers_file_folder_path", folder};
    }
    if (target)
        configs[count++] = (struct config){"session.save_model_format", "ORT"};
    enum error_code code =
        onnx_check(runtime, api->create_options(&options), ERROR_CONFIG, error);
    if (code != OK)
        return code;
    code = set_options(runtime, options, configs, count, error);
    if (code == OK && target)
        code = onnx_check(runtime, api->set_optimized_model_path(options, target),
                          ERROR_CONFIG, error);
    if (code == OK)
        code = onnx_check(
            runtime,
            api->create_session(runtime->env, model->data, model->size, options, session),
            ERROR_CONFIG, error);
    api->release_options(options);
    return code;
}

static enum error_code map_model(const char *path, struct model_bytes *model,
                                 struct error *error)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0) {
        enum error_code code =
            error_set_errno(error, ERROR_IO, errno, "cannot open model \"%s\"", path);
        if (fd >= 0)
            (void)close(fd);
        return code;
    }
    enum error_code code = OK;
    if (!S_ISREG(info.st_mode) || info.st_size == 0) {
        code = error_set(error, ERROR_CONFIG, "model \"%s\" is %s", path,
                         S_ISREG(info.st_mode) ? "empty" : "not a file");
    } else {
        void *map = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED)
            code =
                error_set_errno(error, ERROR_IO, errno, "cannot map model \"%s\"", path);
        else
            *model = (struct model_bytes){map, map, (size_t)info.st_size};
    }
    (void)close(fd);
    return code;
}

static void unmap_model(struct model_bytes *model)
{
    if (model->map)
        (void)munmap(model->map, model->size);
    *model = (struct model_bytes){0};
}

/* The folder of `path`, "." where it names none. */
static void folder_of(const char *path, char folder[FOLDER_SIZE])
{
    const char *slash = strrchr(path, '/');
    size_t size = slash ? (size_t)(slash - path) + 1 : 0;
    if (size >= FOLDER_SIZE)
        size = 0;
    memcpy(folder, size > 0 ? path : ".", size > 0 ? size : 1);
    folder[size > 0 ? size : 1] = 0;
}

/* Takes `model`. */
static enum error_code open_model(const struct onnx_runtime *runtime, const char *name,
                                  const char *folder, struct model_bytes *model,
                                  struct onnx_session **session, struct error *error)
{
    struct arena *arena = arena_create(ARENA_BLOCK, 0);
    struct onnx_session *opened = arena ? ARENA_NEW(arena, struct onnx_session, 1) : NULL;
    if (!opened) {
        arena_destroy(arena);
        unmap_model(model);
        return error_set(error, ERROR_MEMORY, "no memory to open model \"%s\"", name);
    }
    opened->runtime = runtime;
    opened->arena = arena;
    opened->model = *model;
    enum error_code code = start(runtime, model, folder, NULL, &opened->session, error);
    if (code == OK)
        code = read_model(opened, error);
    if (code != OK) {
        onnx_session_close(opened);
        return error_wrap(error, "model \"%s\"", name);
    }
    if (!is_ort_format(model)) /* it has been read, weights and all */
        unmap_model(&opened->model);
    *session = opened;
    return OK;
}

enum error_code onnx_session_open(const struct onnx_runtime *runtime, const char *path,
                                  struct onnx_session **session, struct error *error)
{
    char folder[FOLDER_SIZE];
    struct model_bytes model = {0};
    enum error_code code = map_model(path, &model, error);
    if (code != OK)
        return code;
    folder_of(path, folder);
    return open_model(runtime, path, folder, &model, session, error);
}

enum error_code onnx_session_open_bytes(const struct onnx_runtime *runtime,
                                        const char *name, const void *model, size_t size,
                                        struct onnx_session **session,
                                        struct error *error)
{
    struct model_bytes bytes = {.data = model, .size = size};
    if (size == 0)
        return error_set(error, ERROR_CONFIG, "model \"%s\" is empty", name);
    return open_model(runtime, name, NULL, &bytes, session, error);
}

void onnx_session_close(struct onnx_session *session)
{
    if (!session)
        return;
    onnx_session_reset(session);
    if (session->session)
        session->runtime->api->release_session(session->session);
    unmap_model(&session->model);
    arena_destroy(session->arena);
}

enum error_code onnx_model_compile(const struct onnx_runtime *runtime, const char *path,
                                   const char *target, struct error *error)
{
    char folder[FOLDER_SIZE];
    struct model_bytes model = {0};
    struct ort_session *session = NULL;
    enum error_code code = map_model(path, &model, error);
    if (code != OK)
        return code;
    folder_of(path, folder);
    code = start(runtime, &model, folder, target, &session, error);
    if (code != OK)
        (void)error_wrap(error, "cannot compile model \"%s\"", path);
    if (session)
        runtime->api->release_session(session);
    unmap_model(&model);
    return code;
}

/* ---- ports ---- */

size_t onnx_session_input_count(const struct onnx_session *session)
{
    return session->inputs.count;
}

size_t onnx_session_output_count(const struct onnx_session *session)
{
    return session->outputs.count;
}

const struct onnx_port *onnx_session_input(const struct onnx_session *session, size_t i)
{
    assert(i < session->inputs.count);
    return &session->inputs.items[i];
}

const struct onnx_port *onnx_session_output(const struct onnx_session *session, size_t i)
{
    assert(i < session->outputs.count);
    return &session->outputs.items[i];
}

static const struct onnx_port *find_port(const struct ports *ports, const char *name)
{
    for (size_t i = 0; i < ports->count; i++) {
        if (strcmp(ports->items[i].name, name) == 0)
            return &ports->items[i];
    }
    return NULL;
}

const struct onnx_port *onnx_session_find_input(const struct onnx_session *session,
                                                const char *name)
{
    return find_port(&session->inputs, name);
}

const struct onnx_port *onnx_session_find_output(const struct onnx_session *session,
                                                 const char *name)
{
    return find_port(&session->outputs, name);
}

/* ---- a run ---- */

static enum error_code no_such_port(const struct ports *ports, const char *kind,
                                    const char *name, struct error *error)
{
    char list[300] = "";
    size_t used = 0;
    for (size_t i = 0; i < ports->count && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s\"%s\"",
                                 i > 0 ? ", " : "", ports->items[i].name);
    return error_set(error, ERROR_CONFIG, "the model has no %s \"%s\"; it has %s", kind,
                     name, list);
}

static enum error_code check_input(const struct onnx_port *port,
                                   const struct onnx_tensor *tensor, struct error *error)
{
    char wanted[SHAPE_TEXT], given[SHAPE_TEXT];
    if (port->type != tensor->type || port->type == ONNX_OTHER)
        return error_set(
            error, ERROR_CONFIG, "the model takes %s as input \"%s\", and is given %s",
            onnx_type_name(port->type), port->name, onnx_type_name(tensor->type));
    bool is_fitting = port->rank == tensor->rank;
    size_t size = onnx_type_size(port->type);
    for (size_t i = 0; i < port->rank && is_fitting; i++) {
        is_fitting = tensor->shape[i] >= 0 &&
                     (port->shape[i] < 0 || port->shape[i] == tensor->shape[i]) &&
                     size_multiply(size, (size_t)tensor->shape[i], &size);
    }
    if (!is_fitting)
        return error_set(
            error, ERROR_CONFIG,
            "the model takes the shape %s as input \"%s\", and is given %s",
            shape_text(port->shape, port->rank, wanted), port->name,
            shape_text(tensor->shape,
                       tensor->rank < ONNX_RANK_MAX ? tensor->rank : ONNX_RANK_MAX,
                       given));
    if (size != tensor->size)
        return error_set(error, ERROR_FATAL, "input \"%s\" has %zu bytes instead of %zu",
                         port->name, tensor->size, size);
    return OK;
}

static enum error_code check_run(const struct onnx_session *session,
                                 const struct onnx_tensor *inputs, size_t input_count,
                                 const struct onnx_tensor *outputs, size_t output_count,
                                 struct error *error)
{
    for (size_t i = 0; i < input_count; i++) {
        const struct onnx_port *port = find_port(&session->inputs, inputs[i].name);
        if (!port)
            return no_such_port(&session->inputs, "input", inputs[i].name, error);
        enum error_code code = check_input(port, &inputs[i], error);
        if (code != OK)
            return code;
    }
    for (size_t i = 0; i < session->inputs.count; i++) {
        size_t times = 0;
        for (size_t j = 0; j < input_count; j++)
            times += strcmp(session->inputs.items[i].name, inputs[j].name) == 0;
        if (times != 1)
            return error_set(error, ERROR_CONFIG,
                             "input \"%s\" of the model is given %zu times",
                             session->inputs.items[i].name, times);
    }
    if (output_count > session->outputs.count)
        return error_set(error, ERROR_CONFIG, "the model has %zu outputs, not %zu",
                         session->outputs.count, output_count);
    for (size_t i = 0; i < output_count; i++) {
        const struct onnx_port *port = find_port(&session->outputs, outputs[i].name);
        if (!port)
            return no_such_port(&session->outputs, "output", outputs[i].name, error);
        if (port->type == ONNX_OTHER)
            return error_set(error, ERROR_CONFIG,
                             "output \"%s\" of the model is not a tensor of numbers that "
                             "millrace takes",
                             port->name);
    }
    return OK;
}

static enum error_code read_output(const struct onnx_runtime *runtime,
                                   struct ort_value *value, struct onnx_tensor *output,
                                   struct error *error)
{
    const struct ort_api *api = runtime->api;
    struct ort_tensor_info *info = NULL;
    struct onnx_tensor found = {.name = output->name};
    void *data = NULL;
    int is_tensor = 0;
    enum error_code code =
        onnx_check(runtime, api->is_tensor(value, &is_tensor), ERROR_RECORD, error);
    if (code == OK && !is_tensor)
        code =
            error_set(error, ERROR_CONFIG, "output \"%s\" is not a tensor", output->name);
    if (code != OK)
        return code;
    code = onnx_check(runtime, api->get_value_type(value, &info), ERROR_RECORD, error);
    if (code != OK)
        return code;
    code = read_shape(runtime, info, &found.type, &found.rank, found.shape, error);
    api->release_tensor_info(info);
    if (code != OK)
        return code;
    if (found.type == ONNX_OTHER)
        return error_set(error, ERROR_CONFIG,
                         "output \"%s\" is not a tensor of numbers that millrace takes",
                         output->name);
    code = onnx_check(runtime, api->get_tensor_data(value, &data), ERROR_RECORD, error);
    if (code != OK)
        return code;
    found.data = data;
    found.size = onnx_type_size(found.type);
    for (size_t i = 0; i < found.rank; i++)
        found.size *= (size_t)found.shape[i]; /* it is in memory: no overflow */
    *output = found;
    return OK;
}

/* `made` counts the values, on failure too. */
static enum error_code give_inputs(struct onnx_session *session,
                                   const struct onnx_tensor *inputs, size_t count,
                                   size_t *made, struct error *error)
{
    static const double nothing = 0; /* the library takes no NULL */
    const struct onnx_runtime *runtime = session->runtime;
    for (size_t i = 0; i < count; i++) {
        const struct onnx_tensor *in = &inputs[i];
        enum error_code code = onnx_check(
            runtime,
            runtime->api->create_tensor(runtime->memory, in->data ? in->data : &nothing,
                                        in->size, in->shape, in->rank,
                                        types[in->type].number, &session->given[i]),
            ERROR_RECORD, error);
        if (code != OK)
            return code;
        session->views[i] = session->given[i];
        session->inputs.names[i] = in->name;
        (*made)++;
    }
    return OK;
}

enum error_code onnx_session_run(struct onnx_session *session,
                                 const struct onnx_tensor *inputs, size_t input_count,
                                 struct onnx_tensor *outputs, size_t output_count,
                                 struct error *error)
{
    const struct onnx_runtime *runtime = session->runtime;
    size_t made = 0;
    onnx_session_reset(session);
    enum error_code code =
        check_run(session, inputs, input_count, outputs, output_count, error);
    if (code != OK)
        return code;
    code = give_inputs(session, inputs, input_count, &made, error);
    for (size_t i = 0; i < output_count; i++)
        session->outputs.names[i] = outputs[i].name;
    if (code == OK)
        code = onnx_check(runtime,
                          runtime->api->run(session->session, NULL, session->inputs.names,
                                            session->views, made, session->outputs.names,
                                            output_count, session->results),
                          ERROR_RECORD, error);
    for (size_t i = 0; i < made; i++)
        runtime->api->release_value(session->given[i]);
    for (size_t i = 0; i < output_count && code == OK; i++)
        code = read_output(runtime, session->results[i], &outputs[i], error);
    if (code != OK)
        onnx_session_reset(session);
    return code;
}

void onnx_session_reset(struct onnx_session *session)
{
    for (size_t i = 0; i < session->outputs.count && session->results; i++) {
        if (session->results[i])
            session->runtime->api->release_value(session->results[i]);
        session->results[i] = NULL;
    }
}
